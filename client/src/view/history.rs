//! What happened to a job: its attempts, its events and the recorded ends of its output.

use serde::{Deserialize, Serialize};

use super::job::JobView;
use crate::ids::JobId;
use crate::payload::Payload;

/// One event of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventView {
    /// Its place in the cluster's event stream.
    pub sequence: u64,
    /// When, in milliseconds since 1970 of the cluster's clock.
    pub at_ms: u64,
    /// What, in stable snake case and past tense: `job_submitted`, `attempt_assigned`.
    pub kind: String,
    /// The attempt that it is about.
    pub attempt: Option<u32>,
    /// The node that it is about.
    pub node: Option<String>,
    /// The fence of that attempt.
    pub fence: Option<u64>,
    /// The exit code that the attempt ended with.
    pub exit_code: Option<i32>,
    /// Until when the job waits, in milliseconds since 1970.
    pub until_ms: Option<u64>,
    /// More words, for people.
    pub detail: String,
}

/// A job with its events, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobHistory {
    /// The job, its attempts included.
    pub job: JobView,
    /// Its events that have not expired.
    pub events: Vec<EventView>,
    /// Whether older events have expired or newer ones exceed the page.
    pub incomplete: bool,
}

/// The recorded end of one output stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tail {
    /// The last bytes.
    pub bytes: Payload,
    /// How many bytes went before them and were not kept.
    pub bytes_omitted: u64,
}

/// The recorded output of one attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobLogs {
    /// The job.
    pub job: JobId,
    /// The attempt; 0 when the job has none yet.
    pub attempt: u32,
    /// Whether the attempt has ended, so that this is all there will be.
    pub ended: bool,
    /// Its standard output.
    pub stdout: Tail,
    /// Its standard error.
    pub stderr: Tail,
}
