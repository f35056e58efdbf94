//! When a peer that could not be reached may be tried again: pure arithmetic over the time passed in.

use std::time::Duration;

use tokio::time::Instant;

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(2);

/// Failures in a row and the pause that follows them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    not_before: Option<Instant>,
}

impl Backoff {
    /// The rest of the pause at `now`.
    pub(super) fn remaining(&self, now: Instant) -> Option<Duration> {
        self.not_before?.checked_duration_since(now).filter(|rest| !rest.is_zero())
    }

    /// Notes a failure at `now`; `jitter` from 0 to 255 spreads the pause over half of its length.
    pub(super) fn failed(&mut self, now: Instant, jitter: u8) {
        let pause = FIRST.saturating_mul(1 << self.failures.min(10)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(now + pause / 2 + (pause / 2) * u32::from(jitter) / 255);
    }

    /// Forgets all failures: it answered, or it is said to be somewhere else now.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::{Backoff, FIRST};

    #[test]
    fn pauses_double_up_to_a_bound() {
        let now = Instant::now();
        let mut backoff = Backoff::default();
        let mut pauses_ms = Vec::new();
        for _ in 0..8 {
            backoff.failed(now, 255);
            pauses_ms.push(backoff.remaining(now).unwrap().as_millis());
        }
        assert_eq!(pauses_ms, [50, 100, 200, 400, 800, 1_600, 2_000, 2_000]);
    }

    #[test]
    fn jitter_never_more_than_halves_a_pause() {
        let now = Instant::now();
        let mut backoff = Backoff::default();
        backoff.failed(now, 0);
        assert_eq!(backoff.remaining(now), Some(FIRST / 2));
    }

    #[test]
    fn peer_may_be_tried_after_the_pause_and_after_a_reset() {
        let now = Instant::now();
        let mut backoff = Backoff::default();
        backoff.failed(now, 255);
        assert_eq!(backoff.remaining(now + FIRST), None);
        backoff.reset();
        assert_eq!(backoff.remaining(now), None);
    }
}
