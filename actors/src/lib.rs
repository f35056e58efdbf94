//! The living parts of Quorla: who runs attempts, who watches leases, who plans. Shells around pure steps.
//!
//! The pure steps ([`lease`], [`holdings`], [`dispatch`], [`planning`]) do no I/O and read no clock; the simulation and
//! the shells drive the very same code.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod agent;
mod bell;
mod budget;
pub mod digest;
pub mod dispatch;
pub mod guard;
pub mod holdings;
pub mod kind;
pub mod lease;
mod link;
pub mod membership;
pub mod messages;
pub mod metrics;
pub mod output;
pub mod pages;
pub mod planning;
pub mod process;
pub mod replica;
pub mod root;
mod scheduler;
mod seats;
pub mod sessions;
mod tasks;
