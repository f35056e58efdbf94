//! A leader without room gives its leadership to a voter that has some (R22).

use std::time::Duration;

use quorla_consensus::{Consensus, Status};
use quorla_ledger::{Ledger, disk::DiskLevel, ids::NodeKey};

/// Between two looks: by then a transfer has been answered, and a follower that was behind may be no more.
const PAUSE: Duration = Duration::from_secs(1);
/// After a try: a successor that has died since it was last heard of costs an election, and must not cost one after another.
const BACKOFF: Duration = Duration::from_secs(30);
/// A successor that is further behind would keep everybody waiting.
const LAG_MAX: u64 = 1_024;

/// Looks whether this node leads without room, until it is dropped.
pub async fn give_up_leadership(consensus: Consensus) {
    let mut pause = tokio::time::interval(PAUSE);
    pause.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        pause.tick().await;
        let status = consensus.status().borrow().clone();
        let successor = consensus.inspect(|ledger| successor(ledger, &status));
        let Some(successor) = successor else { continue };
        tracing::warn!(successor, "this leader's disk is nearly full: another one leads");
        if let Err(error) = consensus.transfer_leader(successor).await {
            tracing::warn!(%error, "leadership was not handed over");
        }
        tokio::time::sleep(BACKOFF).await;
    }
}

/// The voter with the most room, and of those the one with the most of the log; only a leader without room has one.
fn successor(ledger: &Ledger, status: &Status) -> Option<u64> {
    let key = |raft_id: u64| {
        let peer = status.voters.iter().find(|peer| peer.raft_id == raft_id)?;
        Some(NodeKey(peer.node_key))
    };
    let level = |raft_id: u64| Some(ledger.disk_of(&key(raft_id)?));
    // What a node said of its disk outlasts it.
    let is_up =
        |raft_id: u64| key(raft_id).and_then(|key| ledger.node_by_key(&key)).is_some_and(|node| node.record().up);
    if !status.is_leader() || level(status.raft_id)? != DiskLevel::Critical {
        return None;
    }
    let others = status.progress.iter().filter(|it| it.raft_id != status.raft_id && it.lag <= LAG_MAX);
    let others = others.filter(|it| is_up(it.raft_id));
    let with_room =
        others.filter_map(|it| Some((level(it.raft_id)?, it))).filter(|(level, _)| *level < DiskLevel::Critical);
    with_room.min_by_key(|(level, it)| (*level, std::cmp::Reverse(it.matched_index))).map(|(_, it)| it.raft_id)
}
