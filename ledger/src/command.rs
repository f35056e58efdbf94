//! What can be done to the ledger. Commands are imperative, versioned and append-only: new ones go to the end.
//!
//! A command carries everything that apply may need, time and random bits included, for apply reads neither (R8).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    disk::DiskLevel,
    ids::{BootId, ChainHash, ClusterId, Epoch, Fence, JobId, NodeId, NodeKey, Principal, RequestId, StorageId},
    outcome::{AttemptEnd, Tails},
    spec::{JobSpec, Resources},
    units::Millis,
};

/// The version of commands that this build writes; apply of a larger one stops the node with a word about upgrading.
pub const COMMAND_VERSION: u8 = 1;

/// One change to the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Names the cluster; the first command of its life.
    FoundCluster(FoundCluster),
    /// Makes a data directory known; the log index of this command becomes its Raft id (R1).
    AdmitStorage(AdmitStorage),
    /// Starts a new epoch of a node and ends the attempts of its previous one (R15).
    RegisterNode(RegisterNode),
    /// Ends an epoch whose lease ran out, and with it all its attempts (R16).
    LapseNode {
        /// The node.
        node: NodeId,
        /// The epoch that is over.
        epoch: Epoch,
    },
    /// Stops or resumes handing new attempts to a node.
    DrainNode(DrainNode),
    /// Accepts a job; assigns it at once when nothing waiting could use the place (R19).
    Submit(Submit),
    /// Submits an ended job's specification again, as a new job.
    Retry {
        /// Who asks; its id is the new job's.
        request: Request,
        /// The ended job.
        job: JobId,
        /// Random bits for the new job's jitter.
        seed: u64,
    },
    /// Ends a job that has not ended: at once when it waits, by stopping its attempt when it runs.
    Cancel {
        /// Who asks.
        request: Request,
        /// The job.
        job: JobId,
        /// Why, for its history; at most [`crate::limits::Limit::ReasonBytes`].
        reason: Option<String>,
    },
    /// Gives a queued job to a node, as the planner of the leader found best.
    Assign(Assign),
    /// Records how an attempt ended, which frees its share of the node (R18).
    EndAttempt(EndAttempt),
    /// Fires what is due by ledger time (R7).
    FireTimers {
        /// Only what is due by then; never later than the ledger's clock.
        upto: Millis,
        /// At most this many jobs.
        max: u32,
    },
    /// Removes ended jobs that retention no longer covers (R24).
    ExpireJobs {
        /// The jobs, oldest end first.
        jobs: Vec<JobId>,
    },
    /// Forgets requests older than the dedup window, or beyond its bound in number (R10).
    ExpireRequests {
        /// The requests, oldest first; the last one becomes the horizon.
        requests: Vec<RequestId>,
    },
    /// Removes the oldest pages of events (R12).
    ExpireEvents {
        /// Sequence of the first event of each page, beginning at the horizon.
        pages: Vec<u64>,
    },
    /// Stops a replica whose chain differs at that index (R14).
    AssertHash {
        /// An index at which every replica keeps a link of its chain.
        index: u64,
        /// The proposer's link there.
        hash: ChainHash,
    },
    /// Makes every replica hash its content as it is at this command (R14).
    MarkContentHash,
    /// Takes an epoch out of placing, because its node is about to stop: what it was given from then on would be lost. The
    /// node's next epoch takes part again, unless the node drains.
    RetireNode {
        /// The node.
        node: NodeId,
        /// The epoch that is about to end.
        epoch: Epoch,
    },
    /// Accepts an array: many tasks of one specification.
    SubmitArray(SubmitArray),
    /// Adds items to an upload, which the first of them begins; it becomes part of the array of the same id.
    PutItems(PutItems),
    /// Stops the next running tasks of an array that was cancelled.
    StopTasks {
        /// The array.
        array: JobId,
    },
    /// Removes some more of an ended array, and at last all (R24).
    ExpireArray {
        /// The array.
        array: JobId,
    },
    /// Removes some more of an upload that nobody goes on with, and at last all (R24).
    ExpireUpload {
        /// The id of the array that it was for.
        upload: JobId,
    },
    /// Holds a job or an array, so that it does not start, or lets it go on. An attempt that runs is not touched.
    PauseJob {
        /// Who asks.
        request: Request,
        /// The job, or the array; no task.
        job: JobId,
        /// Whether it is paused from now on.
        paused: bool,
        /// Why, for whoever asks why it waits; at most [`crate::limits::Limit::ReasonBytes`].
        reason: Option<String>,
    },
    /// Holds all of a queue, or lets it go on.
    PauseQueue {
        /// Who asks.
        request: Request,
        /// The queue; it need not have any job.
        queue: String,
        /// Whether it is paused from now on.
        paused: bool,
        /// Why, as with a job.
        reason: Option<String>,
    },
    /// Says how full a node's disk is; one that is short of room gets no new attempts (R22).
    GuardNode {
        /// The node.
        node: NodeId,
        /// The epoch that measured it.
        epoch: Epoch,
        /// How full it is.
        level: DiskLevel,
    },
    /// Stops what still runs on a draining node whose deadline has passed; it runs again elsewhere.
    StopDrained {
        /// The node.
        node: NodeId,
    },
    /// Sets and removes labels of a node, over those that it registers.
    LabelNode(LabelNode),
    /// Forgets a node that was to leave, once its last epoch is over.
    RemoveNode {
        /// The node.
        node: NodeId,
    },
}

/// Who asks for a change, and under which name it is remembered (R10).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Whose request ids and keys these are.
    pub principal: Principal,
    /// Drawn by the client; the same one again is the same request.
    pub id: RequestId,
    /// The client's own name for the request, if it gave one.
    pub key: Option<String>,
}

/// See [`Command::FoundCluster`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundCluster {
    /// Drawn by `cluster init` or `dev`.
    pub cluster: ClusterId,
    /// The CA's certificate, DER.
    pub ca_certificate: Vec<u8>,
    /// The founding node.
    pub node: NodeKey,
    /// Its storage, which has Raft id 1.
    pub storage: StorageId,
}

/// See [`Command::AdmitStorage`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdmitStorage {
    /// The node that it belongs to.
    pub node: NodeKey,
    /// The data directory.
    pub storage: StorageId,
}

/// See [`Command::RegisterNode`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterNode {
    /// The node.
    pub key: NodeKey,
    /// Its name for people; no two nodes share one.
    pub name: String,
    /// What it has to give.
    pub capacity: Resources,
    /// What constraints look at.
    pub labels: BTreeMap<String, String>,
    /// Drawn anew for every epoch.
    pub boot: BootId,
    /// The newest command version that it can apply (R8).
    pub command_version: u8,
}

/// See [`Command::DrainNode`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainNode {
    /// Who asks.
    pub request: Request,
    /// The node.
    pub node: NodeId,
    /// How it drains from now on; none: it takes new work again.
    pub drain: Option<DrainOrder>,
}

/// How a node drains. Ordered again, what is said replaces what was said before, and what is not said stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainOrder {
    /// What still runs there so long from now is stopped and runs again elsewhere; none: it is let end.
    pub deadline: Option<Millis>,
    /// Why, for people; at most [`crate::limits::Limit::ReasonBytes`].
    pub reason: Option<String>,
    /// Whether the node is forgotten once nothing runs there and its epoch is over.
    pub leaves: bool,
}

/// See [`Command::LabelNode`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelNode {
    /// Who asks.
    pub request: Request,
    /// The node.
    pub node: NodeId,
    /// Labels to set.
    pub set: BTreeMap<String, String>,
    /// Labels to remove, of those that were set so.
    pub remove: BTreeSet<String>,
}

/// See [`Command::Submit`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submit {
    /// Who asks; its id is the job's.
    pub request: Request,
    /// The client's part of the request, all that the idempotency hash covers.
    pub spec: JobSpec,
    /// Random bits of the proposer, for jitter; outside the hash.
    pub seed: u64,
}

/// See [`Command::SubmitArray`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubmitArray {
    /// Who asks; its id is the array's.
    pub request: Request,
    /// What each task is; `{}` in its arguments stands for the task's item, or its index where there are no items.
    pub spec: JobSpec,
    /// Which tasks there are.
    pub tasks: Tasks,
    /// Tasks that may hold a place at once; none: as many as find one.
    pub running_max: Option<u32>,
    /// Random bits of the proposer, for jitter; outside the hash.
    pub seed: u64,
}

/// The tasks of an array.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tasks {
    /// One for each index from `first` to `last`.
    Range {
        /// The first.
        first: u32,
        /// The last.
        last: u32,
    },
    /// One for each item of the upload of the array's id, from index 0 on.
    Items {
        /// How many there are.
        count: u32,
        /// What the upload answered last: the digest of them all.
        #[serde(with = "serde_bytes")]
        digest: [u8; 16],
    },
}

/// See [`Command::PutItems`]. Idempotent by what it is: the same items at the same place again change nothing (R10).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutItems {
    /// Whose upload it is.
    pub principal: Principal,
    /// The id of the array to be.
    pub upload: JobId,
    /// The index of the first of these; all before it are there. A multiple of [`crate::limits::ITEMS_PER_BLOCK`].
    pub first: u32,
    /// The items.
    pub items: Vec<String>,
}

/// See [`Command::Assign`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assign {
    /// A queued job, or an array that stands in line: its next task.
    pub job: JobId,
    /// A node with room for it.
    pub node: NodeId,
    /// The epoch that the planner saw.
    pub epoch: Epoch,
}

/// See [`Command::EndAttempt`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndAttempt {
    /// The job.
    pub job: JobId,
    /// The attempt.
    pub fence: Fence,
    /// How it ended.
    pub end: AttemptEnd,
    /// The last of its output.
    pub tails: Tails,
    /// Whether the freed place goes to the next queued job that fits it.
    pub refill: bool,
}
