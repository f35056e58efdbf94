//! How many tasks of an array are in which state. Kept with every change, so that nobody ever counts.

use serde::{Deserialize, Serialize};

use crate::record::JobState;

/// Tasks by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskCounts {
    /// Never given a place, and not ended.
    pub waiting: u32,
    /// Wait for a place again.
    pub queued: u32,
    /// Assigned to a node.
    pub running: u32,
    /// Assigned, and to be stopped.
    pub stopping: u32,
    /// Pause after a failure.
    pub backing_off: u32,
    /// Ended with exit code 0.
    pub succeeded: u32,
    /// No attempt is left.
    pub failed: u32,
    /// Cancelled, each by itself or all together.
    pub cancelled: u32,
    /// Took too long.
    pub deadline_exceeded: u32,
}

/// What the hot state knows of a live task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskStage {
    /// Waits for a place again.
    Queued,
    /// Pauses after a failure.
    BackingOff,
    /// Assigned.
    Running,
    /// Assigned, and to be stopped.
    Stopping,
}

impl TaskCounts {
    /// Tasks that have not ended.
    #[must_use]
    pub const fn live(&self) -> u32 {
        self.waiting + self.queued + self.running + self.stopping + self.backing_off
    }

    /// Tasks that ended and did not succeed.
    #[must_use]
    pub const fn unsucceeded(&self) -> u32 {
        self.failed + self.cancelled + self.deadline_exceeded
    }

    /// Tasks in all.
    #[must_use]
    pub const fn all(&self) -> u32 {
        self.live() + self.succeeded + self.unsucceeded()
    }

    /// A task is no longer in that stage.
    pub(crate) const fn leave(&mut self, stage: TaskStage) {
        let count = match stage {
            TaskStage::Queued => &mut self.queued,
            TaskStage::BackingOff => &mut self.backing_off,
            TaskStage::Running => &mut self.running,
            TaskStage::Stopping => &mut self.stopping,
        };
        *count -= 1;
    }

    /// A task came to that state.
    pub(crate) const fn enter(&mut self, state: &JobState) {
        let count = match state {
            JobState::Delayed { .. } => &mut self.waiting,
            JobState::Queued { .. } => &mut self.queued,
            JobState::Running(_) => &mut self.running,
            JobState::Stopping { .. } => &mut self.stopping,
            JobState::BackingOff { .. } => &mut self.backing_off,
            JobState::Succeeded { .. } => &mut self.succeeded,
            JobState::Failed { .. } => &mut self.failed,
            JobState::Cancelled { .. } => &mut self.cancelled,
            JobState::DeadlineExceeded { .. } => &mut self.deadline_exceeded,
        };
        *count += 1;
    }
}
