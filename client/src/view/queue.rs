//! Queues as a server sees them: how much waits and runs in each, and whether somebody paused it.

use serde::{Deserialize, Serialize};

/// Who paused something, and since when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseView {
    /// The key's fingerprint of who asked, as in `Welcome::principal`.
    pub by: String,
    /// When, in milliseconds since 1970 of the cluster's clock.
    pub since_ms: u64,
    /// What was said.
    pub reason: Option<String>,
}

/// A queue that has jobs that have not ended, or is paused. Tasks of arrays count as jobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueView {
    /// Its name.
    pub name: String,
    /// Who paused it, if somebody did.
    pub paused: Option<PauseView>,
    /// Jobs that wait for a node; in a paused queue for that, too.
    pub waiting: u64,
    /// Jobs that are paused themselves, or by their array.
    pub held: u64,
    /// Jobs that wait for a time: delayed, or before another attempt.
    pub pausing: u64,
    /// Jobs that run.
    pub running: u64,
    /// Jobs that are being stopped.
    pub stopping: u64,
    /// When the first submitted of those that wait for a node was accepted; none where none waits, or where they have so
    /// many different demands that it was not looked for.
    pub oldest_waiting_ms: Option<u64>,
    /// What went through it lately; none where the answering node does not lead.
    pub flow: Option<QueueFlow>,
}

impl QueueView {
    /// A queue that has nothing.
    #[must_use]
    pub fn idle(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            paused: None,
            waiting: 0,
            held: 0,
            pausing: 0,
            running: 0,
            stopping: 0,
            oldest_waiting_ms: None,
            flow: None,
        }
    }
}

/// What the leader counted of a queue over the last `limits::QUEUE_FLOW_MS`, or since it leads where that is less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueFlow {
    /// How long the counted time was, in milliseconds.
    pub span_ms: u64,
    /// Whether it is shorter than the window, for the leader has not led for as long.
    pub since_leading: bool,
    /// Jobs accepted, each task of an array one of them.
    pub submitted: u64,
    /// Attempts assigned.
    pub started: u64,
    /// Jobs ended, tasks that ended with their array among them.
    pub ended: u64,
}

/// One page of queues, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuePage {
    /// They.
    pub queues: Vec<QueueView>,
    /// The name to ask on after; none when this was the last page.
    pub next: Option<String>,
    /// The cluster's time of this answer, in milliseconds since 1970.
    pub now_ms: u64,
}
