//! What a job's submitter asked for, with every default filled in.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::job::{Constraint, KillSignal, Limits, Resources, RetryPolicy, Timeouts};

/// The terms of a job, beside its command and its place in the queue. Standard input is told by its size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobTerms {
    /// Environment variables that the submitter gave, with their values.
    pub env: BTreeMap<String, String>,
    /// The directory on the node; none: a fresh one.
    pub working_directory: Option<String>,
    /// Bytes of standard input.
    pub stdin_bytes: u64,
    /// What it occupies while it runs.
    pub resources: Resources,
    /// What it may use at the most.
    pub limits: Limits,
    /// The user that it runs as; none: the node's own.
    pub run_as: Option<String>,
    /// Which nodes may run it, with those that its limits need.
    pub constraints: Vec<Constraint>,
    /// When a failed attempt is followed by another.
    pub retry: RetryPolicy,
    /// How long it may wait and run.
    pub timeouts: Timeouts,
    /// Not before this time, in milliseconds since 1970.
    pub not_before_ms: Option<u64>,
    /// The first signal when it is stopped; none where this library has no name for it.
    pub kill_signal: Option<KillSignal>,
    /// Milliseconds between that signal and SIGKILL.
    pub kill_grace_ms: u64,
    /// Bytes kept of the end of each output stream.
    pub output_tail_bytes: u64,
}
