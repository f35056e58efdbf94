//! One node in full: what it has, what runs there, and what it could still take.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::cluster::NodeView;
use crate::ids::JobId;
use crate::job::Resources;

/// Whether a node takes work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeState {
    /// It does.
    Up,
    /// It takes nothing new.
    Draining,
    /// It takes nothing new, and is forgotten once its process has stopped.
    Leaving,
    /// Its process is about to stop.
    Stopping,
    /// Its lease has lapsed, or its process has stopped.
    Gone,
}

impl NodeState {
    /// The stable text, as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Draining => "draining",
            Self::Leaving => "leaving",
            Self::Stopping => "stopping",
            Self::Gone => "gone",
        }
    }
}

impl fmt::Display for NodeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One node in full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeDetail {
    /// What a list shows of it.
    pub node: NodeView,
    /// The cluster's time of this answer, in milliseconds since 1970.
    pub now_ms: u64,
    /// Whether it takes work.
    pub state: NodeState,
    /// Its latest epoch: each start of its process is one.
    pub epoch: u64,
    /// When that began, in milliseconds since 1970.
    pub registered_ms: u64,
    /// Whether that epoch's lease holds.
    pub lease: bool,
    /// What it has.
    pub capacity: Resources,
    /// What attempts hold there.
    pub used: Resources,
    /// What they leave.
    pub free: Resources,
    /// The largest job that it could take now; none while it takes nothing, and where it has no slot or no memory left.
    pub fits: Option<Resources>,
    /// The job that it is kept free for; others get what that one leaves only where they come before it.
    pub reserved_for: Option<JobId>,
    /// The labels that operators set.
    pub operator_labels: BTreeMap<String, String>,
    /// The labels that it registered, from its configuration and of what it can do.
    pub registered_labels: BTreeMap<String, String>,
    /// Attempts that hold a place there.
    pub attempts: u32,
    /// A page of them, oldest first.
    pub running: Vec<RunningAttempt>,
    /// What the next page follows on; none when this was the last.
    pub next: Option<u64>,
}

/// An attempt that holds a place on a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningAttempt {
    /// Its job.
    pub job: JobId,
    /// That job's name.
    pub name: String,
    /// 1 for a job's first attempt.
    pub number: u32,
    /// Its fence.
    pub fence: u64,
    /// When it was assigned, in milliseconds since 1970.
    pub since_ms: u64,
    /// What it holds.
    pub resources: Resources,
    /// Why it is being stopped, if it is.
    pub stopping: Option<String>,
}

/// The labels of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeLabels {
    /// The node's name.
    pub node: String,
    /// All in force.
    pub labels: BTreeMap<String, String>,
    /// Those of them that operators set.
    pub operator_labels: BTreeMap<String, String>,
}
