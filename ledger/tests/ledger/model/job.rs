//! What a naive ledger does with one job.

use quorla_ledger::{outcome::Exit, spec::Backoff};

use super::{Job, Sight, State, Why};

impl Job {
    pub(super) fn node(&self) -> Option<u32> {
        match self.state {
            State::Running { node, .. } | State::Stopping { node, .. } => Some(node),
            _ => None,
        }
    }

    pub(super) fn call_off(&mut self, why: Why) {
        self.state = match self.state {
            State::Running { node, .. } => State::Stopping { node, why },
            State::Stopping { node, why: Why::AttemptTimeout | Why::Drain } => State::Stopping { node, why },
            State::Stopping { .. } => return,
            _ => State::Ended(if why == Why::Cancel { "cancelled" } else { "deadline" }),
        };
    }

    /// What becomes of it after its attempt ended like this.
    pub(super) fn follow(&mut self, now: u64, exit: &Exit) {
        let why = match self.state {
            State::Stopping { why, .. } => Some(why),
            _ => None,
        };
        let codes = &self.spec.retry.exit_codes;
        self.state = match (why, exit) {
            (Some(Why::Cancel), _) => State::Ended("cancelled"),
            (Some(Why::JobTimeout), _) => State::Ended("deadline"),
            (Some(Why::AttemptTimeout), _) => self.fail(now, true, "deadline"),
            (Some(Why::Drain), _) => State::Queued(now),
            (None, Exit::Code(0)) => State::Ended("succeeded"),
            (None, Exit::GivenUp) => {
                self.losses += 1;
                if self.losses >= 16 { State::Ended("failed") } else { State::Queued(now) }
            }
            (None, Exit::Code(code)) => {
                let retryable = codes.is_empty() || codes.contains(code);
                self.fail(now, retryable, "failed")
            }
            (None, _) => {
                let retryable = codes.is_empty();
                self.fail(now, retryable, "failed")
            }
        };
    }

    fn fail(&mut self, now: u64, retryable: bool, last: &'static str) -> State {
        self.failures += 1;
        if !retryable || self.failures >= self.spec.retry.attempts_max {
            return State::Ended(last);
        }
        let pause = match self.spec.retry.backoff {
            Backoff::Fixed(pause) => pause.0,
            Backoff::Exponential { base, max } => (base.0 * 2_u64.pow(self.failures - 1)).min(max.0),
        };
        let width = pause * u64::from(self.spec.retry.jitter_percent) / 100;
        if pause + width == 0 {
            return State::Queued(now);
        }
        State::BackingOff { from: now + pause - width, to: now + pause + width }
    }

    /// The pause is drawn by the ledger; it must lie within its bounds.
    pub(super) fn adopt_pause(&mut self, now: u64, sight: &Sight) {
        let State::BackingOff { from, to } = self.state else { return };
        match sight[&self.id].until {
            Some(until) => {
                assert!((from..=to).contains(&until), "a pause until {until}, not {from} to {to}");
                self.state = State::BackingOff { from: until, to: until };
            }
            None => {
                assert_eq!(from, now, "no pause where there must be one");
                self.state = State::Queued(now);
            }
        }
    }

    fn deadline(&self) -> Option<u64> {
        self.spec.timeouts.job.map(|timeout| self.submitted_at + timeout.0)
    }

    pub(super) fn due(&self) -> Option<u64> {
        let own = match self.state {
            State::Delayed(until) => Some(until),
            State::BackingOff { to, .. } => Some(to),
            State::Queued(since) => self.spec.timeouts.queue.map(|timeout| since + timeout.0),
            State::Running { at, .. } => self.spec.timeouts.attempt.map(|timeout| at + timeout.0),
            State::Stopping { .. } | State::Ended(_) => return None,
        };
        [own, self.deadline()].into_iter().flatten().min()
    }

    pub(super) fn fire(&mut self, now: u64) {
        if self.deadline().is_some_and(|deadline| deadline <= now) {
            return self.call_off(Why::JobTimeout);
        }
        match self.state {
            State::Delayed(_) | State::BackingOff { .. } => self.state = State::Queued(now),
            State::Queued(_) => self.state = State::Ended("deadline"),
            _ => self.call_off(Why::AttemptTimeout),
        }
    }
}
