//! What a group does on its own: status, snapshots by bytes of log, hash assertions, and the replacement of storages
//! whose node came back with an empty one.

use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use quorla_ledger::codec::encode_command;
use quorla_ledger::command::Command;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::consensus::Consensus;
use crate::fatal::Fatal;
use crate::log_store::LogStore;
use crate::proposer::Lane;
use crate::route::Router;
use crate::settings::Tuning;
use crate::status::Status;

mod picture;
mod replacement;

/// How often it looks, besides every change of leadership or membership.
const INTERVAL: Duration = Duration::from_millis(250);

/// The task's own state. It holds the group's handle until `shutdown` ends it.
pub(crate) struct Keeper {
    consensus: Consensus,
    log: LogStore,
    tuning: Tuning,
    status: watch::Sender<Status>,
    router: Router,
    snapshot_bytes: u64,
    snapshot: Option<JoinHandle<()>>,
    asserted_index: u64,
    led_term: Option<u64>,
    chore: Option<JoinHandle<()>>,
}

impl Keeper {
    pub(crate) fn new(consensus: &Consensus, log: LogStore, tuning: Tuning, status: watch::Sender<Status>) -> Self {
        Self {
            consensus: consensus.clone(),
            log,
            tuning,
            status,
            router: consensus.router().clone(),
            snapshot_bytes: 0,
            snapshot: None,
            asserted_index: 0,
            led_term: None,
            chore: None,
        }
    }

    pub(crate) async fn run(mut self, mut closing: watch::Receiver<bool>) {
        let mut interval = tokio::time::interval(INTERVAL);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                _ = closing.wait_for(|closing| *closing) => break,
                is_alive = self.router.changed() => {
                    if !is_alive {
                        break;
                    }
                }
                _ = interval.tick() => {}
            }
            self.look();
        }
        self.look();
        for task in [self.snapshot.take(), self.chore.take()].into_iter().flatten() {
            task.abort();
        }
    }

    fn look(&mut self) {
        let metrics = self.consensus.raft().metrics().borrow_watched().clone();
        if let Err(error) = &metrics.running_state
            && !matches!(error, openraft::errors::Fatal::Stopped)
        {
            self.consensus.storage().fatal_signal().report(Fatal::Raft { reason: error.to_string() });
        }
        let status = picture::take(&self.consensus, &metrics);
        self.keep_time(&status);
        self.keep_snapshots();
        if status.is_leader() {
            self.assert_hash(&status);
            self.replace_returned(&status);
        }
        self.status.send_if_modified(|current| {
            let differs = *current != status;
            *current = status;
            differs
        });
    }

    /// A new leader begins with the median of the voters' clocks as it is.
    fn keep_time(&mut self, status: &Status) {
        let voters = status.voters.iter().map(|peer| peer.raft_id).collect();
        if !status.is_leader() {
            self.led_term = None;
            self.consensus.time().set_voters(voters);
        } else if self.led_term == Some(status.term) {
            self.consensus.time().set_voters(voters);
        } else {
            self.led_term = Some(status.term);
            self.consensus.time().begin(voters);
        }
    }

    /// Our own counter of log bytes decides, openraft's policy is `Never` (R6).
    fn keep_snapshots(&mut self) {
        let appended_bytes = self.log.appended_bytes();
        let is_building = self.snapshot.as_ref().is_some_and(|task| !task.is_finished());
        if is_building || appended_bytes.saturating_sub(self.snapshot_bytes) < self.tuning.snapshot_log_bytes {
            return;
        }
        self.snapshot_bytes = appended_bytes;
        let consensus = self.consensus.clone();
        self.snapshot = Some(tokio::spawn(async move {
            if let Err(error) = consensus.snapshot().await {
                tracing::warn!(%error, "a snapshot failed, the log is kept");
            }
        }));
    }

    /// Every replica compares its chain with the leader's (R14).
    fn assert_hash(&mut self, status: &Status) {
        let (index, hash) = self.consensus.inspect(|ledger| ledger.meta().kept_link);
        if self.asserted_index == 0 {
            self.asserted_index = index;
        }
        if index == 0 || status.applied_index < self.asserted_index + self.tuning.assert_hash_entries {
            return;
        }
        self.asserted_index = status.applied_index;
        self.spawn_chore(move |consensus| async move {
            let command = encode_command(&Command::AssertHash { index, hash });
            // One assertion more or less does not matter; the next one follows.
            if let Err(error) = consensus.propose(Lane::Owner, command).await {
                tracing::debug!(%error, index, "the hash is not asserted");
            }
        });
    }

    /// A node that lost its storage comes back under a new Raft id, which takes the place of the old one (R1).
    fn replace_returned(&mut self, status: &Status) {
        if status.is_joint {
            return;
        }
        let Some(step) = replacement::next(status, |raft_id| self.consensus.is_caught_up(raft_id)) else { return };
        self.spawn_chore(move |consensus| async move {
            let done = match step {
                replacement::Step::Replace { old, new } => consensus.replace(old, new).await,
                replacement::Step::Forget { raft_id } => consensus.remove(raft_id).await,
            };
            match done {
                Ok(()) => tracing::info!(?step, "a returned storage took its place"),
                Err(error) => tracing::warn!(?step, %error, "a returned storage waits for its place"),
            }
        });
    }

    /// One chore at a time.
    fn spawn_chore<F>(&mut self, chore: impl FnOnce(Consensus) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        if self.chore.as_ref().is_none_or(JoinHandle::is_finished) {
            self.chore = Some(tokio::spawn(chore(self.consensus.clone())));
        }
    }
}
