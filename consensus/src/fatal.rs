//! What ends a node: a failed read or write of log or state, a replica that differs, a command from the future.
//!
//! The first reason is kept and told to the node through a watch channel; nothing is retried and nothing
//! is acknowledged afterwards (R22).

use std::fmt::Display;
use std::io;
use std::sync::Arc;

use quorla_ledger::ids::ChainHash;
use tokio::sync::watch;

/// Why this group can't go on. The node says so and stops.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fatal {
    /// A read or write of the log failed.
    #[error("{attempt} the log: {reason}")]
    Log {
        /// What was attempted.
        attempt: &'static str,
        /// The error of the storage.
        reason: String,
    },
    /// A read or write of the state failed.
    #[error("{attempt} the state: {reason}")]
    State {
        /// What was attempted.
        attempt: &'static str,
        /// The error of the storage.
        reason: String,
    },
    /// This replica's state differs from the leader's at one index.
    #[error("the state differs from the leader's at entry {index}: its hash is {actual}, the leader's is {expected}")]
    Diverged {
        /// Index of the entry after which the hashes were taken.
        index: u64,
        /// The leader's.
        expected: ChainHash,
        /// Ours.
        actual: ChainHash,
    },
    /// A command has a version that this program doesn't know.
    #[error("entry {index} has a command of version {version}, which this program does not know: upgrade it")]
    UnknownVersion {
        /// Index of the entry.
        index: u64,
        /// The version found.
        version: u8,
    },
    /// A task of this group ended, which only a defect can cause.
    #[error("the {name} of the group ended")]
    Task {
        /// Which.
        name: &'static str,
    },
    /// openraft stopped by itself.
    #[error("raft stopped: {reason}")]
    Raft {
        /// What it said.
        reason: String,
    },
}

/// Keeps the first fatal reason and wakes whoever waits for it.
#[derive(Debug, Clone)]
pub struct FatalSignal {
    sender: Arc<watch::Sender<Option<Fatal>>>,
}

impl Default for FatalSignal {
    fn default() -> Self {
        Self { sender: Arc::new(watch::Sender::new(None)) }
    }
}

impl FatalSignal {
    /// Records the reason unless an earlier one is known.
    pub fn report(&self, fatal: Fatal) {
        self.sender.send_if_modified(|current| {
            if current.is_some() {
                return false;
            }
            tracing::error!(reason = %fatal, "this node can not go on");
            *current = Some(fatal.clone());
            true
        });
    }

    /// The watch for the node.
    pub fn subscribe(&self) -> watch::Receiver<Option<Fatal>> {
        self.sender.subscribe()
    }

    pub(crate) fn log(&self, attempt: &'static str, reason: impl Display) -> io::Error {
        let fatal = Fatal::Log { attempt, reason: reason.to_string() };
        let error = io::Error::other(fatal.to_string());
        self.report(fatal);
        error
    }

    pub(crate) fn state(&self, attempt: &'static str, reason: impl Display) -> io::Error {
        let fatal = Fatal::State { attempt, reason: reason.to_string() };
        let error = io::Error::other(fatal.to_string());
        self.report(fatal);
        error
    }
}
