//! Quorla: actors.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod process;
