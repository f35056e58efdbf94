//! Why a job does not run yet, where it runs, or how it ended.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::job::JobView;
use super::queue::PauseView;
use crate::ids::JobId;

/// A job with everything that decides when it runs. Times are milliseconds since 1970 of the cluster's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobExplanation {
    /// The job, its attempts included.
    pub job: JobView,
    /// Why it is where it is, in a sentence.
    pub why: String,
    /// The cluster's time of this answer: what is left of a timeout counts from here.
    pub now_ms: u64,
    /// Since when it is in its state, where that is known.
    pub since_ms: Option<u64>,
    /// For a queued job: who comes first.
    pub ahead: Option<JobsAhead>,
    /// How often a later job got a place that this one would have fitted on some node.
    pub overtaken: u32,
    /// The node that is kept free for it.
    pub reserved_node: Option<String>,
    /// For a queued job that fits nowhere now: every node by name, with the reason.
    pub nodes: Vec<NodeRejection>,
    /// Which of its timeouts run.
    pub deadlines: Vec<JobDeadline>,
    /// Who paused its queue, while it has not ended.
    pub queue_paused: Option<PauseView>,
}

/// Queued jobs that are due a place before another: of a higher priority, or older. Of all queues that are not paused, for
/// nodes serve all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobsAhead {
    /// How many were counted.
    pub jobs: u32,
    /// Whether there are more than were counted.
    pub more: bool,
}

impl fmt::Display for JobsAhead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = if self.more { "more than " } else { "" };
        write!(f, "{more}{}", self.jobs)
    }
}

/// Why one node can't take a job now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRejection {
    /// The node's name.
    pub node: String,
    /// Why.
    pub reason: RejectionReason,
    /// By how much, where the node has too little.
    pub shortage: Option<Shortage>,
    /// The constraint that its labels don't meet, as a submitter writes it.
    pub constraint: Option<String>,
    /// The job that it is kept for.
    pub reserved_for: Option<JobId>,
    /// All this in words.
    pub detail: String,
}

/// Why a node can't take a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectionReason {
    /// Its lease has lapsed.
    Down,
    /// Someone drains it.
    Draining,
    /// It is about to stop.
    Stopping,
    /// A constraint on its labels does not hold.
    LabelDiffers,
    /// Even empty it has too little.
    TooSmall,
    /// It has too little left.
    TooBusy,
    /// It is kept for a job that waited longer.
    Reserved,
    /// Its disk is nearly full.
    DiskLow,
}

impl RejectionReason {
    /// The stable text, as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Draining => "draining",
            Self::Stopping => "stopping",
            Self::LabelDiffers => "label_differs",
            Self::TooSmall => "too_small",
            Self::TooBusy => "too_busy",
            Self::Reserved => "reserved",
            Self::DiskLow => "disk_low",
        }
    }
}

impl fmt::Display for RejectionReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a node has too little of: the first that is short of CPU, memory and slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortage {
    /// What is short.
    pub resource: ScarceResource,
    /// What the job needs.
    pub needs: u64,
    /// What the node has left.
    pub free: u64,
    /// What the node has in all.
    pub total: u64,
}

/// What a node can be short of, with its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScarceResource {
    /// CPU, in thousandths.
    CpuMilli,
    /// Memory, in bytes.
    MemoryBytes,
    /// Slots.
    Slots,
}

/// A timeout that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobDeadline {
    /// Which.
    pub timeout: JobTimeout,
    /// When it passes.
    pub at_ms: u64,
}

/// A job's timeouts, as a submitter names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobTimeout {
    /// Of its time in the queue.
    Queue,
    /// Of its attempt.
    Attempt,
    /// Of the whole job.
    Job,
}

impl fmt::Display for JobTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Queue => "queue timeout",
            Self::Attempt => "attempt timeout",
            Self::Job => "job timeout",
        })
    }
}
