//! The one place of the server where a clock is read.
//!
//! Everything else gets time passed in: as [`SystemClock`] behind a trait, or as plain milliseconds. Wall time feeds
//! certificates, ids and ledger time (R7); boot time, which goes on counting while the machine is suspended, feeds
//! leases. Neither is ever compared with the other.

use std::time::Duration;

use quorla_consensus::Clock;
use rustix::time::{ClockId, clock_gettime};

/// The machine's clocks, read directly.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl SystemClock {
    /// Milliseconds since the Unix epoch; may jump when the administrator or NTP sets the clock.
    pub fn wall_ms(&self) -> u64 {
        read_ms(ClockId::Realtime)
    }

    /// Milliseconds since boot, time spent suspended included (`CLOCK_BOOTTIME`); never goes back.
    pub fn boot_ms(&self) -> u64 {
        read_ms(ClockId::Boottime)
    }

    /// The same as [`SystemClock::boot_ms`], as a duration.
    pub fn since_boot(&self) -> Duration {
        Duration::from_millis(self.boot_ms())
    }
}

impl Clock for SystemClock {
    fn wall_ms(&self) -> u64 {
        Self::wall_ms(self)
    }

    fn boot_ms(&self) -> u64 {
        Self::boot_ms(self)
    }
}

/// Reads `clock`; a clock set before 1970 reads as zero rather than wrapping.
fn read_ms(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000).saturating_add(nanos / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::SystemClock;

    #[test]
    fn boot_time_never_goes_back() {
        let clock = SystemClock;
        let first = clock.boot_ms();
        assert!(clock.boot_ms() >= first);
    }

    #[test]
    fn wall_time_is_after_the_year_2020() {
        assert!(SystemClock.wall_ms() > 1_577_836_800_000);
    }
}
