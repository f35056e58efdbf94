//! How long a caller waits for what takes more than one answer of a node.

use std::time::Duration;

use crate::clock::Stopwatch;
use crate::limits::WAIT_MS_MAX;

/// Beyond the time that a node was given, so long for its answer that the time is up.
const ANSWER_MS_MAX: u64 = 250;

/// The time that a caller gave, if any; runs from its creation.
pub(super) struct Patience {
    since: Stopwatch,
    timeout_ms: Option<u64>,
}

impl Patience {
    pub(super) fn new(timeout_ms: Option<u64>) -> Self {
        Self { since: Stopwatch::start(), timeout_ms }
    }

    /// How long a node may wait before it answers the next question.
    pub(super) fn round_ms(&self) -> u64 {
        self.left_ms().unwrap_or(WAIT_MS_MAX).min(WAIT_MS_MAX)
    }

    /// The answer; the caller's bound in milliseconds when it passes first. A node answers in time if it can, and a
    /// cluster that can't must not hold whoever said how long.
    pub(super) async fn ask<T>(&self, asking: impl Future<Output = T>) -> Result<T, u64> {
        let (Some(left_ms), Some(timeout_ms)) = (self.left_ms(), self.timeout_ms) else { return Ok(asking.await) };
        let patience = Duration::from_millis(left_ms.saturating_add(ANSWER_MS_MAX));
        tokio::time::timeout(patience, asking).await.map_err(|_| timeout_ms)
    }

    /// The caller's bound in milliseconds, once it has passed.
    pub(super) fn passed(&self) -> Option<u64> {
        self.timeout_ms.filter(|timeout_ms| self.since.elapsed_ms() >= *timeout_ms)
    }

    fn left_ms(&self) -> Option<u64> {
        self.timeout_ms.map(|timeout_ms| timeout_ms.saturating_sub(self.since.elapsed_ms()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_is_held_beyond_the_time_given() {
        let hurried = Patience::new(Some(0));
        assert_eq!(hurried.ask(std::future::pending::<()>()).await, Err(0));
        assert_eq!(hurried.ask(async { 7 }).await, Ok(7), "an answer that is there counts");
        assert_eq!((hurried.passed(), hurried.round_ms()), (Some(0), 0));

        let endless = Patience::new(None);
        assert_eq!((endless.passed(), endless.round_ms()), (None, WAIT_MS_MAX));
    }
}
