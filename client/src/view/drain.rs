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
}
