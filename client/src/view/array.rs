//! An array as its submitter sees it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::JobState;
use super::queue::PauseView;
use crate::ids::JobId;

/// Tasks by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskCounts {
    /// Wait for a node, or for the array's time.
    pub queued: u32,
    /// An attempt is assigned to a node.
    pub running: u32,
    /// Their attempt is being stopped.
    pub stopping: u32,
    /// Wait before their next attempt.
    pub backing_off: u32,
    /// Ended with 0.
    pub succeeded: u32,
    /// No attempt is left.
    pub failed: u32,
    /// Cancelled, alone or with the array.
    pub cancelled: u32,
    /// A timeout passed.
    pub deadline_exceeded: u32,
}

impl TaskCounts {
    /// Tasks that have ended, one way or another.
    #[must_use]
    pub const fn ended(&self) -> u32 {
        self.succeeded + self.failed + self.cancelled + self.deadline_exceeded
    }

    /// Tasks in all.
    #[must_use]
    pub const fn all(&self) -> u32 {
        self.queued + self.running + self.stopping + self.backing_off + self.ended()
    }
}

/// An array with its tasks counted. Times are milliseconds since 1970 of the cluster's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArrayView {
    /// Its id.
    pub id: JobId,
    /// Its name.
    pub name: String,
    /// The command before `{}` was replaced.
    pub command: Vec<String>,
    /// Where it is in its life; ended, it is as the worst of its tasks.
    pub state: JobState,
    /// For a delayed one: until when.
    pub until_ms: Option<u64>,
    /// Why it is in that state, where there is something to say.
    pub reason: Option<String>,
    /// Its queue.
    pub queue: String,
    /// Its priority.
    pub priority: u8,
    /// The user's labels.
    pub labels: BTreeMap<String, String>,
    /// The ended array whose tasks it repeats.
    pub retry_of: Option<JobId>,
    /// The index of its first task.
    pub first: u32,
    /// The index of its last one; between them some are missing in a retry.
    pub last: u32,
    /// Whether each task has an item.
    pub has_items: bool,
    /// Tasks that may run at once.
    pub running_max: Option<u32>,
    /// Its tasks by state.
    pub tasks: TaskCounts,
    /// When it was accepted.
    pub submitted_ms: u64,
    /// When its last task ended.
    pub ended_ms: Option<u64>,
    /// When this was true.
    pub now_ms: u64,
    /// Who paused it, while it has not ended.
    pub paused: Option<PauseView>,
}
