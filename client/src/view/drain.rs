//! What still runs on a node that is taken out of work.

use serde::{Deserialize, Serialize};

use crate::ids::JobId;

/// A node's part in the work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeWork {
    /// The node's name.
    pub node: String,
    /// Whether it takes no new work.
    pub draining: bool,
    /// Attempts that hold a place there.
    pub attempts: u32,
    /// Their jobs, oldest attempt first.
    pub jobs: Vec<JobId>,
    /// How it drains, if it does.
    pub drain: Option<DrainView>,
}

/// How a node drains. Times are milliseconds since 1970 of the cluster's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainView {
    /// Since when.
    pub since_ms: u64,
    /// When what still runs there is stopped, to run again elsewhere; none: it is let end.
    pub until_ms: Option<u64>,
    /// Why, as the operator said.
    pub reason: Option<String>,
    /// Whether the node is forgotten once nothing runs there and its process has stopped.
    pub leaves: bool,
}
