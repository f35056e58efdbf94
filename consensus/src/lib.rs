//! Raft around the ledger: log and state on disk, members that agree, one order of commands.
//!
//! A node opens its `DataDirectory`, makes it the founder's or has it admitted, opens `Storage`, starts `Consensus`,
//! feeds it the streams that other members open, and stops when `fatal` says so.
//! Refuses to know what a command means, how bytes travel (the transport is passed in) and what time it is.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod clock;
pub mod codec;
mod consensus;
pub mod directory;
mod error;
pub mod failpoints;
mod fatal;
mod forwarded;
mod keeper;
mod keys;
mod ledger_time;
mod log_store;
mod membership;
pub mod metrics;
mod network;
mod proposer;
mod rounds;
mod route;
mod sealed;
mod settings;
mod state_store;
mod status;
mod storage;
pub mod stores;
pub mod transport;
mod types;

pub use clock::Clock;
pub use consensus::{Consensus, ReadLevel};
pub use directory::{DataDirectory, FOUNDING_RAFT_ID, Identity};
pub use error::{MembershipError, NotLeader, ProposeError, ReadError, StartError};
pub use fatal::Fatal;
pub use keys::GroupId;
pub use ledger_time::ClockSkew;
pub use membership::{Admission, request_admission};
pub use proposer::Lane;
pub use settings::{Settings, Tuning};
pub use state_store::{ContentHash, StateError, View, ViewError};
pub use status::{MemberProgress, Role, Status};
pub use storage::Storage;
pub use transport::{Channel, Duplex, FrameSink, FrameSource, Peer, Transport, TransportError};
