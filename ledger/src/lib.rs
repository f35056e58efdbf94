//! The deterministic heart of Quorla: commands in, state and events out.
//!
//! No I/O, clock, randomness, async or threads; time and random bits arrive inside commands. Equal entries give equal
//! state, records, replies and hashes on every replica and in every run (I13).
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod apply;
pub mod array;
pub mod batch;
pub mod codec;
pub mod command;
pub mod defect;
pub mod disk;
pub mod event;
pub mod explain;
mod hot;
pub mod ids;
pub mod ledger;
pub mod limits;
pub mod memory;
pub mod outcome;
mod place;
pub mod plan;
pub mod queues;
pub mod record;
pub mod reply;
pub mod spec;
pub mod tables;
pub mod units;

pub use batch::{Batch, BatchBuilder, BatchError};
pub use command::Command;
pub use defect::Defect;
pub use event::Event;
pub use ledger::{Applied, Changes, CorruptRecord, Entry, Ledger, NodeView, Records, Signals, Tables};
pub use reply::{Refusal, Rejection, Reply};
