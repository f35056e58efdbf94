//! The output of attempts on the node that runs them: written as it comes, kept within bounds, read by whoever follows.
//!
//! ```text
//! pipe -> Recorder -> writer thread -> segments in the data directory -> OutputStore::read -> this or another node
//! ```
//!
//! A segment is a file with records of one attempt; an attempt that prints nothing has none. No write is synced: what the
//! kernel had when the node process died is kept, what a power cut took is missing and said to be. Refuses to know jobs
//! beyond their ids, and what the ledger makes of an attempt. Upholds:
//! - a record that was read once never changes, so that (fence, sequence) resumes exactly;
//! - files are written by one thread of their own, so that a slow disk holds up jobs that print and nothing else;
//! - a failed write ends its attempt and never the node (R22);
//! - what is kept is bounded for each job, for the node and by age, and goes oldest first.

mod index;
mod page;
mod record;
mod recorder;
mod remote;
mod segment;
mod store;
mod writer;

pub use index::{Bounds, SEGMENT_BYTES_MAX, SEGMENTS_MAX, Whose};
pub use page::{PAGE_BYTES_MAX, Page, Piece, Query, RECORD_COST, Rest};
pub use record::{Blob, RECORD_BYTES_MAX, Record, Stream};
pub use recorder::Recorder;
pub use remote::{ReadError, ask, serve};
pub use store::OutputStore;

#[cfg(test)]
mod tests;
