//! What a group does on its own: status, the voters' clocks, snapshots by bytes of log. Who votes and which hashes are
//! compared is decided above.

use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::consensus::Consensus;
use crate::fatal::Fatal;
use crate::log_store::LogStore;
use crate::route::Router;
use crate::settings::Tuning;
use crate::status::Status;

mod picture;

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
    led_term: Option<u64>,
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
            led_term: None,
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
        if let Some(task) = self.snapshot.take() {
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
}
