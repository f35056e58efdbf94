//! What can go wrong between a program and its cluster: the three outcomes of R9 and what lies outside them.

use std::path::PathBuf;

use crate::ids::JobId;
use crate::job::ReadJobError;
use crate::refusal::{ErrorBody, ErrorCode};
use crate::view::JobSummary;

/// A call that did not give what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cluster, or this library by the same rules, refused. It was not done and will not be.
    #[error("{0}")]
    Refused(Box<ErrorBody>),
    /// Whether it was done is not known; asking again is safe only with the same ids or idempotency key.
    #[error("{attempted}: the outcome is unknown: {reason}")]
    OutcomeUnknown {
        /// What was attempted.
        attempted: &'static str,
        /// What happened last.
        reason: String,
        /// The job, when it was a submit.
        job: Option<JobId>,
    },
    /// The servers were reached and did not get to it in time: overload, or no quorum. It was not done.
    #[error("{0}")]
    NotNow(Box<ErrorBody>),
    /// Client and server do not trust each other, or speak different protocols. It was not done.
    #[error("{reason}")]
    HandshakeRefused {
        /// Which side refused, and why.
        reason: String,
    },
    /// No server did it in time. It was not done.
    #[error("{attempted}: no server of {addresses} did it in time: {reason}")]
    Unavailable {
        /// What was attempted.
        attempted: &'static str,
        /// The addresses tried.
        addresses: String,
        /// What happened last.
        reason: String,
    },
    /// The job has not ended within the time that the caller gave.
    #[error("wait for job {job}: it has not ended within {timeout_ms} ms")]
    WaitTimedOut {
        /// The job.
        job: JobId,
        /// The caller's bound.
        timeout_ms: u64,
    },
    /// Attempts still ran on a draining node when the time that the caller gave was up.
    #[error("wait for node {node}: {} after {timeout_ms} ms", still(*attempts))]
    NodeWaitTimedOut {
        /// The node.
        node: String,
        /// How many, as far as a node has told.
        attempts: Option<u32>,
        /// The caller's bound.
        timeout_ms: u64,
    },
    /// A node that was waited for was given work again meanwhile.
    #[error("wait for node {node}: it does not drain any more")]
    NodeUndrained {
        /// The node.
        node: String,
    },
    /// Several jobs begin with this prefix.
    #[error("find the job {prefix}: {} jobs begin with it", count(candidates.len(), *more))]
    PrefixAmbiguous {
        /// The prefix.
        prefix: String,
        /// Jobs that begin with it.
        candidates: Vec<JobSummary>,
        /// Whether there are more.
        more: bool,
    },
    /// JSON that is no job.
    #[error(transparent)]
    ReadJob(#[from] ReadJobError),
    /// The client can't be set up.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The server broke the protocol.
    #[error("{attempted}: the server answered with something else")]
    ForeignReply {
        /// What was attempted.
        attempted: &'static str,
    },
}

/// What is wrong before the first request.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A file can't be read.
    #[error("read {what} at {path}: {source}")]
    Read {
        /// What it holds.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file can't be written.
    #[error("write {what} at {path}: {source}")]
    Write {
        /// What it holds.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("read {what} at {path}: {reason}")]
    Malformed {
        /// What it should hold.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// No profile says where a cluster is.
    #[error("find a cluster: {reason}")]
    NoProfile {
        /// What was looked for.
        reason: String,
    },
    /// Certificates that make no client.
    #[error("set up TLS: {reason}")]
    Tls {
        /// Why.
        reason: String,
    },
    /// No socket.
    #[error("open a UDP socket: {0}")]
    Socket(#[source] std::io::Error),
}

impl Error {
    /// The stable code, for programs and for error messages.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(body) | Self::NotNow(body) => body.code.as_str(),
            Self::HandshakeRefused { .. } => "handshake_refused",
            Self::OutcomeUnknown { .. } => ErrorCode::OutcomeUnknown.as_str(),
            Self::Unavailable { .. } => "unavailable",
            Self::WaitTimedOut { .. } | Self::NodeWaitTimedOut { .. } => "wait_timed_out",
            Self::NodeUndrained { .. } => "node_undrained",
            Self::PrefixAmbiguous { .. } => ErrorCode::PrefixAmbiguous.as_str(),
            Self::ReadJob(ReadJobError::UnknownField { .. }) => ErrorCode::UnknownField.as_str(),
            Self::ReadJob(ReadJobError::Malformed { .. }) => ErrorCode::InvalidRequest.as_str(),
            Self::Setup(SetupError::NoProfile { .. }) => "no_profile",
            Self::Setup(_) => "setup",
            Self::ForeignReply { .. } => "foreign_reply",
        }
    }

    /// The next thing to try, where there is one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Refused(body) | Self::NotNow(body) => return body.hint.clone(),
            Self::HandshakeRefused { .. } => {
                "See whether the profile's certificates are a client's, of this cluster's CA."
            }
            Self::OutcomeUnknown { job: Some(job), .. } => {
                return Some(format!("Look it up: quorla job info {job}"));
            }
            Self::NodeUndrained { node } => {
                return Some(format!("Someone gave it work again; drain it anew: quorla node drain {node}"));
            }
            Self::OutcomeUnknown { .. } => "Repeat it with the same idempotency key.",
            Self::Unavailable { .. } => {
                "See whether these addresses are right and the nodes run there; trying again may help."
            }
            Self::WaitTimedOut { .. } => "It goes on; wait again, or with a longer --timeout.",
            Self::NodeWaitTimedOut { .. } => "The node goes on draining; wait again, or with a longer --timeout.",
            Self::PrefixAmbiguous { .. } => "Give more characters of the id.",
            Self::ReadJob(_) => "See the fields: quorla job submit --help",
            Self::Setup(SetupError::NoProfile { .. }) => "Start a cluster: quorla dev, which writes the profile dev",
            Self::Setup(SetupError::Write { .. } | SetupError::Socket(_)) => {
                "See whether this machine has room and permits it."
            }
            Self::Setup(_) => "See the files that the profile and QUORLA_CA_CERT name.",
            Self::ForeignReply { .. } => "Use the same version here as the nodes have: quorla version",
        };
        Some(hint.to_owned())
    }
}

fn still(attempts: Option<u32>) -> String {
    match attempts {
        Some(attempts) => format!("{attempts} attempts still run there"),
        None => "nobody has told what runs there".to_owned(),
    }
}

impl From<ErrorBody> for Error {
    fn from(body: ErrorBody) -> Self {
        Self::Refused(Box::new(body))
    }
}

fn count(known: usize, more: bool) -> String {
    if more { format!("more than {known}") } else { known.to_string() }
}
