//! What a status keeps of an attempt.

use crate::pods::Failure;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use splade_crds::training::{AttemptCause, AttemptStatus, LastFailure};

/// The longest message that a status keeps, in bytes.
const LONGEST_MESSAGE: usize = 4096;
/// The longest reason.
const LONGEST_REASON: usize = 128;

/// The record of an attempt that begins now.
pub fn begin(number: u32, traceparent: &str, now: Timestamp) -> AttemptStatus {
    AttemptStatus {
        number,
        cause: None,
        reason: None,
        exit_code: None,
        node: None,
        start_time: Time(now),
        running_time: None,
        preemptions: 0,
        end_time: None,
        blocked_time: None,
        job_uid: None,
        resumed_from: None,
        traceparent: Some(traceparent.into()),
    }
}

/// Ends an attempt.
pub fn close(record: &mut AttemptStatus, cause: AttemptCause, reason: &str, now: Timestamp) {
    record.cause = Some(cause);
    record.reason = Some(cut(reason, LONGEST_REASON));
    record.end_time = Some(Time(now));
    record.blocked_time = None;
}

/// What a status keeps of a failure.
pub fn last_failure(attempt: u32, failure: &Failure, now: Timestamp) -> LastFailure {
    LastFailure {
        attempt,
        cause: failure.cause,
        pod_name: failure.pod.clone(),
        node: failure.node.clone(),
        container: failure.container.clone(),
        exit_code: failure.exit_code,
        reason: cut(&failure.reason, LONGEST_REASON),
        message: cut(&failure.message, LONGEST_MESSAGE),
        time: Time(now),
    }
}

fn cut(text: &str, longest: usize) -> String {
    let mut text = text.to_owned();
    text.truncate(text.floor_char_boundary(longest));
    text
}
