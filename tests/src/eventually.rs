//! Waiting for what can be observed: the one place that looks again and again.
//!
//! The bound guards against hanging and is no part of any claim.

use std::time::{Duration, Instant};

const LOOK_EVERY: Duration = Duration::from_millis(20);
const GUARD: Duration = Duration::from_secs(90);

/// Looks until there is something, and gives it.
///
/// # Panics
/// When there is nothing for so long that the test would hang.
pub async fn eventually<T>(claim: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(since.elapsed() < GUARD, "eventually {claim}: not within {GUARD:?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Looks until it holds.
///
/// # Panics
/// When it does not for so long that the test would hang.
pub async fn eventually_holds(claim: &str, mut look: impl AsyncFnMut() -> bool) {
    eventually(claim, async || look().await.then_some(())).await;
}
