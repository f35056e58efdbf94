//! What becomes of jobs, measured on the leader: one reader of the event table.
//!
//! A node that begins to lead begins with the next event; what happened while nobody led is not counted. Owns nothing but
//! its place in the table.

use std::ops::ControlFlow;

use quorla_consensus::{Consensus, ReadLevel};
use quorla_ledger::Event;

use super::reading::Reading;
use crate::metrics;

/// Events that are read without making room for other work.
const EVENTS_INLINE_MAX: u64 = 1_024;

/// Records submits and ends of jobs as they are applied; returns when the consensus stops.
pub(super) async fn follow(consensus: &Consensus) {
    let mut applied = consensus.applied();
    let mut next = None;
    while applied.changed().await.is_ok() {
        if !consensus.status().borrow().is_leader() {
            next = None;
            continue;
        }
        let Ok(view) = consensus.read(ReadLevel::Stale).await else { continue };
        let reading = Reading::new(view);
        let Ok(end) = reading.event_next() else { continue };
        match next {
            Some(next) if end > next + EVENTS_INLINE_MAX => tokio::task::block_in_place(|| measure(&reading, next)),
            Some(next) if end > next => measure(&reading, next),
            _ => {}
        }
        next = Some(end);
    }
}

/// What can't be read is not measured: whoever needs it will say so.
fn measure(reading: &Reading, next: u64) {
    let mut ended = Vec::new();
    let read = reading.events_from(next, |page| {
        let events = (page.first..).zip(&page.events).filter(|(sequence, _)| *sequence >= next);
        for (_, event) in events {
            match event {
                // Each task is a job to whoever watches what the cluster does.
                Event::JobSubmitted(job) => metrics::jobs_submitted(reading.tasks_of(*job).unwrap_or(1)),
                Event::JobEnded(job) => ended.push(*job),
                _ => {}
            }
        }
        ControlFlow::Continue(())
    });
    if let Err(error) = read {
        tracing::debug!(%error, "what became of some jobs is not measured");
    }
    for job in ended {
        if let Ok(Some(record)) = reading.ended(job) {
            metrics::job_ended(&record);
        }
    }
}
