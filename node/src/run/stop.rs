//! How a node stops: alone, when the others take over what it has, or with its whole cluster.

use std::time::Duration;

use quorla_consensus::Consensus;

/// How long leadership may take to move when this node stops.
const TRANSFER_MAX: Duration = Duration::from_secs(2);

/// Whether others stay when a node stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopWay {
    /// The others take over what it has: it waits until they did.
    Alone,
    /// All stop at the same time, so that soon nobody can take over or record anything. Its attempts have a moment to
    /// end, and run again when the cluster starts again.
    WithCluster,
}

/// Hands leadership to the voter with the most of the log, and waits until it is there.
pub(super) async fn hand_over(consensus: &Consensus) {
    let mut status = consensus.status();
    let successor = {
        let now = status.borrow();
        let voters = now.progress.iter().filter(|it| now.voters.iter().any(|peer| peer.raft_id == it.raft_id));
        let best = voters.max_by_key(|it| it.matched_index).map(|it| it.raft_id);
        best.filter(|_| now.is_leader())
    };
    let Some(successor) = successor else { return };
    if let Err(error) = consensus.transfer_leader(successor).await {
        tracing::debug!(%error, "leadership was not handed over");
        return;
    }
    let moved = status.wait_for(|status| !status.is_leader());
    if tokio::time::timeout(TRANSFER_MAX, moved).await.is_err() {
        tracing::warn!("leadership did not move in time, the others elect");
    }
}
