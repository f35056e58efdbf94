//! One alarm on CLOCK_BOOTTIME, so that time spent suspended counts against a lease.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};

pub(super) struct Timer {
    fd: OwnedFd,
    armed_ms: Option<u64>,
}

impl Timer {
    pub(super) fn new() -> io::Result<Self> {
        let fd =
            rustix::time::timerfd_create(TimerfdClockId::Boottime, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        Ok(Self { fd, armed_ms: None })
    }

    /// Makes the descriptor readable from this boot time on; another time also takes back an alarm that was given.
    pub(super) fn arm(&mut self, at_ms: Option<u64>) -> io::Result<()> {
        if at_ms == self.armed_ms {
            return Ok(());
        }
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        // A time of zero would disarm: 1 ms after boot is as much in the past.
        let value = at_ms.map_or(zero, |at_ms| timespec(at_ms.max(1)));
        let alarm = Itimerspec { it_interval: zero, it_value: value };
        rustix::time::timerfd_settime(&self.fd, TimerfdTimerFlags::ABSTIME, &alarm)?;
        self.armed_ms = at_ms;
        Ok(())
    }
}

fn timespec(at_ms: u64) -> Timespec {
    let seconds = i64::try_from(at_ms / 1000).unwrap_or(i64::MAX);
    let nanos = i64::try_from(at_ms % 1000 * 1_000_000).expect("less than a second of nanoseconds");
    Timespec { tv_sec: seconds, tv_nsec: nanos }
}

impl AsFd for Timer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
