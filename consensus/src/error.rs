//! The errors of this crate's handle: why a group doesn't start, and what became of a command or a read.

use std::io;
use std::path::{Path, PathBuf};

use quorla_ledger::ids::ClusterId;
use quorla_ledger::reply::{Refusal, Reply};

use crate::directory::Identity;
use crate::log_store::LogDatabaseError;
use crate::state_store::{StateError, ViewError};
use crate::transport::{Peer, TransportError};

/// Why a data directory or a group in it can't be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another process has it open.
    #[error("open the data directory {path}: another process has it open")]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// A newer version wrote it.
    #[error("open the data directory {path}: its format is {found}, this program knows {known}: upgrade it")]
    NewerFormat {
        /// The directory.
        path: PathBuf,
        /// The version found.
        found: u32,
        /// The newest version that this program reads.
        known: u32,
    },
    /// A version wrote it whose format is not read any more.
    #[error("open the data directory {path}: its format is {found}, this program reads none before {oldest}")]
    OlderFormat {
        /// The directory.
        path: PathBuf,
        /// The version found.
        found: u32,
        /// The oldest version that this program reads.
        oldest: u32,
    },
    /// It belongs to another cluster.
    #[error("open the data directory {path}: it belongs to cluster {:032x}, not to {:032x}", found.0, expected.0)]
    OtherCluster {
        /// The directory.
        path: PathBuf,
        /// The cluster found.
        found: ClusterId,
        /// The cluster expected.
        expected: ClusterId,
    },
    /// It has another identity already.
    #[error("give the data directory {path} an identity: it has one, Raft id {}", found.raft_id.0)]
    OtherIdentity {
        /// The directory.
        path: PathBuf,
        /// What it has.
        found: Identity,
    },
    /// It has no identity: found a cluster or be admitted first.
    #[error("start a group in {path}: the directory has no identity yet")]
    NoIdentity {
        /// The directory.
        path: PathBuf,
    },
    /// Something that was durable is gone: the storage is no longer who it was (R1, R2).
    #[error("open the data directory {path}: {reason}")]
    LogLost {
        /// The directory.
        path: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// Log or state are damaged.
    #[error("open {path}: it is damaged: {reason}")]
    Damaged {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// RocksDB runs with other options than the log relies on.
    #[error("open the log")]
    Log(#[source] LogDatabaseError),
    /// A file can't be used; the disk may be full.
    #[error("{attempt} {path}")]
    Io {
        /// What was attempted.
        attempt: &'static str,
        /// On what.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// openraft refused to start.
    #[error("start raft: {reason}")]
    Raft {
        /// What it said.
        reason: String,
    },
}

impl StartError {
    pub(crate) fn io(attempt: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { attempt, path: path.to_path_buf(), source }
    }

    /// Whether the directory is to be set aside, so that the node starts as a new incarnation (R1).
    pub fn refuses_directory(&self) -> bool {
        matches!(self, Self::LogLost { .. } | Self::Damaged { .. })
    }
}

impl From<LogDatabaseError> for StartError {
    fn from(error: LogDatabaseError) -> Self {
        match error {
            LogDatabaseError::Lost { path, loss } => Self::LogLost { path, reason: loss },
            LogDatabaseError::Damaged { path, reason } => Self::Damaged { path, reason },
            LogDatabaseError::Unreadable { path, source } => Self::Io { attempt: "open the log at", path, source },
            LogDatabaseError::Mark { path, source } if source.kind() == io::ErrorKind::InvalidData => {
                Self::Damaged { path, reason: source.to_string() }
            }
            LogDatabaseError::Mark { path, source } => Self::Io { attempt: "read the mark at", path, source },
            other @ LogDatabaseError::Option { .. } => Self::Log(other),
        }
    }
}

impl From<StateError> for StartError {
    fn from(error: StateError) -> Self {
        match error {
            StateError::Io { attempt, path, source } if source.kind() != io::ErrorKind::InvalidData => {
                Self::Io { attempt, path, source }
            }
            StateError::Io { path, source, .. } => Self::Damaged { path, reason: source.to_string() },
            StateError::Rocks { attempt, path, reason, is_damage: false } => {
                Self::Io { attempt, path, source: io::Error::other(reason) }
            }
            StateError::Rocks { path, reason, .. }
            | StateError::Ledger { path, reason }
            | StateError::Snapshot { path, reason } => Self::Damaged { path, reason },
            StateError::Record(error) => Self::Damaged { path: PathBuf::from("state"), reason: error.to_string() },
        }
    }
}

/// What became of a command that has no reply (R9).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// The queue is full; nothing was done.
    #[error("propose a command: the queue is full, try again in {retry_after_ms} ms")]
    Overloaded {
        /// When to try again.
        retry_after_ms: u64,
    },
    /// There was no leader in time, or it moved; nothing was done.
    #[error("propose a command: this node does not lead")]
    NotLeader {
        /// The leader, when one is known.
        leader: Option<Peer>,
    },
    /// It may have been done or not: retry with the same ids only.
    #[error("propose a command: its outcome is unknown")]
    Unknown,
    /// A command or a call is larger than an entry may be; nothing was done.
    #[error("propose a command: it has {bytes} bytes, at most {bytes_max} are allowed")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The bound.
        bytes_max: usize,
    },
}

/// This node is not the leader, or can't prove it any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("ask the quorum: this node does not lead")]
pub struct NotLeader {
    /// The leader, when one is known.
    pub leader: Option<Peer>,
}

/// Why a read gave no view.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// No leader answered in time: a minority can't read linearizably.
    #[error("read: no leader answered in time")]
    NoQuorum {
        /// The leader, when one is known.
        leader: Option<Peer>,
    },
    /// The state has not caught up in time.
    #[error("read: index {wanted} is not applied yet, {applied} is")]
    Behind {
        /// The index asked for.
        wanted: u64,
        /// The index applied.
        applied: u64,
    },
    /// What was served before the restart has not been applied again yet (R4).
    #[error("read: this node is still recovering")]
    Recovering,
    /// The state can't be read.
    #[error(transparent)]
    View(#[from] ViewError),
}

/// Why the membership did not change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MembershipError {
    /// Only the leader changes the membership.
    #[error("change the membership: this node does not lead")]
    NotLeader {
        /// The leader, when one is known.
        leader: Option<Peer>,
    },
    /// A storage is no member, or a member is not caught up.
    #[error("change the membership: storage {raft_id} is no caught-up learner")]
    NotCaughtUp {
        /// Which.
        raft_id: u64,
    },
    /// The ledger refused the admission.
    #[error("admit a storage: {refusal:?}")]
    Refused {
        /// What it said.
        refusal: Refusal,
    },
    /// The command that makes a storage known has no reply.
    #[error("admit a storage")]
    Propose(#[source] ProposeError),
    /// The ledger gave an answer that is none to an admission.
    #[error("admit a storage: the ledger answered {reply:?}")]
    OddReply {
        /// What it said.
        reply: Reply,
    },
    /// The member that was asked can't be reached, or the stream to it broke: the storage may be admitted or not.
    #[error("ask a member for admission")]
    Transport(#[source] TransportError),
    /// The member that was asked gave no answer in time: the storage may be admitted or not.
    #[error("ask a member for admission: it gave no answer in time")]
    Silent,
    /// The member that was asked could not do it.
    #[error("ask a member for admission: it answered: {reason}")]
    Asked {
        /// What it said.
        reason: String,
    },
    /// openraft refused the change, or ended while it made it: it may be made or not.
    #[error("change the membership: {reason}")]
    Raft {
        /// What it said.
        reason: String,
    },
}

impl MembershipError {
    /// Whether asking again may help. Every step of an admission may be repeated.
    pub(crate) const fn may_pass(&self) -> bool {
        !matches!(self, Self::Refused { .. } | Self::OddReply { .. } | Self::NotCaughtUp { .. })
    }
}
