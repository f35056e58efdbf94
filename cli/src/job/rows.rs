//! Jobs as rows of a table.

use quorla_client::JobSummary;

use crate::output::{Document, Table, ago, json, span};

/// Many jobs, in the order given.
pub(super) fn summaries(jobs: &[JobSummary], now_ms: u64) -> Document {
    let mut table = Table::new(["ID", "NAME", "STATE", "QUEUE", "PRI", "NODE", "TRIES", "EXIT", "SUBMITTED", "TOOK"]);
    for job in jobs {
        table.row([
            job.id.short(),
            job.name.clone(),
            job.state.to_string(),
            job.queue.clone(),
            job.priority.to_string(),
            job.node.clone().unwrap_or_else(dash),
            job.attempts.to_string(),
            job.exit_code.map_or_else(dash, |code| code.to_string()),
            ago(job.submitted_ms, now_ms),
            took(job.started_ms, job.ended_ms),
        ]);
    }
    let ids = jobs.iter().map(|job| job.id.to_string()).collect();
    Document { json: json(&jobs), table, ids }
}

/// From the start of the latest attempt to the end.
pub(super) fn took(started_ms: Option<u64>, ended_ms: Option<u64>) -> String {
    match (started_ms, ended_ms) {
        (Some(started), Some(ended)) => span(ended.saturating_sub(started)),
        _ => dash(),
    }
}

pub(super) fn dash() -> String {
    "-".to_owned()
}
