//! A job as its submitter sees it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::TaskCounts;
use super::queue::PauseView;
use super::terms::JobTerms;
use crate::ids::JobId;

/// Where a job is in its life. The last four are ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Waits for its time.
    Delayed,
    /// Waits for a node.
    Queued,
    /// An attempt is assigned to a node.
    Running,
    /// Its attempt is being stopped and still holds its node.
    Stopping,
    /// Waits before its next attempt.
    BackingOff,
    /// Its command ended with 0.
    Succeeded,
    /// No attempt succeeded and none is left.
    Failed,
    /// Someone cancelled it.
    Cancelled,
    /// A timeout of the queue or of the whole job passed.
    DeadlineExceeded,
}

impl JobState {
    /// Every state, in the order of a job's life.
    pub const ALL: [Self; 9] = [
        Self::Delayed,
        Self::Queued,
        Self::Running,
        Self::Stopping,
        Self::BackingOff,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
        Self::DeadlineExceeded,
    ];

    /// Whether nothing can change any more.
    #[must_use]
    pub const fn is_ended(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled | Self::DeadlineExceeded)
    }

    /// The stable text, as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delayed => "delayed",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::BackingOff => "backing_off",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::DeadlineExceeded => "deadline_exceeded",
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How an attempt stands or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// Assigned, not ended.
    Running,
    /// Being stopped, not ended.
    Stopping,
    /// Ended with exit code 0.
    Succeeded,
    /// Ended with another exit code.
    Failed,
    /// Ended by a signal that nobody here sent.
    Signalled,
    /// Its command could not be started; the exit code is 126 or 127 as a shell would say.
    NotStarted,
    /// Stopped because its timeout passed.
    TimedOut,
    /// Stopped because the job was cancelled.
    Cancelled,
    /// Its node's lease lapsed or its node process ended; whether it had an effect is not known.
    Lost,
    /// Its node could not write its output, and ended it.
    OutputFailed,
    /// It needed more memory than `limits.memory_bytes`, and the kernel killed it or a part of it.
    Oom,
    /// Stopped because the deadline of its node's drain passed; the job runs again elsewhere, and has lost no attempt.
    Moved,
}

impl AttemptOutcome {
    /// The stable text, as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Signalled => "signalled",
            Self::NotStarted => "not_started",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
            Self::Lost => "lost",
            Self::OutputFailed => "output_failed",
            Self::Oom => "oom",
            Self::Moved => "moved",
        }
    }
}

impl fmt::Display for AttemptOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What an attempt used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// From the start of its process to the end, milliseconds of the node's clock.
    pub wall_ms: u64,
    /// CPU time in user mode, milliseconds.
    pub cpu_user_ms: u64,
    /// CPU time in the kernel, milliseconds.
    pub cpu_system_ms: u64,
    /// Resident memory of its largest process at the peak, bytes; with a limit of memory, of all together.
    pub memory_bytes_max: u64,
}

/// One attempt of a job. Times are milliseconds since 1970 of the cluster's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptView {
    /// 1 for the first.
    pub number: u32,
    /// The fence, which strictly increases over the attempts of a job (I4).
    pub fence: u64,
    /// The node's name.
    pub node: String,
    /// How it stands or ended.
    pub outcome: AttemptOutcome,
    /// The command's exit code.
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// More words about the outcome.
    pub reason: Option<String>,
    /// When it was assigned.
    pub assigned_ms: u64,
    /// When it ended.
    pub ended_ms: Option<u64>,
    /// What it used, where the node could tell.
    pub usage: Option<Usage>,
}

/// A job in full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobView {
    /// Its id.
    pub id: JobId,
    /// Its name.
    pub name: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Where it is in its life.
    pub state: JobState,
    /// For a delayed job and one that backs off: until when.
    pub until_ms: Option<u64>,
    /// Why it is in that state, where there is something to say.
    pub reason: Option<String>,
    /// Its queue.
    pub queue: String,
    /// Its priority.
    pub priority: u8,
    /// The user's labels.
    pub labels: BTreeMap<String, String>,
    /// What else its submitter asked for; none where that is not kept any more.
    pub terms: Option<Box<JobTerms>>,
    /// The ended job that this one repeats.
    pub retry_of: Option<JobId>,
    /// When it was accepted.
    pub submitted_ms: u64,
    /// When its latest attempt was assigned.
    pub started_ms: Option<u64>,
    /// When it ended.
    pub ended_ms: Option<u64>,
    /// The node of its latest attempt.
    pub node: Option<String>,
    /// How many attempts it had.
    pub attempts_total: u32,
    /// The latest attempts, oldest first.
    pub attempts: Vec<AttemptView>,
    /// For an array: its tasks by state.
    pub tasks: Option<TaskCounts>,
    /// Who paused it, while it has not ended.
    pub paused: Option<PauseView>,
}

/// A job as a row of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSummary {
    /// Its id.
    pub id: JobId,
    /// Its name.
    pub name: String,
    /// Where it is in its life.
    pub state: JobState,
    /// Its queue.
    pub queue: String,
    /// Its priority.
    pub priority: u8,
    /// When it was accepted.
    pub submitted_ms: u64,
    /// When its latest attempt was assigned.
    pub started_ms: Option<u64>,
    /// When its latest attempt ended.
    pub attempt_ended_ms: Option<u64>,
    /// When it ended.
    pub ended_ms: Option<u64>,
    /// The node of its latest attempt.
    pub node: Option<String>,
    /// How many attempts it had.
    pub attempts: u32,
    /// The exit code of its latest attempt.
    pub exit_code: Option<i32>,
    /// For an array: its tasks by state.
    pub tasks: Option<TaskCounts>,
    /// Whether somebody paused it, while it has not ended.
    pub paused: bool,
}

/// One page of a list, in the order asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobPage {
    /// The rows.
    pub jobs: Vec<JobSummary>,
    /// Where the next page begins; none when this was the last.
    pub next: Option<String>,
    /// How many records were looked at for it.
    pub examined: u64,
}
