//! Who leads, as this node knows it at the moment.
//!
//! openraft believes in a leader until the next vote. Where a majority is gone that never comes, so a leadership that has
//! fallen silent counts as none here: what is asked for then is refused, rather than appended and left unknown (R9).

use std::sync::Arc;

use openraft::ServerState;
use openraft::async_runtime::WatchReceiver;
use openraft::metrics::RaftServerMetrics;
use openraft::type_config::alias::WatchReceiverOf;

use crate::ledger_time::LedgerTime;
use crate::network::serve::Raft;
use crate::transport::Peer;
use crate::types::{LeaderId, TypeConfig};

/// Where a command goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// Here; the leadership that is expected when it is appended.
    Local(LeaderId),
    /// To this member, which must lead as expected.
    Remote(Peer, LeaderId),
    /// Nobody leads, or nobody we know.
    Nowhere,
}

/// Looks up the route; clones share the watch.
#[derive(Clone)]
pub(crate) struct Router {
    raft_id: u64,
    metrics: WatchReceiverOf<TypeConfig, RaftServerMetrics<TypeConfig>>,
    time: Arc<LedgerTime>,
    silence_ms_max: u64,
}

impl Router {
    pub(crate) fn new(raft: &Raft, time: Arc<LedgerTime>, silence_ms_max: u64) -> Self {
        Self { raft_id: *raft.node_id(), metrics: raft.server_metrics(), time, silence_ms_max }
    }

    pub(crate) fn route(&self) -> Route {
        let metrics = self.metrics.borrow_watched();
        let Some(leader) = metrics.current_leader.filter(|_| metrics.vote.is_committed()) else {
            return Route::Nowhere;
        };
        if !self.is_heard(leader, &metrics) {
            return Route::Nowhere;
        }
        let expected = *metrics.vote.leader_id();
        if leader == self.raft_id {
            let leads = metrics.state == ServerState::Leader;
            return if leads { Route::Local(expected) } else { Route::Nowhere };
        }
        match metrics.membership_config.get_node(&leader) {
            Some(member) => Route::Remote(
                Peer { raft_id: leader, node_key: member.node_key, address: member.address.clone() },
                expected,
            ),
            None => Route::Nowhere,
        }
    }

    /// The leader, when it is another node that we know.
    pub(crate) fn leader(&self) -> Option<Peer> {
        match self.route() {
            Route::Remote(peer, _) => Some(peer),
            Route::Local(_) | Route::Nowhere => None,
        }
    }

    /// Whether the leader was heard of lately; this node, when it leads, whether a majority was.
    fn is_heard(&self, leader: u64, metrics: &RaftServerMetrics<TypeConfig>) -> bool {
        let heard = |raft_id: u64| raft_id == self.raft_id || self.time.has_heard(raft_id, self.silence_ms_max);
        if leader != self.raft_id {
            return heard(leader);
        }
        let voters: Vec<u64> = metrics.membership_config.membership().voter_ids().collect();
        2 * voters.iter().filter(|voter| heard(**voter)).count() > voters.len()
    }

    /// Waits until the route leads elsewhere than to this member.
    pub(crate) async fn left(&mut self, raft_id: u64) {
        while self.leader().is_some_and(|leader| leader.raft_id == raft_id) && self.changed().await {}
    }

    /// Waits until leadership or membership may have changed; `false` when raft is gone. Silence changes nothing here.
    pub(crate) async fn changed(&mut self) -> bool {
        self.metrics.changed().await.is_ok()
    }
}
