//! One attempt in an agent's hands: running until its process group is gone, then ended until the ledger has its end.

use quorla_ledger::{
    command::EndAttempt,
    ids::{Fence, JobId},
    units::Millis,
};

use super::{KillHow, Output};

/// The first pause before a report is repeated; it doubles up to [`REPORT_PAUSE_MAX`].
const REPORT_PAUSE_MIN: Millis = Millis(500);
const REPORT_PAUSE_MAX: Millis = Millis(8_000);

/// See the module.
#[derive(Debug)]
pub(super) enum Held {
    Running(Running),
    Ended(Ended),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Running {
    pub(super) job: JobId,
    /// The newest index at which a leader named it.
    pub(super) as_of: u64,
    /// Whether the ledger wants it stopped.
    pub(super) stopping: bool,
    /// The hardest kill asked for so far.
    pub(super) kill: Option<KillHow>,
}

#[derive(Debug)]
pub(super) struct Ended {
    report: Box<EndAttempt>,
    as_of: u64,
    stopping: bool,
    again_at: Millis,
    pause: Millis,
}

impl Held {
    pub(super) const fn as_of(&self) -> u64 {
        match self {
            Self::Running(running) => running.as_of,
            Self::Ended(ended) => ended.as_of,
        }
    }

    pub(super) fn seen_at(&mut self, index: u64) {
        let as_of = match self {
            Self::Running(running) => &mut running.as_of,
            Self::Ended(ended) => &mut ended.as_of,
        };
        *as_of = index.max(*as_of);
    }

    pub(super) const fn is_stopping(&self) -> bool {
        match self {
            Self::Running(running) => running.stopping,
            Self::Ended(ended) => ended.stopping,
        }
    }

    pub(super) const fn mark_stopping(&mut self) {
        match self {
            Self::Running(running) => running.stopping = true,
            Self::Ended(ended) => ended.stopping = true,
        }
    }

    /// Kills what runs, unless that was done as hard before.
    pub(super) fn kill(&mut self, fence: Fence, how: KillHow) -> Option<Output> {
        let Self::Running(running) = self else { return None };
        if running.kill.is_some_and(|before| before >= how) {
            return None;
        }
        running.kill = Some(how);
        Some(Output::Kill { fence, how })
    }

    pub(super) const fn ended_mut(&mut self) -> Option<&mut Ended> {
        match self {
            Self::Running(_) => None,
            Self::Ended(ended) => Some(ended),
        }
    }

    pub(super) const fn report_due_at(&self) -> Option<Millis> {
        match self {
            Self::Running(_) => None,
            Self::Ended(ended) => Some(ended.again_at),
        }
    }
}

impl Ended {
    /// An end that is reported for the first time now.
    pub(super) fn reported(report: EndAttempt, as_of: u64, stopping: bool, now: Millis) -> (Self, Box<EndAttempt>) {
        let report = Box::new(report);
        let again_at = now.after(REPORT_PAUSE_MIN);
        let ended = Self { report: report.clone(), as_of, stopping, again_at, pause: REPORT_PAUSE_MIN };
        (ended, report)
    }

    /// The report, over a link that has not seen it: the pauses begin again.
    pub(super) fn report(&mut self, now: Millis) -> Box<EndAttempt> {
        self.pause = REPORT_PAUSE_MIN;
        self.again_at = now.after(self.pause);
        self.report.clone()
    }

    pub(super) fn report_when_due(&mut self, now: Millis) -> Option<Box<EndAttempt>> {
        if now < self.again_at {
            return None;
        }
        self.pause = Millis(self.pause.0 * 2).min(REPORT_PAUSE_MAX);
        self.again_at = now.after(self.pause);
        Some(self.report.clone())
    }
}
