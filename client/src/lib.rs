//! Quorla's client: the public contract with a cluster, and a library that keeps it.
//!
//! Requests and replies ([`Request`], [`Reply`]) are plain values with one binary encoding ([`codec`]) and a JSON form.
//! This crate knows nothing of the ledger behind them.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod codec;
mod ids;
mod job;
pub mod limits;
mod payload;
mod refusal;
mod reply;
mod request;
mod suggest;
mod view;

pub use ids::{JobId, ParseJobIdError, RequestId, canonical_prefix};
pub use job::{
    Backoff, Constraint, JobRequest, KillSignal, LabelRule, ParseConstraintError, ReadJobError, Resources, RetryPolicy,
    Timeouts,
};
pub use payload::Payload;
pub use refusal::{ErrorBody, ErrorCode};
pub use reply::{Cancelled, PrefixMatch, Reply, Response, Submitted, Welcome};
pub use request::{
    Cancel, ContentHashQuery, Hello, JobQuery, ListQuery, LogsQuery, PROTOCOL_VERSION, PrefixQuery, ReadLevel, Request,
    Retry, Submit, Wait,
};
pub use suggest::nearest;
pub use view::{
    AttemptOutcome, AttemptView, ClusterStatus, ContentHash, EventView, JobHistory, JobLogs, JobPage, JobState,
    JobSummary, JobView, NodeRole, NodeView, Tail, Usage,
};
