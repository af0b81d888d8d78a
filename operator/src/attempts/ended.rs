//! The end of attempts, told once: when a status that says so has been written.

use splade_crds::training::{AttemptCause, AttemptStatus, LastFailure};
use splade_telemetry::spans::EndedAttempt;
use std::time::SystemTime;

/// Whose attempts they are.
#[derive(Clone, Copy, Debug)]
pub struct Resource<'a> {
    /// Kind, as in the API.
    pub kind: &'a str,
    /// Namespace.
    pub namespace: &'a str,
    /// Name.
    pub name: &'a str,
}

/// Attempts that have ended by `after` and had not by `before`.
pub fn newly_ended<'a>(
    before: &'a [AttemptStatus],
    after: &'a [AttemptStatus],
) -> impl Iterator<Item = &'a AttemptStatus> {
    let had_ended = |number| {
        let mut all = before.iter();
        all.any(|known| known.number == number && known.cause.is_some())
    };
    after
        .iter()
        .filter(move |attempt| attempt.cause.is_some() && !had_ended(attempt.number))
}

/// The root of an attempt's trace. None where the record lacks what it takes: of an attempt that has not ended.
pub fn root<'a>(
    resource: Resource<'a>,
    attempt: &'a AttemptStatus,
    last_failure: Option<&'a LastFailure>,
) -> Option<EndedAttempt<'a>> {
    let cause = attempt.cause?;
    let reason = attempt.reason.as_deref().unwrap_or_default();
    let told = last_failure.filter(|failure| failure.attempt == attempt.number);
    Some(EndedAttempt {
        traceparent: attempt.traceparent.as_deref()?,
        kind: resource.kind,
        namespace: resource.namespace,
        name: resource.name,
        number: attempt.number,
        start: SystemTime::from(attempt.start_time.0),
        end: SystemTime::from(attempt.end_time.as_ref()?.0),
        cause: cause_name(cause),
        reason,
        failure: is_failure(cause).then(|| told.map_or(reason, |failure| failure.message.as_str())),
    })
}

/// The cause, as in the API.
pub fn cause_name(cause: AttemptCause) -> &'static str {
    match cause {
        AttemptCause::Completed => "Completed",
        AttemptCause::Configuration => "Configuration",
        AttemptCause::Data => "Data",
        AttemptCause::Application => "Application",
        AttemptCause::Infrastructure => "Infrastructure",
        AttemptCause::Suspended => "Suspended",
        AttemptCause::Deadline => "Deadline",
    }
}

fn is_failure(cause: AttemptCause) -> bool {
    !matches!(cause, AttemptCause::Completed | AttemptCause::Suspended)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attempts::{begin, close};
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::Timestamp;
    use std::time::Duration;

    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const RESOURCE: Resource<'_> = Resource {
        kind: "SpladeTraining",
        namespace: "search",
        name: "korean",
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn ended(number: u32, cause: AttemptCause, reason: &str) -> AttemptStatus {
        let mut attempt = begin(number, TRACE, at(100));
        close(&mut attempt, cause, reason, at(160));
        attempt
    }

    fn failure(attempt: u32) -> LastFailure {
        LastFailure {
            attempt,
            cause: AttemptCause::Application,
            pod_name: None,
            node: None,
            container: None,
            exit_code: None,
            reason: "OOMKilled".into(),
            message: "rank 3 was killed".into(),
            time: Time(at(160)),
        }
    }

    fn numbers(before: &[AttemptStatus], after: &[AttemptStatus]) -> Vec<u32> {
        let ended = newly_ended(before, after);
        ended.map(|attempt| attempt.number).collect()
    }

    #[test]
    fn an_end_is_told_once() {
        let running = [begin(1, TRACE, at(100))];
        let over = [ended(1, AttemptCause::Application, "OOMKilled")];
        assert!(numbers(&running, &running).is_empty());
        assert_eq!(numbers(&running, &over), [1]);
        assert!(numbers(&over, &over).is_empty());
        // The record of a benchmark gives way to that of its next attempt.
        assert!(numbers(&over, &[begin(2, TRACE, at(200))]).is_empty());
        assert_eq!(
            numbers(&over, &[ended(2, AttemptCause::Completed, "Completed")]),
            [2]
        );
    }

    #[test]
    fn a_root_says_how_the_attempt_ended() {
        let attempt = ended(2, AttemptCause::Application, "OOMKilled");
        let last = failure(2);
        let told = root(RESOURCE, &attempt, Some(&last)).unwrap();
        assert_eq!(told.traceparent, TRACE);
        let lasted = told.end.duration_since(told.start).unwrap();
        assert_eq!(lasted, Duration::from_secs(60));
        assert_eq!(
            (told.number, told.cause, told.reason),
            (2, "Application", "OOMKilled")
        );
        assert_eq!(told.failure, Some("rank 3 was killed"));
        // The failure of another attempt says nothing about this one.
        let other = failure(1);
        let told = root(RESOURCE, &attempt, Some(&other)).unwrap();
        assert_eq!(told.failure, Some("OOMKilled"));
    }

    #[test]
    fn what_was_wanted_is_no_failure() {
        for cause in [AttemptCause::Completed, AttemptCause::Suspended] {
            let attempt = ended(1, cause, "Wanted");
            let told = root(RESOURCE, &attempt, None).unwrap();
            assert_eq!(told.failure, None);
        }
        assert!(root(RESOURCE, &begin(1, TRACE, at(100)), None).is_none());
    }
}
