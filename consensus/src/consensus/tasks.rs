//! The tasks of a running group: proposer, rounds, keeper. They end with the group; one that ends before ends the node.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Consensus;
use crate::fatal::Fatal;
use crate::keeper::Keeper;
use crate::proposer::{Lane, Pump};
use crate::rounds::RoundRunner;

impl Consensus {
    pub(super) fn spawn_tasks(&self, keeper: Keeper, recovered: watch::Sender<bool>) {
        let inner = &self.inner;
        let pump = Pump {
            proposer: Arc::clone(&inner.proposer),
            raft: self.raft().clone(),
            links: Arc::clone(self.links()),
            time: Arc::clone(&inner.time),
            router: inner.router.clone(),
            link: None,
            retired: Vec::new(),
            forwarded_lane: Lane::Client,
            next_look: Instant::now(),
        };
        let runner = RoundRunner {
            rounds: Arc::clone(&inner.rounds),
            raft: self.raft().clone(),
            links: Arc::clone(self.links()),
            router: inner.router.clone(),
            link: None,
        };
        let raft = self.raft().clone();
        let mut closing = inner.closing.subscribe();
        self.spawn_task("proposer", pump.run(inner.closing.subscribe()));
        self.spawn_task("round runner", runner.run(inner.closing.subscribe()));
        self.spawn_task("keeper", keeper.run(inner.closing.subscribe()));
        self.tasks().spawn(async move {
            tokio::select! {
                _ = closing.wait_for(|closing| *closing) => {}
                result = raft.wait_for_recovery(None) => {
                    if result.is_ok() {
                        recovered.send_replace(true);
                    }
                }
            }
        });
    }

    /// Runs a task that ends with the group only. Before, it ends by a panic, or because raft is gone: nothing goes on then.
    fn spawn_task(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let (closing, fatal) = (self.inner.closing.subscribe(), self.storage().fatal_signal().clone());
        self.tasks().spawn(async move {
            let ended = AssertUnwindSafe(task).catch_unwind().await;
            if ended.is_err() || !*closing.borrow() {
                fatal.report(Fatal::Task { name });
            }
        });
    }
}
