//! The group as a whole: storage conformance, clusters over a faulty network, restarts, snapshots, crashes.
#![allow(clippy::unwrap_used, unreachable_pub)]

mod cluster;
mod commands;
mod crashes;
mod directory;
mod failover;
mod fatal;
mod faults;
mod groups;
mod happy_path;
mod losses;
mod membership;
mod overload;
mod release;
mod snapshots;
mod storage_suite;
mod time;
mod transport_suite;
