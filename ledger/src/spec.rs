//! What a job is asked to be: the specification, every field present, defaults already filled in.
//!
//! Its encoding is the canonical form of a client's request: what the idempotency hash covers and what is stored (R10).
//! Knows nothing of JSON or of how a client leaves fields out.

pub mod check;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::units::{Bytes, MilliCpu, Millis};

/// A job as its submitter wants it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSpec {
    /// For people; need not be unique.
    pub name: String,
    /// The queue that it waits in.
    pub queue: String,
    /// 0 to 100; higher goes first.
    pub priority: u8,
    /// Program, then its arguments.
    pub command: Vec<String>,
    /// Variables beside those that every job gets.
    pub env: BTreeMap<String, String>,
    /// An existing directory on the node, or a fresh one that is removed afterwards.
    pub working_dir: Option<String>,
    /// Given to the job on standard input.
    pub stdin: Vec<u8>,
    /// What it needs of a node.
    pub demand: Demand,
    /// What it may use at the most while it runs.
    pub limits: Limits,
    /// The user that it runs as, by name or `uid:gid`; none: the node's own.
    pub run_as: Option<String>,
    /// What follows a failure.
    pub retry: RetryPolicy,
    /// How long it may take.
    pub timeouts: Timeouts,
    /// Not to be queued before this ledger time.
    pub not_before: Option<Millis>,
    /// How a running attempt is ended.
    pub kill: Kill,
    /// Bytes of each output stream that are kept in the ledger.
    pub output_tail_max: Bytes,
    /// The submitter's own labels.
    pub labels: BTreeMap<String, String>,
}

/// What a job needs of a node: jobs with equal demands are interchangeable for placement.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Demand {
    /// Taken from the node while the attempt runs.
    pub resources: Resources,
    /// All must hold for the node's labels.
    pub constraints: Vec<Constraint>,
}

/// An amount of what nodes have; a node's capacity or a job's share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Resources {
    /// CPU time.
    pub cpu: MilliCpu,
    /// Memory.
    pub memory: Bytes,
    /// Places to run.
    pub slots: u32,
}

/// What the kernel keeps an attempt to; `None` leaves what the node has. Placement looks at the demand instead: what an
/// attempt may use at the most and what is kept free for it are two things. The first three count all its processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// CPU time per time.
    pub cpu: Option<MilliCpu>,
    /// Memory, without any swap; an attempt that needs more is killed.
    pub memory: Option<Bytes>,
    /// Processes and threads.
    pub processes: Option<u32>,
    /// Open files of each process.
    pub open_files: Option<u32>,
    /// Size of each file that it writes.
    pub file: Option<Bytes>,
    /// Size of a core dump; none is written without it.
    pub core: Option<Bytes>,
}

/// A condition on a node's label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Constraint {
    /// The label's key.
    pub label: String,
    /// The condition.
    pub test: LabelTest,
}

/// What is asked of one label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum LabelTest {
    /// `=`: present with this value.
    Is(String),
    /// `!=`: absent, or with another value.
    IsNot(String),
    /// `in`: present with one of these values.
    In(Vec<String>),
    /// `exists`: present.
    Exists,
}

/// What follows a failed attempt. Attempts lost with their node are run again whatever this says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// Attempts in all that may fail; 1 means no retry.
    pub attempts_max: u32,
    /// The pause before the next one.
    pub backoff: Backoff,
    /// The pause varies by up to this share of it, either way.
    pub jitter_percent: u8,
    /// Only these exit codes are tried again; empty: every failure is.
    pub exit_codes: Vec<u8>,
}

/// The pause between attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Backoff {
    /// Always this long.
    Fixed(Millis),
    /// Doubles from `base` with each failure, up to `max`.
    Exponential {
        /// The first pause.
        base: Millis,
        /// The longest one.
        max: Millis,
    },
}

/// How long things may take, in ledger time; counted on across failovers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeouts {
    /// In the queue, each time it is queued.
    pub queue: Option<Millis>,
    /// One attempt, from its assignment.
    pub attempt: Option<Millis>,
    /// The whole job, from its submission.
    pub job: Option<Millis>,
}

/// How an attempt is ended before its time: the signal, then after the grace by force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kill {
    /// The first signal's number.
    pub signal: u8,
    /// From the signal to force.
    pub grace: Millis,
}

impl Demand {
    /// Whether a node with these labels satisfies every constraint; the first that fails otherwise.
    pub fn unmet<'d>(&'d self, labels: &BTreeMap<String, String>) -> Option<&'d Constraint> {
        self.constraints.iter().find(|constraint| !constraint.holds(labels))
    }
}

impl Constraint {
    fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.label);
        match &self.test {
            LabelTest::Is(wanted) => value == Some(wanted),
            LabelTest::IsNot(unwanted) => value != Some(unwanted),
            LabelTest::In(wanted) => value.is_some_and(|value| wanted.contains(value)),
            LabelTest::Exists => value.is_some(),
        }
    }
}

impl Resources {
    /// Whether `share` can be taken from this.
    pub const fn holds(&self, share: &Self) -> bool {
        share.cpu.0 <= self.cpu.0 && share.memory.0 <= self.memory.0 && share.slots <= self.slots
    }

    /// What is left after `share` is taken; taking more than there is is a bug (I7).
    #[must_use]
    pub fn without(&self, share: &Self) -> Self {
        assert!(self.holds(share), "I7: a node is never over-allocated");
        Self {
            cpu: MilliCpu(self.cpu.0 - share.cpu.0),
            memory: Bytes(self.memory.0 - share.memory.0),
            slots: self.slots - share.slots,
        }
    }

    /// What is there after `share` is given back.
    #[must_use]
    pub const fn with(&self, share: &Self) -> Self {
        Self {
            cpu: MilliCpu(self.cpu.0 + share.cpu.0),
            memory: Bytes(self.memory.0 + share.memory.0),
            slots: self.slots + share.slots,
        }
    }
}
