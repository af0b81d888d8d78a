//! Times, in whole seconds as the API stores them.

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// The time without its fraction of a second: what is stored must be what is read back.
pub fn whole(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// So many seconds later; the end of time where there is none later.
pub fn later(time: Timestamp, seconds: u64) -> Timestamp {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    time.checked_add(SignedDuration::from_secs(seconds))
        .unwrap_or(Timestamp::MAX)
}

/// So many seconds earlier, if there is such a time.
pub fn earlier(time: Timestamp, seconds: i64) -> Option<Timestamp> {
    time.checked_sub(SignedDuration::from_secs(seconds)).ok()
}

/// Whole seconds from one time to another; none when a clock went backwards.
pub fn seconds_between(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.as_second() - from.as_second()).unwrap_or(0)
}

/// Whole seconds that lie between two times, whichever comes first.
pub fn seconds_apart(one: Timestamp, other: Timestamp) -> u64 {
    one.as_second().abs_diff(other.as_second())
}

/// How long to wait for a time; one second at least, so that a clock that differs a little causes no hot loop.
pub fn until(now: Timestamp, then: Timestamp) -> Duration {
    Duration::from_secs(seconds_between(now, then).max(1))
}
