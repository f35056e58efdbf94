//! The replica and its group over the consensus handle: translation, and the moment from which a leader leads.
//!
//! A leader leads for the actors once a linearizable read of its own term was answered here: then its first entry is
//! applied in this process, and everything before it (R16).

use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};

use futures::{FutureExt, future::BoxFuture};
use quorla_consensus::{
    Channel, Clock, Consensus, Duplex, Lane, Peer, ProposeError, ReadLevel, Role, Status, Transport, TransportError,
    View,
};
use quorla_ledger::{
    codec::encode_command,
    command::Command,
    ids::{NodeKey, RaftId},
    ledger::Ledger,
    reply::Reply,
    tables::Table,
    units::Millis,
};
use tokio::{sync::watch, task::JoinSet};

use super::{Leader, Leadership, Replica, Unanswered};
use crate::{
    membership::{Change, Group, Members},
    planning::retention::History,
};

/// See the module. Needs a running tokio runtime; its watch of the leadership ends with it.
pub struct ConsensusReplica {
    consensus: Consensus,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    leadership: watch::Receiver<Leadership>,
    _watch: JoinSet<()>,
}

impl ConsensusReplica {
    /// The replica behind this handle.
    pub fn new(consensus: Consensus, transport: Arc<dyn Transport>, clock: Arc<dyn Clock>) -> Self {
        let (sender, leadership) = watch::channel(Leadership::default());
        let mut watch = JoinSet::new();
        watch.spawn(follow(consensus.clone(), sender));
        Self { consensus, transport, clock, leadership, _watch: watch }
    }
}

impl Replica for ConsensusReplica {
    fn leadership(&self) -> watch::Receiver<Leadership> {
        self.leadership.clone()
    }

    fn applied(&self) -> watch::Receiver<u64> {
        self.consensus.applied()
    }

    fn inspect(&self, look: &mut dyn FnMut(&Ledger)) {
        self.consensus.inspect(look);
    }

    fn view(&self, at_least: u64) -> BoxFuture<'_, Option<super::View>> {
        async move {
            let view = self.consensus.read(ReadLevel::AtLeast(at_least)).await;
            let view = view.inspect_err(|error| tracing::debug!(%error, "read the records behind the ledger"));
            view.ok().map(|view| Box::new(view) as super::View)
        }
        .boxed()
    }

    fn propose(&self, command: Vec<u8>) -> BoxFuture<'_, Result<Reply, Unanswered>> {
        async move { self.consensus.propose(Lane::Owner, command).await.map_err(|error| unanswered(&error)) }.boxed()
    }

    fn propose_in_term(&self, term: u64, command: Vec<u8>) -> BoxFuture<'_, Result<Reply, Unanswered>> {
        async move { self.consensus.propose_in_term(term, &command).await.map_err(|error| unanswered(&error)) }.boxed()
    }

    fn quorum_round(&self) -> BoxFuture<'_, bool> {
        async move { self.consensus.quorum_round().await.is_ok() }.boxed()
    }

    fn open_link(&self, leader: NodeKey) -> BoxFuture<'_, Result<Duplex, TransportError>> {
        let peer = self.consensus.status().borrow().leader.clone().filter(|peer| peer.node_key == leader.0);
        async move {
            let unknown = || TransportError::Unreachable { reason: "somebody else leads by now".to_owned() };
            let peer = peer.ok_or_else(unknown)?;
            self.transport.open(&peer, self.consensus.group().0, Channel::AGENT).await
        }
        .boxed()
    }

    fn ledger_time(&self) -> Millis {
        self.consensus.ledger_time()
    }

    fn boot_time(&self) -> Millis {
        Millis(self.clock.boot_ms())
    }
}

impl Group for ConsensusReplica {
    fn members(&self) -> Option<Members> {
        let status = self.consensus.status();
        let status = status.borrow();
        if status.role != Role::Leader || status.is_joint {
            return None;
        }
        let named = |peers: &[Peer]| -> BTreeMap<RaftId, NodeKey> {
            peers.iter().map(|peer| (RaftId(peer.raft_id), NodeKey(peer.node_key))).collect()
        };
        let (voters, learners) = (named(&status.voters), named(&status.learners));
        let caught_up = learners.keys().filter(|id| self.consensus.is_caught_up(id.0)).copied().collect();
        let (leaving, left) = self.consensus.inspect(|ledger| {
            let records = ledger.nodes().map(|node| node.record());
            let leaving = records.filter(|record| record.drain.as_ref().is_some_and(|drain| drain.leaves));
            let (leaving, left): (_, Vec<_>) =
                leaving.map(|record| (record.key, record.has_left().then_some((record.key, record.id)))).unzip();
            (leaving, left.into_iter().flatten().collect())
        });
        Some(Members { voters, learners, caught_up, leaving, left })
    }

    fn change(&self, change: Change) -> BoxFuture<'_, ()> {
        async move {
            let changed = match change {
                Change::Promote(ids) => self.consensus.promote(ids.into_iter().map(|id| id.0).collect()).await,
                Change::Replace { old, new } => self.consensus.replace(old.0, new.0).await,
                Change::Forget(id) => self.consensus.remove(id.0).await,
                Change::Dismiss(node) => {
                    let command = encode_command(&Command::RemoveNode { node });
                    if self.propose(command).await.is_err() {
                        tracing::info!(node = node.0, "a node that left is not forgotten yet");
                    }
                    return;
                }
            };
            if let Err(error) = changed {
                tracing::info!(%error, "the membership did not change, it is looked at again");
            }
        }
        .boxed()
    }
}

impl History for View {
    fn oldest(&self, table: Table, max: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut oldest = Vec::new();
        let scanned = self.scan(&table.prefix(), |key, value| {
            oldest.push((key.to_vec(), value.to_vec()));
            if oldest.len() < max { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        if let Err(error) = scanned {
            // Retention looks again; what is broken shows where it is needed.
            tracing::warn!(%error, "read the oldest records");
        }
        oldest
    }
}

/// Says who leads, and that this node does only once its own first entry is applied here.
async fn follow(consensus: Consensus, leadership: watch::Sender<Leadership>) {
    let mut status = consensus.status();
    loop {
        let (seen, leads) = as_seen(&status.borrow_and_update());
        let known = *leadership.borrow();
        let leads_already = known.term == seen.term && known.leader == Leader::Here;
        let now = if !leads {
            seen
        } else if leads_already || leads_in(&consensus, seen.term).await {
            Leadership { leader: Leader::Here, ..seen }
        } else {
            seen
        };
        leadership.send_if_modified(|known| std::mem::replace(known, now) != now);
        // A leader that does not lead yet looks again with the next status, a quarter of a second later at most.
        if status.changed().await.is_err() {
            return;
        }
    }
}

async fn leads_in(consensus: &Consensus, term: u64) -> bool {
    if consensus.read(ReadLevel::Linearizable).await.is_err() {
        return false;
    }
    let status = consensus.status();
    let status = status.borrow();
    status.is_leader() && status.term == term
}

/// What the status says, and whether this node is its leader.
fn as_seen(status: &Status) -> (Leadership, bool) {
    let leads = status.is_leader();
    let other = status.leader.as_ref().filter(|peer| !leads && peer.raft_id != status.raft_id);
    let leader = other.map_or(Leader::Nobody, |peer| Leader::There(NodeKey(peer.node_key)));
    (Leadership { term: status.term, leader }, leads)
}

fn unanswered(error: &ProposeError) -> Unanswered {
    tracing::debug!(%error, "a proposal got no answer");
    match error {
        ProposeError::Overloaded { retry_after_ms } => Unanswered { retry_after: Some(Millis(*retry_after_ms)) },
        _ => Unanswered { retry_after: None },
    }
}
