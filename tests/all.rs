//! The one integration test binary of the workspace: one link instead of many, and one place to look.
//!
//! Each module is a kind of test, and the nextest configuration selects by these names:
//! `tidy` reads the tree, `sim` is the deterministic simulation, `cluster` starts real processes.
#![allow(clippy::unwrap_used, reason = "all of this is test code: a panic is a red test with its line")]

mod cluster;
mod sim;
mod tidy;
