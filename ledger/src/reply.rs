//! What a command answers. A refusal is a value: the ledger is as it was before (style: three kinds of wrong).

use serde::{Deserialize, Serialize};

use crate::{
    ids::{ChainHash, Epoch, Fence, JobId, NodeId, RaftId},
    record::JobState,
    spec::check::SpecFault,
    units::Millis,
};

/// The answer to one command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// The cluster has a name now.
    Founded,
    /// The storage's Raft id.
    StorageAdmitted(RaftId),
    /// The node's id and its new epoch.
    NodeRegistered {
        /// The id.
        node: NodeId,
        /// The epoch that its renewals carry.
        epoch: Epoch,
    },
    /// The epoch is over.
    NodeLapsed,
    /// The node's drain state is as asked.
    NodeDrained,
    /// The job is in the ledger.
    Submitted {
        /// Its id: that of the first request when this one is a repetition.
        job: JobId,
    },
    /// The job is cancelled, or its attempt is being stopped.
    Cancelled,
    /// The job runs.
    Assigned(Assigned),
    /// The attempt's end is recorded.
    AttemptEnded {
        /// What the freed place went to.
        next: Option<Assigned>,
    },
    /// This attempt's end was recorded before; nothing changed (R11).
    AlreadyRecorded,
    /// Timers were fired.
    TimersFired {
        /// How many jobs.
        jobs: u32,
        /// Whether more are due.
        more: bool,
    },
    /// Records were removed.
    Expired {
        /// How many.
        records: u32,
    },
    /// The chain is as the leader's, or that link is not kept any more.
    HashAgrees,
    /// The chain differs: this replica must stop.
    HashDiffers {
        /// What it has.
        actual: ChainHash,
    },
    /// The content hash as of this index is being computed.
    ContentHashMarked {
        /// The index of the entry.
        index: u64,
    },
    /// Nothing changed.
    Refused(Refusal),
    /// The epoch gets nothing more.
    NodeRetired,
    /// The items are in the upload.
    ItemsPut {
        /// How many it has in all.
        items: u32,
        /// The digest of them all, which the array's submission names.
        #[serde(with = "serde_bytes")]
        digest: [u8; 16],
    },
    /// Tasks are being stopped.
    TasksStopped {
        /// How many.
        tasks: u32,
        /// Whether more are to be stopped.
        more: bool,
    },
    /// The job, array or queue is paused or not, as asked.
    PauseIsSet,
    /// The node's disk is known to be as full as said.
    NodeGuarded,
    /// What ran on a draining node is being stopped.
    DrainedStopped {
        /// How many attempts.
        attempts: u32,
    },
    /// The node's labels are as asked.
    NodeLabelled,
    /// The node is forgotten.
    NodeRemoved,
}

/// A new attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assigned {
    /// Whose.
    pub job: JobId,
    /// Where.
    pub node: NodeId,
    /// Its token.
    pub fence: Fence,
}

/// Why a command changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// The bytes are no command.
    CommandIsUndecodable,
    /// The cluster was founded before.
    ClusterIsFounded,
    /// This entry's index is another storage's Raft id: one entry gives one. To be proposed again.
    EntryAdmittedAnother,
    /// This storage was admitted before, and not like this.
    StorageIsTaken,
    /// Too many storages were ever admitted.
    StoragesAreExhausted,
    /// The specification breaks a rule that needs no state.
    SpecIsInvalid(SpecFault),
    /// The request was drawn too long ago to know whether it was made before (R10).
    SubmitIsTooOld {
        /// The oldest time that is accepted.
        oldest: Millis,
    },
    /// The request was drawn in the ledger's future.
    RequestIsFromFuture {
        /// The ledger's time.
        now: Millis,
    },
    /// The same id or key was used for another request (I2).
    KeyConflicts {
        /// The request that has it.
        first: JobId,
    },
    /// There is no such job.
    JobIsUnknown,
    /// It has ended.
    JobHasEnded(JobState),
    /// It has not ended.
    JobIsLive,
    /// It does not wait in the queue.
    JobIsNotQueued,
    /// Too many live jobs ([`crate::limits::LIVE_JOBS_MAX`]).
    LedgerIsFull,
    /// Too many different demands among live jobs, those of each queue by themselves ([`crate::limits::DEMANDS_MAX`]).
    DemandsAreExhausted,
    /// There is no such node.
    NodeIsUnknown,
    /// Another node has this name.
    NodeNameIsTaken,
    /// Too many nodes ([`crate::limits::NODES_MAX`]).
    NodesAreExhausted,
    /// The epoch is not the node's current one, or has lapsed.
    EpochIsStale,
    /// The node cannot take it, for this reason.
    NodeRejects(Rejection),
    /// The attempt is not the job's current one and its end was not recorded (R11).
    AttemptIsStale,
    /// An expiry names what is not there or not the oldest.
    ExpiryIsStale,
    /// An expiry or a batch of timers is larger than one command may be.
    CommandIsTooLarge,
    /// The node is short of disk; deletion still works (R22). Said by the proposer, never by apply.
    DiskIsLow,
    /// The id is an array's where a job's belongs, or the other way round.
    IdIsOfAnotherKind,
    /// Too many arrays that have not ended, or tasks of them ([`crate::limits::ARRAYS_MAX`],
    /// [`crate::limits::LIVE_TASKS_MAX`]).
    ArraysAreExhausted,
    /// Too many uploads ([`crate::limits::UPLOADS_MAX`], [`crate::limits::UPLOADS_OF_ONE_MAX`]).
    UploadsAreExhausted,
    /// The upload has so many items: the next ones follow them, and an array of it has as many.
    UploadIsAt {
        /// How many.
        items: u32,
    },
    /// Every task of the array succeeded.
    NothingToRetry,
    /// The array is not being stopped, or is already.
    ArrayIsNotStopping,
    /// A task is not paused alone: its array is.
    TaskIsOfAnArray,
    /// Too many different queues ([`crate::limits::QUEUES_MAX`]).
    QueuesAreExhausted,
    /// Too many paused queues ([`crate::limits::QUEUES_PAUSED_MAX`]).
    PausedQueuesAreExhausted,
    /// The node does not drain, or its deadline has not passed.
    DrainIsNotDue,
    /// The label is one that the node registers: it can be hidden, not removed.
    LabelIsRegistered {
        /// The label.
        label: String,
    },
    /// The node was not to leave, or its epoch is not over.
    NodeHasNotLeft,
}

/// Why a node cannot take a job now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rejection {
    /// Its lease lapsed; it has no epoch.
    NodeIsDown,
    /// It takes nothing new.
    NodeIsDraining,
    /// A constraint on its labels does not hold.
    LabelsDiffer {
        /// The label.
        label: String,
    },
    /// Even empty it would not have enough CPU, memory or slots.
    TooSmall(Lack),
    /// It has too little left.
    TooBusy(Lack),
    /// It is kept free for a job that was overtaken too often.
    Reserved {
        /// That job.
        by: JobId,
    },
    /// Its disk is short of room (R22).
    DiskIsLow,
}

/// What is missing, and by how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lack {
    /// Milli-CPU.
    Cpu(u64),
    /// Bytes of memory.
    Memory(u64),
    /// Slots.
    Slots(u64),
}
