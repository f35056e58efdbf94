//! What a client asks. Variants are only ever added at the end: their order is the wire format.
//!
//! Every mutating request carries a request id and is idempotent by it (R10). Every read says how fresh it must be (R13).

mod hold;
mod list;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use hold::{PauseJob, PauseQueue};
pub use list::{ListOrder, ListQuery, QueuesQuery};

use crate::ids::{JobId, RequestId};
use crate::job::JobRequest;
use crate::view::{OutputPlace, OutputStream};

/// The version of the client plane that this library speaks.
pub const PROTOCOL_VERSION: u16 = 1;

/// One request of the client plane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// The first on a connection; may be repeated to learn the time and the leader anew.
    Hello(Hello),
    /// Accept one job.
    Submit(Box<Submit>),
    /// Accept several jobs, each with its own reply.
    SubmitMany(Vec<Submit>),
    /// Answer when the job has ended, or when the time is up.
    Wait(Wait),
    /// One job in full.
    Info(JobQuery),
    /// A page of jobs.
    List(ListQuery),
    /// The jobs whose id begins with this text.
    ResolvePrefix(PrefixQuery),
    /// Stop a job.
    Cancel(Cancel),
    /// Submit an ended job anew.
    Retry(Retry),
    /// A job's attempts and events.
    History(JobQuery),
    /// The recorded output of one attempt.
    Logs(LogsQuery),
    /// Every node.
    Nodes(ReadLevel),
    /// The cluster as the answering node sees it; never forwarded.
    Status,
    /// Let every replica hash its tables at the index at which this is applied.
    MarkContentHash(RequestId),
    /// The hash that the *answering node* computed for this mark; it waits for it up to the given time.
    ContentHash(ContentHashQuery),
    /// Why a job does not run yet, where it runs, or how it ended.
    Explain(JobQuery),
    /// Stop or resume giving new work to a node.
    DrainNode(DrainNode),
    /// What runs on a node; answered when a draining one is idle, or when the time is up.
    WaitForNode(NodeWait),
    /// A job's output from a place on; answered when there is some, when the job has ended, or when the time is up.
    Follow(FollowQuery),
    /// Accept an array.
    SubmitArray(Box<SubmitArray>),
    /// Add items to an upload, which the first of them begins.
    PutItems(PutItems),
    /// An array, with its tasks counted by state.
    ArrayStatus(JobQuery),
    /// Hold a job or an array, or let it go on.
    PauseJob(PauseJob),
    /// Hold a queue, or let it go on.
    PauseQueue(PauseQueue),
    /// A page of queues.
    Queues(QueuesQuery),
    /// One node in full, with what runs there.
    NodeInfo(NodeQuery),
    /// Set and remove labels of a node.
    LabelNode(LabelNode),
}

impl Request {
    /// Whether it can change the ledger, so that an unknown outcome matters.
    #[must_use]
    pub const fn is_mutating(&self) -> bool {
        matches!(
            self,
            Self::Submit(_)
                | Self::SubmitMany(_)
                | Self::Cancel(_)
                | Self::Retry(_)
                | Self::MarkContentHash(_)
                | Self::DrainNode(_)
                | Self::SubmitArray(_)
                | Self::PutItems(_)
                | Self::PauseJob(_)
                | Self::PauseQueue(_)
                | Self::LabelNode(_)
        )
    }

    /// For how long the server may keep it before it answers, in milliseconds; nothing for what it answers at once. Both
    /// sides count what waits apart, so that waiting never stops submitting (R21).
    #[must_use]
    pub const fn wait_ms(&self) -> Option<u64> {
        match self {
            Self::Wait(wait) => Some(wait.timeout_ms),
            Self::ContentHash(query) => Some(query.timeout_ms),
            Self::WaitForNode(wait) => Some(wait.timeout_ms),
            Self::Follow(query) => Some(query.timeout_ms),
            _ => None,
        }
    }

    /// What is attempted, for messages: "submit a job".
    #[must_use]
    pub const fn describe(&self) -> &'static str {
        match self {
            Self::Hello(_) => "greet the server",
            Self::Submit(_) => "submit a job",
            Self::SubmitMany(_) => "submit jobs",
            Self::Wait(_) => "wait for a job",
            Self::Info(_) => "look up a job",
            Self::List(_) => "list jobs",
            Self::ResolvePrefix(_) => "look up a job by its prefix",
            Self::Cancel(_) => "cancel a job",
            Self::Retry(_) => "retry a job",
            Self::History(_) => "read a job's history",
            Self::Logs(_) => "read a job's output",
            Self::Nodes(_) => "list the nodes",
            Self::Status => "read the cluster's status",
            Self::MarkContentHash(_) => "mark a content hash",
            Self::ContentHash(_) => "read a content hash",
            Self::Explain(_) => "explain a job",
            Self::DrainNode(DrainNode { leaves: true, .. }) => "let a node leave",
            Self::DrainNode(DrainNode { draining: true, .. }) => "drain a node",
            Self::DrainNode(_) => "undrain a node",
            Self::WaitForNode(_) => "look at a node's work",
            Self::Follow(_) => "follow a job's output",
            Self::SubmitArray(_) => "submit an array",
            Self::PutItems(_) => "upload an array's items",
            Self::ArrayStatus(_) => "look up an array",
            Self::PauseJob(PauseJob { paused: true, .. }) => "pause a job",
            Self::PauseJob(_) => "resume a job",
            Self::PauseQueue(PauseQueue { paused: true, .. }) => "pause a queue",
            Self::PauseQueue(_) => "resume a queue",
            Self::Queues(_) => "list the queues",
            Self::NodeInfo(_) => "look up a node",
            Self::LabelNode(_) => "label a node",
        }
    }
}

/// Who calls, and in which version of the protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL_VERSION`] of the caller.
    pub version: u16,
    /// The caller's program and version, for the server's log.
    pub agent: String,
}

/// A job to accept under an id that the client has drawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submit {
    /// The job's id, which is also the request's.
    pub job_id: JobId,
    /// The job; its idempotency key lies in it.
    pub job: JobRequest,
}

/// An array to accept under an id that the client has drawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubmitArray {
    /// The array's id, which is also the request's.
    pub array_id: JobId,
    /// What each task is; `{}` in its command stands for the task's item, or its index. Its idempotency key lies in it.
    pub job: JobRequest,
    /// Which tasks there are.
    pub tasks: TaskSet,
    /// Tasks that may run at once; none: as many as find a place.
    pub running_max: Option<u32>,
}

/// The tasks of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskSet {
    /// One for each index.
    Range {
        /// The first.
        first: u32,
        /// The last.
        last: u32,
    },
    /// One for each item that was uploaded under the array's id.
    Items {
        /// How many.
        count: u32,
        /// What the last [`PutItems`] was answered.
        digest: [u8; 16],
    },
}

/// Items of an array that will be submitted under this id. The same ones at the same place again change nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutItems {
    /// The array's id.
    pub array_id: JobId,
    /// The index of the first of these, a multiple of `limits::ITEMS_PER_BLOCK`; those before it are there.
    pub first: u32,
    /// The items; of all requests but the last one a multiple of `limits::ITEMS_PER_BLOCK`.
    pub items: Vec<String>,
}

/// Wait for a job's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// The job.
    pub job: JobId,
    /// Milliseconds after which the server answers anyway, at most `limits::WAIT_MS_MAX`.
    pub timeout_ms: u64,
    /// How fresh the answer must be.
    pub read: ReadLevel,
}

/// One job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobQuery {
    /// The job.
    pub job: JobId,
    /// How fresh the answer must be.
    pub read: ReadLevel,
}

/// Jobs by the first characters of their id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrefixQuery {
    /// The characters, in canonical form.
    pub prefix: String,
    /// How fresh the answer must be.
    pub read: ReadLevel,
}

/// Stop a job that has not ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancel {
    /// This request's id.
    pub request_id: RequestId,
    /// The job.
    pub job: JobId,
    /// Why, for its history.
    pub reason: Option<String>,
    /// The same key again is the same request.
    pub idempotency_key: Option<String>,
}

/// Submit an ended job anew, as a new job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// The new job's id, which is also the request's.
    pub job_id: JobId,
    /// The ended job.
    pub of: JobId,
    /// The same key again is the same request.
    pub idempotency_key: Option<String>,
}

/// The output of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogsQuery {
    /// The job.
    pub job: JobId,
    /// The attempt; none: the latest.
    pub attempt: Option<u32>,
    /// How fresh the answer must be.
    pub read: ReadLevel,
}

/// A job's output from a place on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowQuery {
    /// The job.
    pub job: JobId,
    /// The first record that is wanted.
    pub from: OutputPlace,
    /// Only this attempt; none: those that follow as well.
    pub attempt: Option<u32>,
    /// Only this stream.
    pub stream: Option<OutputStream>,
    /// Nothing older than this, in milliseconds since 1970; 0: everything.
    pub since_ms: u64,
    /// Milliseconds after which the server answers though there is nothing, at most `limits::WAIT_MS_MAX`.
    pub timeout_ms: u64,
    /// How fresh the answer must be as far as it is of the ledger: which attempts there are, and whether the job has ended.
    pub read: ReadLevel,
}

/// The content hash of the answering node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentHashQuery {
    /// The index that the mark was applied at.
    pub index: u64,
    /// How long the server may wait for it, in milliseconds.
    pub timeout_ms: u64,
}

/// Stop or resume giving new work to a node. What is so already is done; of a node that drains, what is not said stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainNode {
    /// This request's id.
    pub request_id: RequestId,
    /// The node's name.
    pub node: String,
    /// Whether it takes nothing new from now on.
    pub draining: bool,
    /// The same key again is the same request.
    pub idempotency_key: Option<String>,
    /// What still runs there so many milliseconds from now is stopped and runs again elsewhere; none: it is let end.
    pub deadline_ms: Option<u64>,
    /// Why, for people.
    pub reason: Option<String>,
    /// Whether the node is forgotten once nothing runs there and its process has stopped.
    pub leaves: bool,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeQuery {
    /// The node's name.
    pub node: String,
    /// Of what runs there, that which began after the attempt with this fence.
    pub after: Option<u64>,
    /// Rows of what runs there at most; none: `limits::LIST_ROWS_DEFAULT`.
    pub limit: Option<u32>,
    /// How fresh the answer must be.
    pub read: ReadLevel,
}

/// Set and remove labels of a node. Those that it registers itself are hidden by what is set, and can't be removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelNode {
    /// This request's id.
    pub request_id: RequestId,
    /// The node's name.
    pub node: String,
    /// Labels to set.
    pub set: BTreeMap<String, String>,
    /// Labels to remove.
    pub remove: BTreeSet<String>,
    /// The same key again is the same request.
    pub idempotency_key: Option<String>,
}

/// Wait until nothing runs on a draining node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeWait {
    /// The node's name.
    pub node: String,
    /// Milliseconds after which the server answers anyway, at most `limits::WAIT_MS_MAX`.
    pub timeout_ms: u64,
    /// How fresh the answer must be.
    pub read: ReadLevel,
}

/// How fresh a read must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadLevel {
    /// It sees every write that was acknowledged before it was asked.
    #[default]
    Linearizable,
    /// It sees at least this applied index; may be answered by any node.
    AtLeast(u64),
    /// Whatever the answering node has.
    Stale,
}
