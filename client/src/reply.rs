//! What a server answers. Variants are only ever added at the end: their order is the wire format.

use serde::{Deserialize, Serialize};

use crate::ids::JobId;
use crate::refusal::ErrorBody;
use crate::view::{
    ArrayView, ClusterStatus, ContentHash, JobExplanation, JobHistory, JobLogs, JobPage, JobState, JobSummary, JobView,
    NodeDetail, NodeLabels, NodeView, NodeWork, OutputPage, QueuePage, QueueView,
};

/// One answer of the client plane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// The index that the answering node had applied (R13).
    pub applied_index: u64,
    /// What was asked for, or why not.
    pub outcome: Result<Reply, ErrorBody>,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// To `Hello`.
    Welcome(Welcome),
    /// To `Submit`, `SubmitArray` and `Retry`.
    Submitted(Submitted),
    /// To `SubmitMany`: one outcome for each job, in the order of the request.
    SubmittedMany(Vec<Result<Submitted, ErrorBody>>),
    /// To `Wait`: the job, which has not ended when the time was up.
    Waited(Box<JobView>),
    /// To `Info`.
    Job(Box<JobView>),
    /// To `List`.
    Jobs(JobPage),
    /// To `ResolvePrefix`.
    Prefix(PrefixMatch),
    /// To `Cancel`.
    Cancelled(Cancelled),
    /// To `History`.
    History(Box<JobHistory>),
    /// To `Logs`.
    Logs(JobLogs),
    /// To `Nodes`.
    Nodes(Vec<NodeView>),
    /// To `Status`.
    Status(Box<ClusterStatus>),
    /// To `MarkContentHash`: the index at which every replica hashes its tables.
    ContentHashMarked(u64),
    /// To `ContentHash`.
    ContentHash(ContentHash),
    /// To `Explain`.
    Explained(Box<JobExplanation>),
    /// To `DrainNode` and `WaitForNode`.
    NodeWork(NodeWork),
    /// To `Follow`.
    Output(OutputPage),
    /// To `PutItems`.
    ItemsPut(ItemsPut),
    /// To `ArrayStatus`.
    Array(Box<ArrayView>),
    /// To `PauseJob`.
    Paused(Paused),
    /// To `PauseQueue`: the queue as it is now.
    QueuePaused(Box<QueueView>),
    /// To `Queues`.
    Queues(QueuePage),
    /// To `NodeInfo`.
    Node(Box<NodeDetail>),
    /// To `LabelNode`.
    NodeLabels(NodeLabels),
}

/// The server's greeting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The protocol version of the server.
    pub version: u16,
    /// The cluster's id.
    pub cluster_id: String,
    /// The answering node's name.
    pub node: String,
    /// Whom the server takes the caller for.
    pub principal: String,
    /// The server's clock, in milliseconds since 1970; ids are drawn by it.
    pub server_time_ms: u64,
    /// The leader's client address, where one is known.
    pub leader: Option<String>,
    /// Whether the answering node leads.
    pub is_leader: bool,
    /// Client addresses of the cluster's nodes.
    pub addresses: Vec<String>,
}

/// A job is accepted: on fsynced disk on a majority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submitted {
    /// The job's id; another than the one asked for when the idempotency key was known.
    pub job_id: JobId,
    /// Whether an idempotency key led to a job that was accepted before under another id.
    pub existing: bool,
}

/// What an upload holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemsPut {
    /// Items in all.
    pub items: u32,
    /// The digest of all of them, which the array's submission names.
    pub digest: [u8; 16],
}

/// A cancellation is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancelled {
    /// The job.
    pub job_id: JobId,
    /// Its state now: `cancelled`, or `stopping` while an attempt still holds its node.
    pub state: JobState,
}

/// A pause, or its end, is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    /// The job or array.
    pub job_id: JobId,
    /// Whether it is paused now.
    pub paused: bool,
    /// Its state now: of one that runs, the attempt goes on.
    pub state: JobState,
}

/// The jobs that a prefix fits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrefixMatch {
    /// They, `limits::PREFIX_CANDIDATES_MAX` at most.
    pub jobs: Vec<JobSummary>,
    /// Whether there are more.
    pub more: bool,
}
