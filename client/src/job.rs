//! What a job is asked to be: the request that programs build, people write as JSON, and the server checks.
//!
//! Every field has a documented default but the command. These types know nothing of states or of where a job runs.

mod check;
mod constraint;
mod policy;
mod read;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use constraint::{Constraint, LabelRule, ParseConstraintError};
pub use policy::{Backoff, KillSignal, Limits, Resources, RetryPolicy, Timeouts};
pub use read::{Place, ReadJobError};

use crate::limits::OUTPUT_TAIL_BYTES_DEFAULT;
use crate::payload::Payload;

/// A job to be submitted. Only `command` has no default.
///
/// ```
/// use quorla_client::JobRequest;
///
/// let job = JobRequest::new(["sha256sum", "/etc/hostname"]).queue("hashes").priority(70);
/// assert_eq!(job.command[0], "sha256sum");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobRequest {
    /// The program and its arguments; the program is looked up in the job's PATH. Required.
    pub command: Vec<String>,
    /// A name for people. Default: the program's file name, chosen by the server.
    #[serde(default)]
    pub name: Option<String>,
    /// The queue it waits in. Default: `default`.
    #[serde(default = "default_queue")]
    pub queue: String,
    /// 0 (last) to 100 (first). Default: 50.
    #[serde(default = "default_priority")]
    pub priority: u8,
    /// Environment variables, added to PATH, HOME, LANG and the `QUORLA_*` ones. Default: none.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// An existing directory on the node, never created or deleted. Default: a fresh one, removed afterwards.
    #[serde(default)]
    pub working_directory: Option<String>,
    /// Standard input. Default: empty.
    #[serde(default)]
    pub stdin: Payload,
    /// What it occupies while it runs. Default: one slot, nothing else.
    #[serde(default)]
    pub resources: Resources,
    /// What it may use at the most. Default: what the node has; no core dumps.
    #[serde(default)]
    pub limits: Limits,
    /// The user that it runs as: a name of the node's `/etc/passwd`, or `uid:gid`. Default: the node's own.
    #[serde(default)]
    pub run_as: Option<String>,
    /// Which nodes may run it, by their labels; all must hold. Default: any node.
    #[serde(default)]
    pub constraints: Vec<Constraint>,
    /// When a failed attempt is followed by another. Default: one attempt.
    #[serde(default)]
    pub retry: RetryPolicy,
    /// How long it may wait and run. Default: no bound.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// Not before this time, in milliseconds since 1970. Default: at once.
    #[serde(default)]
    pub not_before_ms: Option<u64>,
    /// The first signal when it is stopped. Default: SIGTERM.
    #[serde(default)]
    pub kill_signal: KillSignal,
    /// Milliseconds between that signal and SIGKILL. Default: 10,000.
    #[serde(default = "default_kill_grace_ms")]
    pub kill_grace_ms: u64,
    /// Bytes kept of the end of each output stream. Default: 8 KiB, at most 64 KiB.
    #[serde(default = "default_output_tail_bytes")]
    pub output_tail_bytes: u32,
    /// Labels for the user's own purposes. Default: none.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The same key and content again give the same job; other content under it is a conflict. Default: none.
    #[serde(default)]
    pub idempotency_key: Option<String>,
}

impl JobRequest {
    /// A job with this command and every default.
    #[must_use]
    pub fn new<W: Into<String>>(command: impl IntoIterator<Item = W>) -> Self {
        Self {
            command: command.into_iter().map(Into::into).collect(),
            name: None,
            queue: default_queue(),
            priority: default_priority(),
            env: BTreeMap::new(),
            working_directory: None,
            stdin: Payload::default(),
            resources: Resources::default(),
            limits: Limits::default(),
            run_as: None,
            constraints: Vec::new(),
            retry: RetryPolicy::default(),
            timeouts: Timeouts::default(),
            not_before_ms: None,
            kill_signal: KillSignal::default(),
            kill_grace_ms: default_kill_grace_ms(),
            output_tail_bytes: default_output_tail_bytes(),
            labels: BTreeMap::new(),
            idempotency_key: None,
        }
    }

    /// Names it.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Puts it in this queue.
    #[must_use]
    pub fn queue(mut self, queue: impl Into<String>) -> Self {
        self.queue = queue.into();
        self
    }

    /// Gives it this priority, 0 to 100.
    #[must_use]
    pub fn priority(mut self, priority: u8) -> Self {
        self.priority = priority;
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// Gives it this standard input.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Payload>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Lets it run at most this often, with this delay in between.
    #[must_use]
    pub fn retries(mut self, attempts_max: u32, backoff: Backoff) -> Self {
        self.retry.attempts_max = attempts_max;
        self.retry.backoff = backoff;
        self
    }

    /// Submits it under this idempotency key.
    #[must_use]
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }
}

fn default_queue() -> String {
    "default".to_owned()
}

const fn default_priority() -> u8 {
    50
}

const fn default_kill_grace_ms() -> u64 {
    10_000
}

const fn default_output_tail_bytes() -> u32 {
    OUTPUT_TAIL_BYTES_DEFAULT
}
