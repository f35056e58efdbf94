//! A machine's clocks: one that only advances, a little too fast or too slow, and one that people set.
//!
//! Owns the way from true (virtual) time to what a machine believes and back. Leases live on the first clock, R7's medians
//! on the second.

use quorla_ledger::units::Millis;

use super::dice::Dice;

/// Rates differ by less than a lease's skew over a lease (1 s in 10 s).
const DRIFT_PPM_MAX: u64 = 8_000;
const WALL_SKEW_MS_MAX: u64 = 400;
const MILLION: i128 = 1_000_000;

/// See the module.
#[derive(Debug)]
pub(super) struct Clock {
    started_at: Millis,
    boot_ms_at_start: u64,
    drift_ppm: i64,
    skew_ms: i64,
    jumped_ms: i64,
}

impl Clock {
    pub(super) fn drawn(dice: &mut Dice, now: Millis) -> Self {
        Self {
            started_at: now,
            boot_ms_at_start: dice.between(1_000, 1_000_000_000),
            drift_ppm: dice.around_zero(DRIFT_PPM_MAX),
            skew_ms: dice.around_zero(WALL_SKEW_MS_MAX),
            jumped_ms: 0,
        }
    }

    /// The clock that counts suspended time and never jumps.
    pub(super) fn boot(&self, now: Millis) -> Millis {
        let elapsed = i128::from(now.since(self.started_at).0);
        let counted = elapsed + elapsed * i128::from(self.drift_ppm) / MILLION;
        let counted = u64::try_from(counted).expect("drift is far below the rate");
        Millis(self.boot_ms_at_start + counted)
    }

    /// The first true time at which the boot clock shows `boot`.
    pub(super) fn when_boot_is(&self, boot: Millis) -> Millis {
        let counted = i128::from(boot.0.saturating_sub(self.boot_ms_at_start));
        let elapsed = counted * MILLION / (MILLION + i128::from(self.drift_ppm));
        let elapsed = u64::try_from(elapsed).expect("counted time is not negative");
        let mut at = self.started_at.after(Millis(elapsed.saturating_sub(2)));
        while self.boot(at) < boot {
            at = at.after(Millis(1));
        }
        at
    }

    /// The clock on the wall.
    pub(super) fn wall(&self, now: Millis) -> Millis {
        Millis(now.0.saturating_add_signed(self.skew_ms + self.jumped_ms))
    }

    /// Somebody sets the wall clock this far off.
    pub(super) const fn jump(&mut self, ms: i64) {
        self.jumped_ms = ms;
    }

    pub(super) const fn has_jumped(&self) -> bool {
        self.jumped_ms != 0
    }
}

#[cfg(test)]
mod tests {
    use super::{Clock, Dice, Millis};

    #[test]
    fn when_is_the_first_time_at_which_the_clock_shows_it() {
        let mut dice = Dice::new(7);
        for _ in 0..200 {
            let start = Millis(dice.between(0, 1 << 40));
            let clock = Clock::drawn(&mut dice, start);
            let boot = clock.boot(start).after(Millis(dice.between(1, 10_000_000)));
            let at = clock.when_boot_is(boot);
            assert!(clock.boot(at) >= boot);
            assert!(clock.boot(Millis(at.0 - 1)) < boot);
        }
    }
}
