//! The living parts of Quorla: who runs attempts, who watches leases, who plans. Shells around pure steps.
//!
//! The pure steps ([`lease`], [`holdings`], [`dispatch`], [`planning`]) do no I/O and read no clock; the simulation and
//! the shells drive the very same code.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod digest;
pub mod dispatch;
pub mod holdings;
pub mod lease;
pub mod messages;
pub mod planning;
