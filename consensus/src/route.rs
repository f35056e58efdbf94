//! Who leads, as this node knows it at the moment.

use openraft::ServerState;
use openraft::async_runtime::WatchReceiver;
use openraft::metrics::RaftServerMetrics;
use openraft::type_config::alias::WatchReceiverOf;

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
}

impl Router {
    pub(crate) fn new(raft: &Raft) -> Self {
        Self { raft_id: *raft.node_id(), metrics: raft.server_metrics() }
    }

    pub(crate) fn route(&self) -> Route {
        let metrics = self.metrics.borrow_watched();
        let Some(leader) = metrics.current_leader.filter(|_| metrics.vote.is_committed()) else {
            return Route::Nowhere;
        };
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

    /// Waits until leadership or membership may have changed; `false` when raft is gone.
    pub(crate) async fn changed(&mut self) -> bool {
        self.metrics.changed().await.is_ok()
    }
}
