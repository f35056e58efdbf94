//! The actors beside a ledger in memory: whole nodes in one process, with scripted attempts and a network that can be cut.
//!
//! No time is asserted; each test waits for what the ledger or the scripted attempts show.
#![allow(clippy::unwrap_used)]

mod leases;
mod life;
mod replicated;
mod scripted;
mod supervision;
mod world;
