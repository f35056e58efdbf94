//! Every bound of the client plane, by name. What exceeds one is refused with that name.
//!
//! The server checks the same bounds again and has the last word; a client refuses early so that a request that can
//! never be accepted costs no network. Nothing else in this crate may hold a magic number that bounds a request.

/// Bytes of one frame's body, requests and replies alike. A longer one closes the connection.
pub const FRAME_BYTES_MAX: u32 = 4 * 1024 * 1024;
/// Bytes in front of a frame's body: length (u32) and correlation id (u64), both little-endian.
pub const FRAME_HEADER_BYTES: usize = 12;

/// Bytes of a job's standard input, sent inline.
pub const STDIN_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of a job's name.
pub const NAME_BYTES_MAX: usize = 128;
/// Bytes of a queue's name.
pub const QUEUE_BYTES_MAX: usize = 128;
/// Words of a command, the program included.
pub const COMMAND_WORDS_MAX: usize = 1024;
/// Bytes of a command, all words together, with one more for each.
pub const COMMAND_BYTES_MAX: usize = 256 * 1024;
/// Variables in a job's environment.
pub const ENV_COUNT_MAX: usize = 256;
/// Bytes of a job's environment, names and values together, with two more for each variable.
pub const ENV_BYTES_MAX: usize = 256 * 1024;
/// Bytes of a working directory's path.
pub const WORKING_DIRECTORY_BYTES_MAX: usize = 4096;
/// Labels that a user may put on a job.
pub const LABELS_MAX: usize = 32;
/// Bytes of one label's name.
pub const LABEL_NAME_BYTES_MAX: usize = 256;
/// Bytes of one label's value.
pub const LABEL_VALUE_BYTES_MAX: usize = 256;
/// Label constraints of one job.
pub const CONSTRAINTS_MAX: usize = 16;
/// Values of one `in` constraint.
pub const CONSTRAINT_VALUES_MAX: usize = 64;
/// Bytes of all labels and values in one job's constraints.
pub const CONSTRAINT_BYTES_MAX: usize = 4096;
/// Slots that one job may occupy; the least is 1.
pub const SLOTS_MAX: u32 = 160;
/// The highest priority; the lowest is 0.
pub const PRIORITY_MAX: u8 = 100;
/// Attempts of one job.
pub const ATTEMPTS_MAX: u32 = 100;
/// Exit codes that one retry policy may name.
pub const RETRYABLE_EXIT_CODES_MAX: usize = 64;
/// Jitter of a backoff, in percent of the delay.
pub const JITTER_PERCENT_MAX: u8 = 100;
/// The longest timeout, backoff or grace, and how far ahead a job may be submitted.
pub const SPAN_MS_MAX: u64 = 366 * 24 * 60 * 60 * 1000;
/// Bytes kept of each output stream when a job does not say.
pub const OUTPUT_TAIL_BYTES_DEFAULT: u32 = 8 * 1024;
/// Bytes that may be kept of each output stream.
pub const OUTPUT_TAIL_BYTES_MAX: u32 = 64 * 1024;
/// Thousandths of a CPU that a job may be limited to.
pub const CPU_LIMIT_MILLI_MAX: u64 = 1_000_000;
/// The least of them.
pub const CPU_LIMIT_MILLI_MIN: u64 = 10;
/// The least memory that a job may be limited to, in bytes.
pub const MEMORY_LIMIT_BYTES_MIN: u64 = 1024 * 1024;
/// Bytes that a job may be limited to: of memory, of each file, of a core dump.
pub const LIMIT_BYTES_MAX: u64 = 1 << 50;
/// Processes and threads that a job may be limited to.
pub const PROCESSES_LIMIT_MAX: u64 = 4_194_304;
/// Open files that each process of a job may be limited to.
pub const OPEN_FILES_LIMIT_MAX: u64 = 1_048_576;
/// The least of them.
pub const OPEN_FILES_LIMIT_MIN: u64 = 4;
/// Bytes of the user that a job runs as.
pub const USER_BYTES_MAX: usize = 64;
/// Bytes of an idempotency key.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 256;
/// Bytes of a reason given with a cancellation.
pub const REASON_BYTES_MAX: usize = 256;

/// Tasks of one array; their indices are below this.
pub const ARRAY_TASKS_MAX: u32 = 1_000_000;
/// Bytes of one item of an array.
pub const ITEM_BYTES_MAX: usize = 4096;
/// Bytes of all items of one array.
pub const ITEMS_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Items that one `PutItems` holds a multiple of, the last one apart.
pub const ITEMS_PER_BLOCK: usize = 256;
/// Items in one `PutItems`.
pub const PUT_ITEMS_MAX: usize = 8192;
/// Bytes of the items in one `PutItems`.
pub const PUT_ITEMS_BYTES_MAX: usize = 1024 * 1024;

/// Jobs in one `SubmitMany`.
pub const SUBMIT_MANY_JOBS_MAX: usize = 256;
/// Bytes of jobs that a client packs into one `SubmitMany` before it begins another.
pub const SUBMIT_MANY_BYTES_TARGET: usize = 256 * 1024;
/// `SubmitMany` requests that one `submit_many` keeps in flight.
pub const SUBMIT_MANY_IN_FLIGHT_MAX: usize = 8;
/// Rows of one page of a list.
pub const LIST_ROWS_MAX: u32 = 1000;
/// Rows of one page of a list when the query does not say.
pub const LIST_ROWS_DEFAULT: u32 = 100;
/// Records that one page of a list looks at, matching or not: where that ends it, the page is short and says where the next
/// one begins.
pub const LIST_RECORDS_MAX: usize = 20_000;
/// Labels that a list may ask for at once.
pub const LIST_LABELS_MAX: usize = 8;
/// Queues of one page of their list.
pub const QUEUES_LISTED_MAX: usize = 256;
/// How long back a leader counts what goes through a queue.
pub const QUEUE_FLOW_MS: u64 = 60_000;
/// Candidates that an ambiguous prefix is answered with.
pub const PREFIX_CANDIDATES_MAX: u32 = 10;
/// Events of one page of a job's history.
pub const HISTORY_EVENTS_MAX: u32 = 1000;
/// The longest that one `Wait` stays open at the server; clients ask again.
pub const WAIT_MS_MAX: u64 = 30_000;

/// The longest that one page of output is waited for; shorter than a wait, so that a stopped server is noticed sooner.
pub const FOLLOW_MS_MAX: u64 = 10_000;

/// Requests that one connection may have in flight, waits apart.
pub const REQUESTS_IN_FLIGHT_MAX: usize = 4096;
/// Waits that one connection may have in flight; apart, so that waiting never stops submitting.
pub const WAITS_IN_FLIGHT_MAX: usize = 16_384;
/// Bytes of requests that one connection may have in flight.
pub const REQUEST_BYTES_IN_FLIGHT_MAX: usize = 32 * 1024 * 1024;
/// Addresses that a client keeps.
pub const ADDRESSES_MAX: usize = 64;

/// How long the cluster remembers a request id (R10).
pub const DEDUP_WINDOW_MS: u64 = 24 * 60 * 60 * 1000;
/// How long a client goes on repeating one request, well inside the window.
pub const RETRY_MS_MAX: u64 = DEDUP_WINDOW_MS / 2;
