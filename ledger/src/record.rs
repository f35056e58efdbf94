//! What is stored, one struct per table. On disk each is wrapped in [`Stored`], whose variants are its versions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    disk::DiskLevel,
    ids::{BootId, ChainHash, ClusterId, Epoch, Fence, JobId, NodeId, NodeKey, Principal, RaftId, StorageId},
    outcome::{AttemptEnd, Deadline, Failure, StopCause},
    reply::Reply,
    spec::{Demand, Resources, RetryPolicy, Timeouts},
    units::{Bytes, Millis},
};

/// The version envelope of every stored record: a new shape is a new variant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stored<T> {
    /// The first version of each record.
    V1(T),
}

/// A job beside its specification: what changes, and what planning needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRecord {
    /// The job.
    pub id: JobId,
    /// Who submitted it.
    pub principal: Principal,
    /// For people.
    pub name: String,
    /// The queue it belongs to.
    pub queue: String,
    /// 0 to 100; higher goes first.
    pub priority: u8,
    /// Rank among jobs of one priority: lower is older.
    pub order: u64,
    /// What it needs of a node.
    pub demand: Demand,
    /// What follows a failure.
    pub retry: RetryPolicy,
    /// How long it may take.
    pub timeouts: Timeouts,
    /// Random bits of the submission, for jitter.
    pub seed: u64,
    /// When it was accepted.
    pub submitted_at: Millis,
    /// Sequence of the event that says so; all its others follow.
    pub first_event: u64,
    /// The ended job whose specification it repeats.
    pub retry_of: Option<JobId>,
    /// Where it stands.
    pub state: JobState,
    /// Its last attempts ([`crate::limits::ATTEMPTS_KEPT_MAX`]), the current one included.
    pub attempts: Vec<AttemptRecord>,
    /// Attempts ever made.
    pub attempts_made: u32,
    /// Attempts that count as failed.
    pub failures: u32,
    /// Attempts lost with their node.
    pub losses: u32,
    /// How often a later job got a place that this one would have fitted on some node.
    pub overtaken: u32,
    /// The node that is kept free for it.
    pub reserved: Option<NodeId>,
    /// What was said when it was cancelled.
    pub cancel_reason: Option<String>,
    /// Bytes of its specification and tails, for retention, this record apart.
    pub kept_bytes: Bytes,
    /// Set while it may not start; an attempt that runs goes on. A task is held by its array's.
    pub paused: Option<Pause>,
}

/// Who does not let something start, and since when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Who asked.
    pub by: Principal,
    /// When.
    pub since: Millis,
    /// What was said.
    pub reason: Option<String>,
}

/// A queue that is paused; one that is not has no record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueRecord {
    /// Its name.
    pub name: String,
    /// Who paused it.
    pub pause: Pause,
}

/// Where a job stands; each state carries exactly what is valid in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JobState {
    /// Not to be queued before a time.
    Delayed {
        /// That time.
        until: Millis,
    },
    /// Waits for a place.
    Queued {
        /// Since then.
        since: Millis,
    },
    /// Assigned to a node.
    Running(Placed),
    /// Assigned, and to be stopped; holds its place until the attempt has ended (R18).
    Stopping {
        /// The attempt.
        placed: Placed,
        /// Why.
        cause: StopCause,
        /// Since then.
        since: Millis,
    },
    /// Pauses after a failure.
    BackingOff {
        /// Until then.
        until: Millis,
    },
    /// An attempt ended with exit code 0.
    Succeeded {
        /// When.
        at: Millis,
    },
    /// No attempt is left.
    Failed {
        /// When.
        at: Millis,
        /// Why.
        failure: Failure,
    },
    /// Somebody cancelled it.
    Cancelled {
        /// When.
        at: Millis,
    },
    /// It took too long.
    DeadlineExceeded {
        /// When.
        at: Millis,
        /// Which deadline.
        deadline: Deadline,
    },
}

/// An attempt's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// The attempt's token.
    pub fence: Fence,
    /// The node.
    pub node: NodeId,
    /// The node's epoch.
    pub epoch: Epoch,
    /// When it was assigned.
    pub at: Millis,
}

/// One attempt, for the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptRecord {
    /// 1 for the first.
    pub number: u32,
    /// Its place and token.
    pub placed: Placed,
    /// How it went.
    pub course: Course,
}

/// How an attempt went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Course {
    /// It has not ended.
    Open,
    /// Its agent reported this.
    Ended {
        /// When it was recorded.
        at: Millis,
        /// What was reported.
        end: AttemptEnd,
        /// Why it was stopped, if it was.
        stopped: Option<StopCause>,
    },
    /// Its node's epoch ended first; nothing that it reports later is accepted (I3).
    Lost {
        /// When.
        at: Millis,
    },
}

/// A node as a place to work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// Its id.
    pub id: NodeId,
    /// The key that names it.
    pub key: NodeKey,
    /// For people.
    pub name: String,
    /// What it has.
    pub capacity: Resources,
    /// What constraints look at.
    pub labels: BTreeMap<String, String>,
    /// Its latest epoch.
    pub epoch: Epoch,
    /// What that epoch was registered with.
    pub boot: BootId,
    /// Whether that epoch's lease has not lapsed.
    pub up: bool,
    /// How it drains, whichever epoch it has; none: it takes new work.
    pub drain: Option<Drain>,
    /// Takes nothing new in this epoch, which is about to end.
    pub retiring: bool,
    /// The newest command version that it can apply.
    pub command_version: u8,
    /// When it registered.
    pub registered_at: Millis,
    /// How full its disk is, as it said last (R22).
    pub disk: DiskLevel,
    /// Labels that operators set; each hides a registered one of its name, and lasts over epochs.
    pub operator_labels: BTreeMap<String, String>,
}

/// A node that takes nothing new.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drain {
    /// Since then.
    pub since: Millis,
    /// What still runs there then is stopped and runs again elsewhere; none: it is let end.
    pub until: Option<Millis>,
    /// Why, as the operator said.
    pub reason: Option<String>,
    /// Whether the node is forgotten once nothing runs there and its epoch is over.
    pub leaves: bool,
}

/// A storage incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageRecord {
    /// The data directory.
    pub storage: StorageId,
    /// Its node.
    pub node: NodeKey,
    /// Its id as a Raft member.
    pub raft: RaftId,
}

/// The cluster's own record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterRecord {
    /// Its id.
    pub cluster: ClusterId,
    /// The CA's certificate, DER.
    pub ca_certificate: Vec<u8>,
    /// When it was founded.
    pub founded_at: Millis,
}

/// A remembered request (R10).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestRecord {
    /// Who asked.
    pub principal: Principal,
    /// Digest of what was asked.
    #[serde(with = "serde_bytes")]
    pub digest: [u8; 16],
    /// Under which key, as stored in the key table.
    #[serde(with = "serde_bytes")]
    pub key: Option<[u8; 16]>,
    /// What was answered.
    pub reply: Reply,
}

/// The ledger's own counters and clock; written with every entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetaRecord {
    /// Ledger time (R7).
    pub clock: Millis,
    /// Index of the last entry with commands.
    pub index: u64,
    /// Generation of fences; raised by restore and recover.
    pub generation: u16,
    /// Last assignment sequence.
    pub fence_sequence: u64,
    /// Last rank given to a job.
    pub order: u64,
    /// Last epoch.
    pub epoch: u64,
    /// Last node id.
    pub node: u32,
    /// Storages ever admitted.
    pub storages: u64,
    /// Sequence of the next event.
    pub event_next: u64,
    /// Sequence of the first event still stored.
    pub event_first: u64,
    /// Bytes of stored event pages.
    pub event_bytes: Bytes,
    /// Requests are forgotten up to and including this one; none, before the first expiry.
    pub request_horizon: Option<JobId>,
    /// Requests remembered.
    pub requests: u64,
    /// Bytes of the specifications and tails of jobs that have not ended.
    pub live_bytes: Bytes,
    /// Ended jobs stored.
    pub ended_jobs: u64,
    /// Bytes of their records, specifications and tails.
    pub ended_bytes: Bytes,
    /// Ended arrays stored.
    pub ended_arrays: u64,
    /// Their tasks.
    pub ended_tasks: u64,
    /// Bytes of all that is stored of them.
    pub ended_array_bytes: Bytes,
    /// The last link of the chain that is kept for `AssertHash`, with its index.
    pub kept_link: (u64, ChainHash),
    /// The chain, up to and including this entry.
    pub chain: ChainHash,
}

impl NodeRecord {
    /// What constraints look at: what it registered, under what operators set.
    pub fn labels_in_force(&self) -> BTreeMap<String, String> {
        let mut labels = self.labels.clone();
        labels.extend(self.operator_labels.clone());
        labels
    }

    /// When what still runs there is to be stopped.
    pub fn deadline(&self) -> Option<Millis> {
        self.drain.as_ref().and_then(|drain| drain.until)
    }

    /// Whether nothing of it is left but this record: it was to leave, and its last epoch is over, with all its attempts.
    pub fn has_left(&self) -> bool {
        !self.up && self.drain.as_ref().is_some_and(|drain| drain.leaves)
    }
}

impl JobState {
    /// Whether nothing follows any more.
    pub const fn is_ended(&self) -> bool {
        self.ended_at().is_some()
    }

    /// When it ended.
    pub const fn ended_at(&self) -> Option<Millis> {
        match self {
            Self::Succeeded { at }
            | Self::Failed { at, .. }
            | Self::Cancelled { at }
            | Self::DeadlineExceeded { at, .. } => Some(*at),
            _ => None,
        }
    }

    /// The place it holds, running or stopping.
    pub const fn placed(&self) -> Option<&Placed> {
        match self {
            Self::Running(placed) | Self::Stopping { placed, .. } => Some(placed),
            _ => None,
        }
    }
}
