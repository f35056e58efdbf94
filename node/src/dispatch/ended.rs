//! Who waits for which job, and who wakes them: one reader of the event table for all. Some wait for a job's end, some for
//! whatever changes where its output is.
//!
//! Events are doorbells: whoever is woken looks the job up again. Where events were missed, everybody is woken. While
//! nobody waits, nothing is read.

use std::{
    collections::HashMap,
    ops::ControlFlow,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use quorla_client::JobId;
use quorla_consensus::{Consensus, ReadLevel};
use quorla_ledger::{Event, event::EventPage, ids};
use tokio::sync::watch;

use super::reading::Reading;

/// Events that are read without making room for other work: what one entry brings.
const EVENTS_INLINE_MAX: u64 = 1_024;

/// Waiters by job.
#[derive(Default)]
pub(super) struct Ended {
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    for_ends: Bells,
    for_changes: Bells,
}

type Bells = HashMap<u128, Arc<watch::Sender<()>>>;

/// What rings a bell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Occasion {
    /// The job ended.
    End,
    /// An attempt began or ended, or the job did.
    Change,
}

/// A place among those who wait for one job; dropping it gives the place up.
pub(super) struct Listener<'e> {
    ended: &'e Ended,
    occasion: Occasion,
    job: u128,
    bell: watch::Receiver<()>,
}

impl Ended {
    /// A bell that rings when the job may have ended; to be had *before* the first look at the job.
    pub(super) fn listen(&self, job: JobId) -> Listener<'_> {
        self.listen_for(Occasion::End, job)
    }

    /// The same for whatever changes which attempts a job has and how they stand.
    pub(super) fn listen_to_changes(&self, job: JobId) -> Listener<'_> {
        self.listen_for(Occasion::Change, job)
    }

    fn listen_for(&self, occasion: Occasion, job: JobId) -> Listener<'_> {
        let job = job.as_u128();
        let bell = self.lock().bells(occasion).entry(job).or_default().subscribe();
        Listener { ended: self, occasion, job, bell }
    }

    /// Reads events as they are applied and rings the bells of jobs that ended; returns when the consensus stops.
    pub(super) async fn follow(&self, consensus: &Consensus) {
        let mut applied = consensus.applied();
        let mut next = None;
        while applied.changed().await.is_ok() {
            // A waiter that comes later looks at a view that is no older than what was applied here.
            if self.lock().is_empty() {
                next = None;
                continue;
            }
            let Ok(view) = consensus.read(ReadLevel::Stale).await else { continue };
            next = self.catch_up(&Reading::new(view), next);
        }
    }

    /// Rings for what ended from event `next` on, and gives the sequence to go on with; for everybody where that is not
    /// known.
    fn catch_up(&self, reading: &Reading, next: Option<u64>) -> Option<u64> {
        let Ok(end) = reading.event_next() else { return next };
        match next {
            None => self.ring_all(),
            Some(next) if end.saturating_sub(next) > EVENTS_INLINE_MAX => {
                tokio::task::block_in_place(|| self.ring_since(reading, next));
            }
            Some(next) if next < end => self.ring_since(reading, next),
            Some(_) => {}
        }
        Some(end)
    }

    fn ring_since(&self, reading: &Reading, next: u64) {
        let mut expected = next;
        let read = reading.events_from(next, |page| {
            if page.first > expected {
                self.ring_all();
            }
            expected = page.first + u64::try_from(page.events.len()).expect("a length fits 64 bits");
            if page.events.iter().any(|event| matches!(event, Event::TasksClosed { .. })) {
                // They ended all together, without an event each.
                self.ring_all();
            }
            self.ring_for(&page);
            ControlFlow::Continue(())
        });
        if !matches!(read, Ok(true)) {
            self.ring_all();
        }
    }

    fn ring_for(&self, page: &EventPage) {
        let waiting = self.lock();
        for event in &page.events {
            if let Event::JobEnded(job) = event {
                ring(waiting.for_ends.get(&job.0));
            }
            if !waiting.for_changes.is_empty() {
                ring(changed_job(event).and_then(|job| waiting.for_changes.get(&job.0)));
            }
        }
    }

    /// Wakes everybody.
    pub(super) fn ring_all(&self) {
        let waiting = self.lock();
        waiting.for_ends.values().chain(waiting.for_changes.values()).for_each(|bell| ring(Some(bell)));
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.for_ends.is_empty() && self.for_changes.is_empty()
    }

    const fn bells(&mut self, occasion: Occasion) -> &mut Bells {
        match occasion {
            Occasion::End => &mut self.for_ends,
            Occasion::Change => &mut self.for_changes,
        }
    }
}

fn ring(bell: Option<&Arc<watch::Sender<()>>>) {
    if let Some(bell) = bell {
        bell.send_replace(());
    }
}

/// The job whose attempts changed by an event, or that ended.
const fn changed_job(event: &Event) -> Option<ids::JobId> {
    match event {
        Event::JobEnded(job)
        | Event::AttemptAssigned { job, .. }
        | Event::AttemptEnded { job, .. }
        | Event::AttemptLost { job, .. } => Some(*job),
        _ => None,
    }
}

impl Listener<'_> {
    /// Returns once the bell rang since the last call, or since the listener was had.
    pub(super) async fn changed(&mut self) {
        self.bell.changed().await.expect("the bell stays while someone listens");
    }
}

impl Drop for Listener<'_> {
    fn drop(&mut self) {
        let mut waiting = self.ended.lock();
        let bells = waiting.bells(self.occasion);
        if bells.get(&self.job).is_some_and(|bell| bell.receiver_count() <= 1) {
            bells.remove(&self.job);
        }
    }
}
