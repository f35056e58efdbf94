//! What becomes of jobs, measured on the leader: one reader of the event table.
//!
//! A node that begins to lead begins with the next event; what happened while nobody led is not counted. Owns nothing but
//! its place in the table.

use std::{collections::BTreeMap, ops::ControlFlow};

use quorla_client::JobId;
use quorla_consensus::{Consensus, ReadLevel};
use quorla_ledger::{Event, ids};
use tokio::time::Instant;

use super::{
    flow::{Flows, Tally},
    reading::Reading,
};
use crate::metrics;

/// Events that are read without making room for other work.
const EVENTS_INLINE_MAX: u64 = 1_024;
/// Jobs whose queues are looked up while the ledger is held.
const QUEUES_LOOKED_UP_MAX: usize = 1_024;

/// Records submits, starts and ends of jobs as they are applied; returns when the consensus stops.
pub(super) async fn follow(consensus: &Consensus, flows: &Flows) {
    let mut applied = consensus.applied();
    let mut next = None;
    while applied.changed().await.is_ok() {
        if !consensus.status().borrow().is_leader() {
            if next.take().is_some() {
                flows.lead(None);
            }
            continue;
        }
        let Ok(view) = consensus.read(ReadLevel::Stale).await else { continue };
        let reading = Reading::new(view);
        let Ok(end) = reading.event_next() else { continue };
        let measure = |next| Measuring { consensus, reading: &reading, flows }.measure(next);
        match next {
            Some(next) if end > next + EVENTS_INLINE_MAX => tokio::task::block_in_place(|| measure(next)),
            Some(next) if end > next => measure(next),
            Some(_) => {}
            None => flows.lead(Some(Instant::now())),
        }
        next = Some(end);
    }
}

/// One look at the events since the last one.
struct Measuring<'m> {
    consensus: &'m Consensus,
    reading: &'m Reading,
    flows: &'m Flows,
}

/// What happened to which jobs, each task one of them.
#[derive(Default)]
struct Happened {
    submitted: Vec<(ids::JobId, u64)>,
    started: Vec<ids::JobId>,
    ended: Vec<ids::JobId>,
    /// Tasks that ended together with their array.
    closed: Vec<(ids::JobId, u32)>,
}

impl Measuring<'_> {
    /// What can't be read is not measured: whoever needs it will say so.
    fn measure(&self, next: u64) {
        let mut happened = Happened::default();
        let read = self.reading.events_from(next, |page| {
            let events = (page.first..).zip(&page.events).filter(|(sequence, _)| *sequence >= next);
            for (_, event) in events {
                match event {
                    // Each task is a job to whoever watches what the cluster does.
                    Event::JobSubmitted(job) => {
                        happened.submitted.push((*job, self.reading.tasks_of(*job).unwrap_or(1)));
                    }
                    Event::AttemptAssigned { job, .. } => happened.started.push(*job),
                    Event::JobEnded(job) => happened.ended.push(*job),
                    Event::TasksClosed { array, tasks, deadline } => {
                        metrics::tasks_closed(*tasks, deadline.is_some());
                        happened.closed.push((*array, *tasks));
                    }
                    _ => {}
                }
            }
            ControlFlow::Continue(())
        });
        if let Err(error) = read {
            tracing::debug!(%error, "what became of some jobs is not measured");
        }
        metrics::jobs_submitted(happened.submitted.iter().map(|(_, jobs)| jobs).sum());
        let mut tallies = self.tallies(&happened);
        for job in happened.ended {
            if let Ok(Some(record)) = self.reading.ended(job) {
                metrics::job_ended(&record);
                tallies.entry(record.queue).or_default().ended += 1;
            }
        }
        let now = Instant::now();
        tallies.iter().for_each(|(queue, tally)| self.flows.add(queue, *tally, now));
    }

    /// Submits, starts and tasks that ended with their array by queue: of live jobs as the hot state knows it, of those that ended already from their records.
    fn tallies(&self, happened: &Happened) -> BTreeMap<String, Tally> {
        let submitted =
            happened.submitted.iter().map(|(job, jobs)| (*job, Tally { submitted: *jobs, ..Tally::default() }));
        let started = happened.started.iter().map(|job| (*job, Tally { started: 1, ..Tally::default() }));
        let closed = happened.closed.iter();
        let closed = closed.map(|(array, tasks)| (*array, Tally { ended: u64::from(*tasks), ..Tally::default() }));
        let each: Vec<(ids::JobId, Tally)> = submitted.chain(started).chain(closed).collect();
        let mut tallies = BTreeMap::<String, Tally>::new();
        let mut ended = Vec::new();
        for some in each.chunks(QUEUES_LOOKED_UP_MAX) {
            self.consensus.inspect(|ledger| {
                for (job, tally) in some {
                    match ledger.queue_of(*job) {
                        Some(queue) => match tallies.get_mut(queue) {
                            Some(known) => *known += *tally,
                            None => drop(tallies.insert(queue.to_owned(), *tally)),
                        },
                        None => ended.push((*job, *tally)),
                    }
                }
            });
        }
        for (job, tally) in ended {
            if let Some(queue) = self.queue_of_ended(job) {
                *tallies.entry(queue).or_default() += tally;
            }
        }
        tallies
    }

    fn queue_of_ended(&self, id: ids::JobId) -> Option<String> {
        let job = JobId::from_u128(id.0);
        match id.is_array() {
            true => Some(self.reading.array(job).ok()??.record.queue),
            false => Some(self.reading.job(job).ok()??.queue),
        }
    }
}
