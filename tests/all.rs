//! The one integration test binary of the workspace: one link instead of many, and one place to look.
//!
//! Each module is a kind of test, and the nextest configuration selects by these names:
//! `tidy` reads the tree, `sim` is the deterministic simulation, `cluster` starts real processes,
//! `contract` holds the crates that do not know each other to the same words.
#![allow(clippy::unwrap_used, reason = "all of this is test code: a panic is a red test with its line")]

mod cluster;
mod contract;
mod sim;
mod tidy;
