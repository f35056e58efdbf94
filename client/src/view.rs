//! What a server tells about jobs, nodes and the cluster. Views are copies: they decide nothing.

mod array;
mod cluster;
mod drain;
mod explain;
mod history;
mod job;
mod node;
mod output;
mod queue;
mod terms;

pub use array::{ArrayView, TaskCounts};
pub use cluster::{ClusterStatus, ContentHash, NodeDisk, NodeRole, NodeView};
pub use drain::{DrainView, NodeWork};
pub use explain::{
    JobDeadline, JobExplanation, JobTimeout, JobsAhead, NodeRejection, RejectionReason, ScarceResource, Shortage,
};
pub use history::{EventView, JobHistory, JobLogs, Tail};
pub use job::{AttemptOutcome, AttemptView, JobPage, JobState, JobSummary, JobView, Usage};
pub use node::{NodeDetail, NodeLabels, NodeState, RunningAttempt};
pub use output::{GapReason, OutputGap, OutputPage, OutputPiece, OutputPlace, OutputRecord, OutputStream};
pub use queue::{PauseView, QueueFlow, QueuePage, QueueView};
pub use terms::JobTerms;
