//! What the consensus measures: the name and the help of each metric, and how it is recorded. No id is ever a label.
//!
//! Recorded once for each entry or write, never for each command.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};

/// Commands in one entry, so that batching can be seen.
pub const ENTRY_COMMANDS: &str = "quorla_raft_entry_commands";

const COMMIT: &str = "quorla_raft_commit_seconds";
const APPLY: &str = "quorla_raft_apply_seconds";
const LOG_WRITE: &str = "quorla_raft_log_write_seconds";
const SNAPSHOT_BUILD: &str = "quorla_raft_snapshot_build_seconds";
const SNAPSHOT_INSTALL: &str = "quorla_raft_snapshot_install_seconds";
const OVERLOADED: &str = "quorla_raft_proposals_refused_total";

/// Gives the recorder the help of each.
pub fn describe() {
    let seconds = |name: &'static str, help: &'static str| describe_histogram!(name, Unit::Seconds, help);
    describe_histogram!(ENTRY_COMMANDS, "Commands in one entry that this node proposed as leader.");
    seconds(COMMIT, "From an entry given to Raft by this leader until it was committed and applied here.");
    seconds(APPLY, "One entry applied to the ledger and written to the state.");
    seconds(LOG_WRITE, "One write to the log, its fdatasync included; several entries share it.");
    seconds(SNAPSHOT_BUILD, "A snapshot built here.");
    seconds(SNAPSHOT_INSTALL, "A snapshot of the leader installed here, without its way over the network.");
    describe_counter!(OVERLOADED, "Proposals refused here because the queue in front of Raft was full.");
    counter!(OVERLOADED).absolute(0);
}

pub(crate) fn entry_proposed(commands: usize) {
    histogram!(ENTRY_COMMANDS).record(f64::from(u32::try_from(commands).unwrap_or(u32::MAX)));
}

pub(crate) fn entry_committed(took: Duration) {
    histogram!(COMMIT).record(took);
}

pub(crate) fn entry_applied(took: Duration) {
    histogram!(APPLY).record(took);
}

pub(crate) fn log_written(took: Duration) {
    histogram!(LOG_WRITE).record(took);
}

pub(crate) fn snapshot_built(took: Duration) {
    histogram!(SNAPSHOT_BUILD).record(took);
}

pub(crate) fn snapshot_installed(took: Duration) {
    histogram!(SNAPSHOT_INSTALL).record(took);
}

pub(crate) fn proposal_refused() {
    counter!(OVERLOADED).increment(1);
}
