//! What agents and the leader say to each other over the agent channel, one ordered link per agent.
//!
//! Owns the wire types of that link and nothing of their meaning: renewals are `lease`'s, orders `dispatch`'s and
//! `holdings`'. All of them are hints that may be lost, repeated or overtaken (R15): each names its epoch, and each of the
//! leader's orders the ledger index that it was read at, so that a late one is recognised. Append-only enums.

use std::collections::BTreeMap;

use quorla_ledger::{
    command::EndAttempt,
    ids::{Epoch, Fence, JobId, NodeId},
    outcome::StopCause,
    spec::{Kill, Limits},
    units::{Bytes, Millis},
};
use serde::{Deserialize, Serialize};

use crate::digest::HeldDigest;

/// From an agent to the leader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToLeader {
    /// Asks for more time. The first message of every link, which names the agent.
    Renew(Renewal),
    /// How an attempt ended; repeated until [`ToAgent::Recorded`].
    Report(Box<EndAttempt>),
    /// Asks for the start of attempts that a full set named and the agent does not hold.
    Fetch {
        /// The agent's epoch.
        epoch: Epoch,
        /// The attempts.
        fences: Vec<Fence>,
    },
}

/// From the leader to an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToAgent {
    /// The renewal with this sequence was acknowledged behind a quorum round (R16).
    Acknowledged {
        /// The epoch that was renewed.
        epoch: Epoch,
        /// The renewal's sequence.
        sequence: u64,
    },
    /// The epoch lapsed or was replaced: nothing of it may run on, and the node registers again.
    EpochIsOver {
        /// That epoch.
        epoch: Epoch,
    },
    /// An attempt to run.
    Start(Box<Start>),
    /// An attempt to stop.
    Stop(Stop),
    /// All that should run.
    Desired(Desired),
    /// The end of this attempt is in the ledger, or the ledger wants to hear no more of it.
    Recorded {
        /// The attempt.
        fence: Fence,
        /// An index at which the ledger had it.
        as_of: u64,
    },
    /// The other side does not lead; look for who does.
    NotLeader,
}

/// An agent's request for more time (R16).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewal {
    /// The node.
    pub node: NodeId,
    /// Its epoch.
    pub epoch: Epoch,
    /// Rises with each renewal of the epoch.
    pub sequence: u64,
    /// What it holds.
    pub digest: HeldDigest,
}

/// Which attempt an order is about, and how current the order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The epoch that the attempt was assigned to.
    pub epoch: Epoch,
    /// The ledger index at which the leader saw it so.
    pub as_of: u64,
    /// The job.
    pub job: JobId,
    /// The attempt.
    pub fence: Fence,
}

/// An attempt to run, with all that an executor needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// Which.
    pub order: Order,
    /// 1 for the job's first attempt.
    pub number: u32,
    /// When its time is up, in ledger time: the attempt's or the job's timeout, whichever is first.
    pub deadline: Option<Millis>,
    /// What to run.
    pub work: Work,
}

/// The part of a specification that an executor needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Program, then its arguments.
    pub command: Vec<String>,
    /// The job's own variables.
    pub env: BTreeMap<String, String>,
    /// An existing directory, or none for a fresh one.
    pub working_dir: Option<String>,
    /// Given on standard input.
    pub stdin: Vec<u8>,
    /// What it may use at the most.
    pub limits: Limits,
    /// The user that it runs as; none: the node's own.
    pub run_as: Option<String>,
    /// How it is ended before its time.
    pub kill: Kill,
    /// Bytes of each output stream to keep.
    pub output_tail_max: Bytes,
    /// For a task of an array, and for a job that repeats one: its index.
    pub array_index: Option<u32>,
}

/// An attempt to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// Which.
    pub order: Order,
    /// Why.
    pub cause: StopCause,
}

/// Everything that the ledger assigned to an epoch, at one index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    /// The epoch.
    pub epoch: Epoch,
    /// The ledger index at which the leader saw it so.
    pub as_of: u64,
    /// The attempts; at most [`quorla_ledger::limits::NODE_SLOTS_MAX`].
    pub attempts: Vec<Listed>,
}

/// One attempt of a full set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// The job.
    pub job: JobId,
    /// The attempt.
    pub fence: Fence,
    /// Why it is to be stopped, if it is.
    pub stop: Option<StopCause>,
}
