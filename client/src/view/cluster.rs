//! The cluster and its nodes, as one server sees them. What that server does not know is `None`, never a guess.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::drain::DrainView;

/// What a node is to the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeRole {
    /// Leads.
    Leader,
    /// Votes and follows.
    Follower,
    /// Asks for votes.
    Candidate,
    /// Holds the ledger without a vote.
    Learner,
    /// Does work only.
    Worker,
    /// Its lease has lapsed.
    Gone,
}

impl fmt::Display for NodeRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Leader => "leader",
            Self::Follower => "follower",
            Self::Candidate => "candidate",
            Self::Learner => "learner",
            Self::Worker => "worker",
            Self::Gone => "gone",
        })
    }
}

/// How much room a node's disk has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeDisk {
    /// Enough.
    #[default]
    Fine,
    /// So little that it gets no new work and records no output.
    Low,
    /// So little that it refuses new jobs where it leads.
    Critical,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeView {
    /// Its name.
    pub name: String,
    /// Its key's fingerprint: SHA-256 of the public key, in hexadecimal. This is its identity.
    pub key: String,
    /// Its role.
    pub role: NodeRole,
    /// The id of its storage in Raft.
    pub raft_id: Option<u64>,
    /// Where clients reach it.
    pub address: Option<String>,
    /// Where its HTTP server is.
    pub http_address: Option<String>,
    /// The last index that it applied.
    pub applied_index: Option<u64>,
    /// Log entries that it is behind the leader.
    pub lag: Option<u64>,
    /// Slots that attempts hold.
    pub slots_used: u32,
    /// Slots in all.
    pub slots_total: u32,
    /// CPU in all, in thousandths.
    pub cpu_milli_total: u32,
    /// Memory in all, in bytes.
    pub memory_bytes_total: u64,
    /// Whether gossip shows it as live to the node that answered. A hint, and decides nothing.
    pub reachable: bool,
    /// For how long it has not, in milliseconds, where the node that answered saw it before.
    pub unreachable_ms: Option<u64>,
    /// Whether it takes no new work.
    pub draining: bool,
    /// Its labels in force: its own, and over them those that operators set.
    pub labels: BTreeMap<String, String>,
    /// Resident memory of its processes, in bytes.
    pub rss_bytes: Option<u64>,
    /// The version that it runs.
    pub version: Option<String>,
    /// How much room its disk has, as it said last.
    pub disk: NodeDisk,
    /// How it drains, if it does.
    pub drain: Option<DrainView>,
}

/// The cluster as the answering node sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterStatus {
    /// The cluster's id.
    pub cluster_id: String,
    /// The cluster's name.
    pub cluster_name: String,
    /// The node that answered.
    pub answered_by: String,
    /// Its Raft term.
    pub term: u64,
    /// The leader's name, where one is known.
    pub leader: Option<String>,
    /// The last index that the answering node applied.
    pub applied_index: u64,
    /// The content hash that the answering node computed last.
    pub content_hash: Option<ContentHash>,
    /// Jobs that have not ended.
    pub jobs_live: u64,
    /// Every node, by name.
    pub nodes: Vec<NodeView>,
}

/// The hash of all tables of one replica at one index (R14).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentHash {
    /// The node whose tables these are.
    pub node: String,
    /// The applied index at which they were hashed.
    pub index: u64,
    /// The hash in hexadecimal.
    pub hash: String,
}
