//! Where the actor in each role is at the moment: references change when a supervisor starts an actor again.

use std::sync::{Arc, Mutex, PoisonError};

use ractor::ActorRef;

use crate::scheduler::SchedulerMessage;

/// See the module. Clones share the seats.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seats {
    scheduler: Arc<Mutex<Option<ActorRef<SchedulerMessage>>>>,
}

impl Seats {
    /// The Scheduler of this node, while there is one.
    pub(crate) fn scheduler(&self) -> Option<ActorRef<SchedulerMessage>> {
        self.scheduler.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Seats another one.
    pub(crate) fn seat_scheduler(&self, scheduler: Option<ActorRef<SchedulerMessage>>) {
        *self.scheduler.lock().unwrap_or_else(PoisonError::into_inner) = scheduler;
    }
}
