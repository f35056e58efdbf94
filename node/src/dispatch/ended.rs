//! Who waits for which job, and who wakes them: one reader of the event table for all.
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
use quorla_ledger::{Event, event::EventPage};
use tokio::sync::watch;

use super::reading::Reading;

/// Events that are read without making room for other work: what one entry brings.
const EVENTS_INLINE_MAX: u64 = 1_024;

/// Waiters by job.
#[derive(Default)]
pub(super) struct Ended {
    waiting: Mutex<HashMap<u128, Arc<watch::Sender<()>>>>,
}

/// A place among those who wait for one job; dropping it gives the place up.
pub(super) struct Listener<'e> {
    ended: &'e Ended,
    job: u128,
    bell: watch::Receiver<()>,
}

impl Ended {
    /// A bell that rings when the job may have ended; to be had *before* the first look at the job.
    pub(super) fn listen(&self, job: JobId) -> Listener<'_> {
        let job = job.as_u128();
        let bell = self.lock().entry(job).or_insert_with(|| Arc::new(watch::Sender::new(()))).subscribe();
        Listener { ended: self, job, bell }
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
            self.ring_for(&page);
            ControlFlow::Continue(())
        });
        if !matches!(read, Ok(true)) {
            self.ring_all();
        }
    }

    fn ring_for(&self, page: &EventPage) {
        let waiting = self.lock();
        let ended = page.events.iter().filter_map(|event| match event {
            Event::JobEnded(job) => waiting.get(&job.0),
            _ => None,
        });
        ended.for_each(|bell| {
            bell.send_replace(());
        });
    }

    fn ring_all(&self) {
        self.lock().values().for_each(|bell| {
            bell.send_replace(());
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u128, Arc<watch::Sender<()>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
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
        if waiting.get(&self.job).is_some_and(|bell| bell.receiver_count() <= 1) {
            waiting.remove(&self.job);
        }
    }
}
