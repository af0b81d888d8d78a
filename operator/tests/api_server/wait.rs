//! Waiting for what must happen: as long as it takes, within a limit that only a failure reaches.

use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const LIMIT: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(50);

/// Waits until `look` finds something.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < LIMIT, "waited in vain: {what}");
        sleep(PAUSE).await;
    }
}

/// Waits until `look` gives `wanted`.
pub async fn until_is<T: PartialEq + Debug, F: Future<Output = T>>(
    what: &str,
    wanted: T,
    mut look: impl FnMut() -> F,
) {
    until(what, || {
        let found = look();
        let wanted = &wanted;
        async move { (found.await == *wanted).then_some(()) }
    })
    .await;
}
