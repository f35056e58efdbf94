//! Quorla's client: the public contract with a cluster, and a library that keeps it.
//!
//! Requests and replies ([`Request`], [`Reply`]) are plain values with one binary encoding ([`codec`]) and a JSON form.
//! This crate knows nothing of the ledger behind them.
//!
//! [`Client`] connects to any node over QUIC, moves to the leader, and repeats what may be repeated, with the same ids.
//! Every call ends in one of three ways: done, refused, or unknown ([`Error`]).
//!
//! ```no_run
//! # async fn example() -> Result<(), quorla_client::Error> {
//! use quorla_client::{Client, JobRequest, Options};
//!
//! let client = Client::connect(Options::from_env()?).await?;
//! let submitted = client.submit(JobRequest::new(["sleep", "1"]).idempotency_key("nap")).await?;
//! let job = client.wait(submitted.job_id, Some(10_000)).await?;
//! assert!(job.state.is_ended());
//! # Ok(())
//! # }
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod amount;
mod array;
mod client;
pub mod clock;
pub mod codec;
mod connection;
mod error;
mod ids;
mod job;
mod keeper;
pub mod limits;
mod options;
mod payload;
pub mod profile;
mod refusal;
mod reply;
mod request;
pub mod retry;
mod stall;
mod suggest;
mod tls;
mod view;

pub use array::{ArrayRequest, TaskItems};
pub use client::{Client, DrainTerms, Follow, FollowFrom, Followed, PauseTerms};
pub use error::{Error, SetupError};

pub use ids::{JobId, ParseJobIdError, RequestId, canonical_prefix};
pub use job::{
    Backoff, Constraint, JobRequest, KillSignal, LabelRule, Limits, ParseConstraintError, Place, ReadJobError,
    Resources, RetryPolicy, Timeouts,
};
pub use options::Options;
pub use payload::Payload;
pub use profile::Profile;
pub use refusal::{ErrorBody, ErrorCode};
pub use reply::{Cancelled, ItemsPut, Paused, PrefixMatch, Reply, Response, Submitted, Welcome};
pub use request::{
    Cancel, ContentHashQuery, DrainNode, FollowQuery, Hello, JobQuery, LabelNode, ListOrder, ListQuery, LogsQuery,
    NodeQuery, NodeWait, PROTOCOL_VERSION, PauseJob, PauseQueue, PrefixQuery, PutItems, QueuesQuery, ReadLevel,
    Request, Retry, Submit, SubmitArray, TaskSet, Wait,
};
pub use stall::{OnStall, Stall};
pub use suggest::nearest;
pub use tls::{ALPN, CLOSED_FOR_CLUSTER, CLOSED_FOR_ROLE, Credentials, Pem, SERVER_NAME};
pub use view::{
    ArrayView, AttemptOutcome, AttemptView, ClusterStatus, ContentHash, DrainView, EventView, GapReason, JobDeadline,
    JobExplanation, JobHistory, JobLogs, JobPage, JobState, JobSummary, JobTerms, JobTimeout, JobView, JobsAhead,
    NodeDetail, NodeDisk, NodeLabels, NodeRejection, NodeRole, NodeState, NodeView, NodeWork, OutputGap, OutputPage,
    OutputPiece, OutputPlace, OutputRecord, OutputStream, PauseView, QueueFlow, QueuePage, QueueView, RejectionReason,
    RunningAttempt, ScarceResource, Shortage, Tail, TaskCounts, Usage,
};
