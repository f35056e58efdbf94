//! Every bound of the ledger, by name. What exceeds one is refused with its name; nothing here grows for ever.

use serde::{Deserialize, Serialize};

use crate::units::Millis;

/// A bound that a client's request can exceed, as it is named to users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Limit {
    /// Bytes of a job's, queue's or node's name.
    NameBytes,
    /// Program and arguments together, in number.
    Arguments,
    /// Bytes of program and arguments together.
    ArgumentBytes,
    /// Variables in the environment that a job names.
    EnvVars,
    /// Bytes of all names and values in that environment.
    EnvBytes,
    /// Bytes of the working directory's path.
    PathBytes,
    /// Bytes of inline standard input.
    StdinBytes,
    /// Labels that a user attaches to a job, or a node carries.
    Labels,
    /// Bytes of one label's key or value.
    LabelBytes,
    /// Constraints on node labels.
    Constraints,
    /// Values in one `in` constraint.
    ConstraintValues,
    /// Bytes of all labels and values in the constraints.
    ConstraintBytes,
    /// Priority, 0 to this.
    Priority,
    /// Slots that one job may ask for.
    Slots,
    /// Attempts that a retry policy may allow.
    Attempts,
    /// Exit codes that a retry policy may list.
    RetryableExitCodes,
    /// Jitter in percent of the backoff.
    JitterPercent,
    /// Milliseconds of any timeout, backoff, delay or grace.
    SpanMs,
    /// Bytes of recorded output per stream.
    OutputTailBytes,
    /// Bytes of an idempotency key.
    IdempotencyKeyBytes,
    /// Kill signals are 1 to this.
    Signal,
    /// Bytes of the reason given with a cancellation.
    ReasonBytes,
    /// Tasks of one array, and how far its indices go: they are below this.
    Tasks,
    /// Bytes of one item of an array.
    ItemBytes,
    /// Bytes of all items of one array.
    ItemsBytes,
    /// Items in one command of an upload.
    ItemsAtOnce,
    /// Bytes of the items in one command of an upload.
    ItemsAtOnceBytes,
    /// Thousandths of a CPU that a job may be limited to.
    CpuLimitMilli,
    /// Bytes of memory that a job may be limited to.
    MemoryLimitBytes,
    /// Processes and threads that a job may be limited to.
    ProcessesLimit,
    /// Open files that each process of a job may be limited to.
    OpenFilesLimit,
    /// Bytes that each file of a job may be limited to.
    FileLimitBytes,
    /// Bytes that a core dump of a job may be limited to.
    CoreLimitBytes,
    /// Bytes of the name of the user that a job runs as.
    UserBytes,
}

impl Limit {
    /// The largest value that is accepted.
    pub const fn max(self) -> u64 {
        match self {
            Self::NameBytes => 128,
            Self::Arguments => 1_024,
            Self::ArgumentBytes | Self::EnvBytes => 256 * 1_024,
            Self::EnvVars => 256,
            Self::PathBytes | Self::ConstraintBytes => 4_096,
            Self::StdinBytes => 1_024 * 1_024,
            Self::Labels => 32,
            Self::LabelBytes | Self::ReasonBytes => 256,
            Self::Constraints => 16,
            Self::ConstraintValues => 64,
            Self::Priority => 100,
            Self::Slots => NODE_SLOTS_MAX,
            Self::Attempts => 100,
            Self::RetryableExitCodes => 64,
            Self::JitterPercent => 100,
            Self::SpanMs => 366 * 24 * 3_600 * 1_000,
            Self::OutputTailBytes => 64 * 1_024,
            Self::IdempotencyKeyBytes => 256,
            Self::Tasks => 1_000_000,
            Self::ItemBytes => 4_096,
            Self::ItemsBytes => 64 * 1_024 * 1_024,
            Self::ItemsAtOnce => 8_192,
            Self::ItemsAtOnceBytes => 1_024 * 1_024,
            Self::Signal | Self::UserBytes => 64,
            Self::CpuLimitMilli => 1_000_000,
            Self::MemoryLimitBytes | Self::FileLimitBytes | Self::CoreLimitBytes => 1 << 50,
            Self::ProcessesLimit => 4_194_304,
            Self::OpenFilesLimit => 1_048_576,
        }
    }
}

/// The least CPU that a job can be limited to, in thousandths: the kernel shares out no less than a millisecond at a time.
pub const CPU_LIMIT_MILLI_MIN: u64 = 10;
/// The least memory that a job can be limited to: with less, hardly a program starts.
pub const MEMORY_LIMIT_BYTES_MIN: u64 = 1 << 20;
/// The least open files of a process: its three streams, and one for what it loads.
pub const OPEN_FILES_LIMIT_MIN: u64 = 4;

/// Jobs that have not ended; a submit beyond it is refused.
pub const LIVE_JOBS_MAX: usize = 1_000_000;
/// Bytes of the specifications and tails of jobs that have not ended; a submit beyond it is refused.
pub const LIVE_BYTES_MAX: u64 = 8 * 1_024 * 1_024 * 1_024;
/// Arrays that have not ended; a further one is refused.
pub const ARRAYS_MAX: usize = 1_024;
/// Tasks of one array that wait for their next attempt: while there are as many, no further one starts. With the bound on
/// arrays it bounds what retries keep in memory.
pub const TASKS_PAUSING_MAX: u32 = 1_024;
/// Tasks whose marks share one record.
pub const TASKS_PER_PAGE: u32 = 4_096;
/// Items that share one record.
pub const ITEMS_PER_BLOCK: u32 = 256;
/// Running tasks that one command stops at the most.
pub const TASKS_STOPPED_MAX: usize = 250;
/// Bytes of recorded output that the tasks of one array keep together; of what comes after it only the size is recorded.
pub const ARRAY_OUTPUT_BYTES_MAX: u64 = 256 * 1_024 * 1_024;
/// Bytes of recorded output that the tasks of all arrays that have not ended keep together; of what comes after it only the
/// size is recorded. A quarter of [`LIVE_BYTES_MAX`], so that arrays that print leave room for submits.
pub const LIVE_ARRAY_OUTPUT_BYTES_MAX: u64 = 2 * 1_024 * 1_024 * 1_024;
/// Tasks of all arrays that have not ended; an array beyond it is refused. Their records, some sixty bytes once they ended,
/// take another quarter of [`LIVE_BYTES_MAX`].
pub const LIVE_TASKS_MAX: u64 = 32_000_000;
/// Uploads of items that have not become an array; a further one is refused.
pub const UPLOADS_MAX: usize = 64;
/// Of those, the uploads of one principal, so that a single client leaves room for others.
pub const UPLOADS_OF_ONE_MAX: usize = 16;
/// An upload to which nothing was added for so long is removed.
pub const UPLOAD_IDLE_MAX: Millis = Millis(15 * 60 * 1_000);
/// Records that one step of removing an array or an upload removes, and looks for, at the most.
pub const ARRAY_EXPIRY_RECORDS_MAX: usize = 900;
/// Different demands (resources and constraints) among the jobs that have not ended, those of each queue by themselves.
pub const DEMANDS_MAX: usize = 4_096;
/// Queues that are known: that have jobs that have not ended, or are paused.
pub const QUEUES_MAX: usize = 1_024;
/// Queues that are paused.
pub const QUEUES_PAUSED_MAX: usize = 256;
/// Look-ups that finding the oldest waiting jobs of queues takes at the most, for one who asks.
pub const OLDEST_LOOKS_MAX: usize = 16_384;
/// Nodes that were ever admitted to work and not removed.
pub const NODES_MAX: usize = 1_024;
/// Slots of one node, so that ending all its attempts is one bounded command (R8): each may be the last task of an array
/// that is being stopped, which touches six records.
pub const NODE_SLOTS_MAX: u64 = 160;
/// Labels that begin so are what a node says of itself; operators set others.
pub const RESERVED_LABEL_PREFIX: &str = "quorla.";
/// Storage incarnations that are remembered.
pub const STORAGES_MAX: u64 = 4_096;
/// Attempts that a job's record keeps; older ones are counted, not kept.
pub const ATTEMPTS_KEPT_MAX: usize = 16;
/// Attempts that may be lost with their nodes before the job fails: a job that kills its nodes must not roam for ever.
pub const LOST_ATTEMPTS_MAX: u32 = 16;
/// Overtakings of a job that could run somewhere before it reserves a node.
pub const OVERTAKINGS_MAX: u32 = 16;
/// Nodes that are kept free for such jobs at once, so that pausing a queue, which gives its ones back, is one bounded
/// command (R8).
pub const RESERVATIONS_MAX: usize = 512;
/// Queue heads that one look of the planner tries on every node.
pub const HEADS_PLANNED_MAX: usize = 256;
/// Queue heads that one refill or fast path looks at.
pub const HEADS_SCANNED_MAX: usize = 64;
/// Queued jobs before another that are counted for whoever asks why it waits.
pub const AHEAD_COUNTED_MAX: usize = 1_000;
/// Timers that one `FireTimers` fires at the most.
pub const TIMERS_FIRED_MAX: u32 = 150;
/// Ended jobs that one expiry command removes at the most; each has up to twenty records.
pub const EXPIRED_JOBS_MAX: usize = 48;
/// Requests or event pages that one expiry command removes at the most.
pub const EXPIRED_RECORDS_MAX: usize = 480;
/// Commands in one batch.
pub const BATCH_COMMANDS_MAX: usize = 256;
/// Bytes of one encoded command: the largest specification, with room for its envelope.
pub const COMMAND_BYTES_MAX: usize = 2 * 1_024 * 1_024;
/// Bytes of one batch's payload: natural batching stops at 128 KiB, a single large command may exceed that.
pub const BATCH_BYTES_MAX: usize = COMMAND_BYTES_MAX + 256 * 1_024;
/// Records that one command may put or remove, by construction of the other bounds (R8); asserted after each.
pub const RECORDS_TOUCHED_MAX: usize = 1_024;
/// Entries between two links of the hash chain that are kept for `AssertHash`.
pub const HASH_KEPT_EVERY: u64 = 512;
/// How long a request id is remembered (R10).
pub const DEDUP_WINDOW: Millis = Millis(24 * 3_600 * 1_000);
/// How many requests are remembered at the most.
pub const DEDUP_RECORDS_MAX: u64 = 2_000_000;
/// How far ahead of ledger time a request id may have been drawn.
pub const REQUEST_AHEAD_MAX: Millis = Millis(5_000);

/// Lease of a node over its attempts.
pub const LEASE_TTL: Millis = Millis(10_000);
/// Pause between renewals of that lease.
pub const LEASE_RENEWAL: Millis = Millis(3_000);
/// Clock skew that leases allow for.
pub const LEASE_SKEW: Millis = Millis(1_000);

/// Retention of ended jobs by age.
pub const ENDED_JOBS_AGE_MAX: Millis = Millis(7 * 24 * 3_600 * 1_000);
/// Retention of ended jobs by number.
pub const ENDED_JOBS_MAX: u64 = 1_000_000;
/// Retention of ended jobs by bytes of their records, specifications and tails.
pub const ENDED_BYTES_MAX: u64 = 4 * 1_024 * 1_024 * 1_024;
/// Retention of ended arrays by number.
pub const ENDED_ARRAYS_MAX: u64 = 100_000;
/// Retention of ended arrays by the number of their tasks.
pub const ENDED_TASKS_MAX: u64 = 4_000_000;
/// Retention of ended arrays by bytes of all that is stored of them.
pub const ENDED_ARRAY_BYTES_MAX: u64 = 4 * 1_024 * 1_024 * 1_024;
/// Retention of events by age.
pub const EVENTS_AGE_MAX: Millis = Millis(24 * 3_600 * 1_000);
/// Retention of events by bytes.
pub const EVENTS_BYTES_MAX: u64 = 256 * 1_024 * 1_024;
