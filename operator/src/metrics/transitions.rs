//! What changed between two statuses of a training, as far as metrics are concerned.

use crate::attempts::cause_name;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use splade_crds::training::{AttemptStatus, SpladeTrainingStatus};
use std::time::Duration;

/// Something that happened once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// Restarts were counted.
    Restarted {
        /// Whose fault they were.
        cause: &'static str,
        /// How many.
        times: u32,
    },
    /// All pods of an attempt run.
    Running {
        /// Time since the attempt was created.
        after: Duration,
    },
    /// An attempt ended.
    AttemptEnded {
        /// Why.
        cause: &'static str,
        /// Time since it was created.
        after: Duration,
    },
}

/// What `after` says that `before` did not.
pub fn transitions(
    before: Option<&SpladeTrainingStatus>,
    after: &SpladeTrainingStatus,
) -> Vec<Transition> {
    let none = SpladeTrainingStatus::default();
    let before = before.unwrap_or(&none);
    let mut found = Vec::new();
    let (old, new) = (&before.restarts, &after.restarts);
    for (cause, old, new) in [
        ("Application", old.application, new.application),
        ("Infrastructure", old.infrastructure, new.infrastructure),
    ] {
        let times = new.saturating_sub(old);
        if times > 0 {
            found.push(Transition::Restarted { cause, times });
        }
    }
    for attempt in &after.attempts {
        let known = before
            .attempts
            .iter()
            .find(|known| known.number == attempt.number);
        // An attempt that its queue took back has run before.
        let ran = known.is_some_and(|known| known.running_time.is_some() || known.preemptions > 0);
        if let Some(running) = attempt.running_time.as_ref().filter(|_| !ran) {
            let after = since_start(attempt, running);
            found.push(Transition::Running { after });
        }
        let ended = known.is_some_and(|known| known.cause.is_some());
        if let (false, Some(cause), Some(end)) = (ended, attempt.cause, &attempt.end_time) {
            let (cause, after) = (cause_name(cause), since_start(attempt, end));
            found.push(Transition::AttemptEnded { cause, after });
        }
    }
    found
}

/// No time at all where a clock went backwards.
fn since_start(attempt: &AttemptStatus, time: &Time) -> Duration {
    let elapsed = time.0.duration_since(attempt.start_time.0);
    Duration::try_from(elapsed).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::jiff::Timestamp;
    use splade_crds::training::AttemptCause;

    fn at(seconds: i64) -> Time {
        Time(Timestamp::from_second(seconds).unwrap())
    }

    /// An attempt that began at 100.
    fn attempt(number: u32) -> AttemptStatus {
        AttemptStatus {
            number,
            cause: None,
            reason: None,
            exit_code: None,
            node: None,
            start_time: at(100),
            running_time: None,
            preemptions: 0,
            end_time: None,
            blocked_time: None,
            job_uid: None,
            resumed_from: None,
            traceparent: None,
        }
    }

    fn status(attempts: Vec<AttemptStatus>) -> SpladeTrainingStatus {
        SpladeTrainingStatus {
            attempts,
            ..SpladeTrainingStatus::default()
        }
    }

    #[test]
    fn an_attempt_that_begins_to_run_is_timed_once() {
        let starting = status(vec![attempt(1)]);
        let mut running = starting.clone();
        running.attempts[0].running_time = Some(at(130));
        let after = Duration::from_secs(30);
        assert_eq!(
            transitions(Some(&starting), &running),
            [Transition::Running { after }]
        );
        assert_eq!(transitions(Some(&running), &running), []);
    }

    #[test]
    fn a_failure_and_its_restart_are_counted_when_they_are_written() {
        let running = status(vec![attempt(1)]);
        let mut restarting = running.clone();
        restarting.restarts.application = 1;
        restarting.attempts[0].cause = Some(AttemptCause::Application);
        restarting.attempts[0].end_time = Some(at(160));
        let (cause, after) = ("Application", Duration::from_secs(60));
        let found = [
            Transition::Restarted { cause, times: 1 },
            Transition::AttemptEnded { cause, after },
        ];
        assert_eq!(transitions(Some(&running), &restarting), found);
        let mut again = restarting.clone();
        again.attempts.push(attempt(2));
        assert_eq!(transitions(Some(&restarting), &again), []);
    }
}
