//! Objects whose reconcile failed wait before the next try, twice as long after each failure.

use crate::cache::Belongs;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The wait after the first failure.
const FIRST: Duration = Duration::from_secs(1);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(120);

/// An object that failed.
#[derive(Clone, Copy, Debug)]
struct Failing {
    failures: u32,
    until: Instant,
    generation: Option<i64>,
}

/// Objects that failed, and when they may be tried again.
#[derive(Debug, Default)]
pub struct Backoffs(Mutex<HashMap<Belongs, Failing>>);

impl Backoffs {
    /// How long an object has to wait still. A changed spec does not wait: it may be what mends the failure.
    pub fn wait(&self, object: &Belongs, generation: Option<i64>) -> Option<Duration> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let failing = all
            .get(object)
            .filter(|failing| failing.generation == generation)?;
        let wait = failing.until.saturating_duration_since(Instant::now());
        (!wait.is_zero()).then_some(wait)
    }

    /// A reconcile failed: how long to wait. `jitter` between 0 and 1 keeps many that failed together apart.
    pub fn failed(&self, object: &Belongs, generation: Option<i64>, jitter: f64) -> Duration {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = all
            .get(object)
            .filter(|failing| failing.generation == generation);
        let failures = before.map_or(0, |failing| failing.failures);
        let wait = pause(failures, jitter);
        let failing = Failing {
            failures: failures.saturating_add(1),
            until: Instant::now() + wait,
            generation,
        };
        all.insert(object.clone(), failing);
        wait
    }

    /// A reconcile succeeded, or the object is gone.
    pub fn forget(&self, object: &Belongs) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(object);
    }
}

/// The wait after so many earlier failures in a row.
fn pause(failures: u32, jitter: f64) -> Duration {
    let factor = 2_u32.checked_pow(failures).unwrap_or(u32::MAX);
    let whole = FIRST.checked_mul(factor).unwrap_or(LONGEST).min(LONGEST);
    whole.mul_f64(0.75 + 0.25 * jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::{Key, Kind};
    use proptest::prelude::*;

    fn object() -> Belongs {
        let (namespace, name) = ("ns".to_owned(), "v33".to_owned());
        Belongs {
            kind: Kind::Training,
            key: Key { namespace, name },
        }
    }

    #[tokio::test(start_paused = true)]
    async fn waits_double_until_success() {
        let backoffs = Backoffs::default();
        for seconds in [1, 2, 4, 8, 16, 32, 64, 120, 120] {
            let wait = backoffs.failed(&object(), Some(1), 1.0);
            assert_eq!(wait.as_secs(), seconds);
            assert_eq!(backoffs.wait(&object(), Some(1)), Some(wait));
            tokio::time::advance(wait).await;
            assert_eq!(backoffs.wait(&object(), Some(1)), None);
        }
        backoffs.forget(&object());
        assert_eq!(backoffs.failed(&object(), Some(1), 1.0).as_secs(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_changed_spec_is_tried_at_once() {
        let backoffs = Backoffs::default();
        backoffs.failed(&object(), Some(1), 1.0);
        backoffs.failed(&object(), Some(1), 1.0);
        assert_eq!(backoffs.wait(&object(), Some(2)), None);
        assert_eq!(backoffs.failed(&object(), Some(2), 1.0).as_secs(), 1);
    }

    proptest! {
        #[test]
        fn a_wait_never_shrinks_with_failures_nor_leaves_its_bounds(failures in 0..u32::MAX - 1, jitter in 0.0..=1.0) {
            let wait = pause(failures, jitter);
            prop_assert!(wait >= FIRST.mul_f64(0.75) && wait <= LONGEST);
            prop_assert!(pause(failures + 1, jitter) >= wait);
        }
    }
}
