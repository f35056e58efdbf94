//! What operators see: metrics and readiness, from the status of the consensus and the ledger.

use std::sync::Arc;

use quorla_consensus::{Consensus, Role, Status};
use quorla_ledger::{Ledger, ids::NodeKey};

use crate::{
    endpoint::Endpoint,
    gossip::{ChitchatGossip, Gossip as _},
    http::Gate,
    metrics::{self, RaftState},
};

/// The parts that are looked at.
pub(super) struct Report {
    pub(super) consensus: Consensus,
    pub(super) endpoint: Endpoint,
    pub(super) gossip: Arc<ChitchatGossip>,
    pub(super) gate: Gate,
    pub(super) key: NodeKey,
}

impl Report {
    /// Renews everything at each change of the status, until the consensus ends.
    pub(super) async fn run(self) {
        let mut status = self.consensus.status();
        loop {
            let current = status.borrow_and_update().clone();
            self.show(&current);
            if status.changed().await.is_err() {
                return;
            }
        }
    }

    fn show(&self, status: &Status) {
        metrics::set_raft_term(status.term);
        metrics::set_raft_state(state(status.role));
        metrics::set_applied_index(status.applied_index);
        let known = status.committed_index.unwrap_or(0);
        metrics::set_apply_lag_entries(known.saturating_sub(status.applied_index));
        metrics::set_connections_open(self.endpoint.open_connections());
        self.show_ledger();
        metrics::set_members_live(self.gossip.members().borrow().len());
        match not_ready(status) {
            Some(reason) => self.gate.close(reason),
            None => self.gate.open(),
        }
    }

    fn show_ledger(&self) {
        let look = |ledger: &Ledger| {
            let node = ledger.node_by_key(&self.key);
            let slots = node.map(|node| (node.record().capacity.slots, node.free().slots));
            (ledger.live_jobs(), slots.unwrap_or_default())
        };
        let (live, (slots, free)) = self.consensus.inspect(look);
        metrics::set_jobs_live(u64::try_from(live).unwrap_or(u64::MAX));
        metrics::set_slots(slots, slots - free);
    }
}

fn not_ready(status: &Status) -> Option<String> {
    if !status.recovered {
        return Some("replays the log".to_owned());
    }
    if status.leader.is_none() {
        return Some("knows no leader".to_owned());
    }
    None
}

const fn state(role: Role) -> RaftState {
    match role {
        Role::Learner => RaftState::Learner,
        Role::Follower => RaftState::Follower,
        Role::Candidate => RaftState::Candidate,
        Role::Leader => RaftState::Leader,
    }
}
