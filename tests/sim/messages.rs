//! Who speaks to whom about what in the simulated world: nodes, and clients beside them.

use quorla_actors::messages::{ToAgent, ToLeader};
use quorla_ledger::{
    Command, Reply,
    command::{DrainOrder, RegisterNode, Request, Tasks},
    ids::{BootId, JobId, NodeId},
    reply::Refusal,
    spec::JobSpec,
};

/// A machine with one node on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Site(pub(super) usize);

/// A client program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Caller(pub(super) usize);

/// One end of a message's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Site(Site),
    Caller(Caller),
}

/// A message on its way.
#[derive(Clone, Debug)]
pub(super) struct Envelope {
    pub(super) from: End,
    pub(super) to: End,
    pub(super) message: Message,
}

/// What is said.
#[derive(Clone, Debug)]
pub(super) enum Message {
    /// An agent to a leader, over one of its links.
    ToLeader { link: u64, words: Box<ToLeader> },
    /// A leader to an agent, over the link that the agent opened.
    ToAgent { link: u64, words: Box<ToAgent> },
    /// A node wants an epoch; whoever leads proposes it.
    Register(Box<RegisterNode>),
    /// What became of that.
    Registered { boot: BootId, reply: Reply },
    /// A node says how full its disk is; whoever leads proposes it.
    Guard(Box<Command>),
    /// A client asks; a follower may have passed it on.
    Ask { caller: Caller, call: u64, request: ClientRequest, forwarded: bool },
    /// A node answers a client.
    Answer { call: u64, answer: Answer },
}

/// What a client asks for.
#[derive(Clone, Debug)]
pub(super) enum ClientRequest {
    Submit {
        request: Request,
        spec: Box<JobSpec>,
    },
    SubmitArray {
        request: Request,
        spec: Box<JobSpec>,
        tasks: Tasks,
        running_max: Option<u32>,
    },
    Cancel {
        request: Request,
        job: JobId,
    },
    Retry {
        request: Request,
        job: JobId,
    },
    Drain {
        request: Request,
        node: NodeId,
        drain: Option<DrainOrder>,
    },
    Pause {
        request: Request,
        what: Held,
        paused: bool,
    },
    /// A linearizable look at a job.
    Read {
        job: JobId,
    },
}

/// What can be paused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Held {
    Job(JobId),
    Queue(String),
}

impl ClientRequest {
    pub(super) const fn adds_work(&self) -> bool {
        matches!(self, Self::Submit { .. } | Self::SubmitArray { .. } | Self::Retry { .. })
    }

    pub(super) const fn mutating(&self) -> Option<&Request> {
        match self {
            Self::Submit { request, .. }
            | Self::SubmitArray { request, .. }
            | Self::Cancel { request, .. }
            | Self::Retry { request, .. }
            | Self::Drain { request, .. }
            | Self::Pause { request, .. } => Some(request),
            Self::Read { .. } => None,
        }
    }
}

/// What a node says to a client.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Done(Reply),
    Refused(Refusal),
    Overloaded,
    /// The node neither leads nor reaches who does.
    NoQuorum,
    /// The node is not the leader and does not pass on, as one that is stopping.
    NotLeader {
        leader: Option<Site>,
    },
    Unknown,
    /// A linearizable read: whether the job is there.
    Seen {
        exists: bool,
    },
}
