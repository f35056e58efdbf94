//! What a running node looks at again and again, until it stops: its disks and its connections.

use std::sync::Arc;

use quorla_actors::output::OutputStore;

use super::{Node, stoppable};
use crate::guard::{Guard, give_up_leadership};

impl Node {
    /// Watches the disks, gives leadership up where they have no room, and counts what connections go through.
    pub(super) fn watch(&self, guard: Guard, store: Arc<OutputStore>) {
        let guarding = guard.run(store, self.network.readiness.clone());
        self.tasks.spawn(stoppable(self.network.endpoint.clone().observe(), self.stopping.subscribe()));
        self.tasks.spawn(stoppable(guarding, self.stopping.subscribe()));
        self.tasks.spawn(stoppable(give_up_leadership(self.consensus.clone()), self.stopping.subscribe()));
    }
}
