//! How attempts end: what an agent reports, and what the ledger makes of it.

use serde::{Deserialize, Serialize};

use crate::units::{Bytes, Millis};

/// How an attempt ended and what it used, as the agent saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptEnd {
    /// How.
    pub exit: Exit,
    /// What it used.
    pub usage: Usage,
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// By itself, with this code.
    Code(u8),
    /// By a signal.
    Signal(u8),
    /// It never ran.
    NotStarted {
        /// Why, for programs.
        cause: StartFailure,
        /// Why, for people; at most 256 bytes.
        message: String,
    },
    /// The node gave it up without a verdict on the job (it is stopping, or its lease ran out): to be run again.
    GivenUp,
    /// Its output could not be written on the node, which ended it (R22).
    OutputFailed {
        /// Why, for people; at most 256 bytes.
        message: String,
    },
    /// It needed more memory than its limit, and the kernel killed it or a part of it without which it failed.
    OutOfMemory,
}

/// Why a process could not be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StartFailure {
    /// No such program.
    NotFound,
    /// There is one, and it may not be executed.
    NotExecutable,
    /// The named working directory is missing or closed to the node.
    WorkingDir,
    /// The machine refused: no process, memory or descriptor left.
    Machine,
    /// The node can't enforce a limit that the job demands.
    Limit,
    /// The node can't run it as the user that the job names.
    User,
}

/// What an attempt used of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// From start to end, by the node's clock.
    pub wall: Millis,
    /// CPU time in user mode.
    pub user: Millis,
    /// CPU time in the kernel.
    pub system: Millis,
    /// Largest resident set of one process; with a limit of memory, the most that all processes together had.
    pub rss_max: Bytes,
}

/// The last bytes of both output streams.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tails {
    /// Standard output.
    pub stdout: Tail,
    /// Standard error.
    pub stderr: Tail,
}

/// The last bytes of one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tail {
    /// What was kept.
    pub bytes: Vec<u8>,
    /// Bytes before it that were not kept.
    pub dropped: Bytes,
}

/// Why a running attempt is being stopped (R18).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum StopCause {
    /// Somebody cancelled the job.
    Cancel,
    /// The attempt's timeout passed.
    AttemptTimeout,
    /// The whole job's timeout passed.
    JobTimeout,
    /// Its node's deadline for draining passed: it runs again elsewhere, whatever this attempt comes to.
    Drain,
}

/// Which deadline passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Deadline {
    /// It waited too long in the queue.
    Queue,
    /// Its last allowed attempt took too long.
    Attempt,
    /// The whole job took too long.
    Job,
}

/// Why a job failed for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Failure {
    /// The last attempt failed like this, and no retry is left or allowed.
    Attempt(Exit),
    /// Its attempts were lost with their nodes too often ([`crate::limits::LOST_ATTEMPTS_MAX`]).
    LostTooOften,
    /// Tasks of the array failed.
    Tasks {
        /// How many.
        failed: u32,
    },
}
