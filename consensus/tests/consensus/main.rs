//! The group as a whole: storage conformance, clusters over a faulty network, restarts, snapshots, crashes.
#![allow(clippy::unwrap_used, unreachable_pub)]

mod cluster;
mod commands;
mod happy_path;
mod storage_suite;
mod transport_suite;
