//! Doorbells: an actor is asked to look again, at most one such message waiting in its mailbox.
//!
//! Owns the coalescing; what there is to see is the actor's matter. A missed ring costs one pause, for the bell also rings
//! by time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{sync::watch, time::MissedTickBehavior};

use crate::replica::Replica;

/// Between two rings by time: by so much may a timer be late, and an idle node is woken no oftener.
const PAUSE: Duration = Duration::from_millis(250);

/// Says whether a ring waits to be answered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bell {
    rung: Arc<AtomicBool>,
}

impl Bell {
    /// The actor looks: the next change rings again.
    pub(crate) fn answer(&self) {
        self.rung.store(false, Ordering::Release);
    }

    /// Rings after each applied entry, change of leadership and pause, until `ring` says that nobody is there.
    pub(crate) async fn watch(self, replica: Arc<dyn Replica>, ring: impl Fn() -> bool) {
        let (mut applied, mut leadership) = (replica.applied(), replica.leadership());
        let mut pause = tokio::time::interval(PAUSE);
        pause.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                alive = changed(&mut applied) => if !alive { return },
                alive = changed(&mut leadership) => if !alive { return },
                _ = pause.tick() => {}
            }
            if !self.rung.swap(true, Ordering::AcqRel) && !ring() {
                return;
            }
        }
    }
}

async fn changed<T>(watched: &mut watch::Receiver<T>) -> bool {
    watched.changed().await.is_ok()
}
