//! One leadership: the pure steps with their links, rounds and proposals. Dropped when it ends.
//!
//! Invariant: nothing of a leadership outlives it but idempotent commands that were already proposed, and a lapse is only
//! ever proposed in its own term (R16).

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use quorla_consensus::{failpoints, transport::Duplex};
use quorla_ledger::{
    codec::encode_command,
    command::Command,
    ids::{Epoch, NodeId, NodeKey},
    ledger::Ledger,
    units::Millis,
};
use ractor::{ActorProcessingErr, ActorRef};
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
};

use super::{LinkId, SchedulerMessage, SchedulerSettings, agent_link::AgentLink, orders};
use crate::{
    dispatch::{self, Assigned, Dispatch, Dispatched},
    lease::{LeaseOutput, LeaseTable, Round},
    link::OUTBOX_MAX,
    messages::{Listed, Renewal, ToAgent, ToLeader},
    metrics,
    planning::{Planner, Proposal, Task},
    replica::{Replica, inspect},
    tasks::reap,
};

/// Places in an outbox that orders leave to acknowledgements.
const OUTBOX_RESERVED: usize = 64;
/// Before a proposal without an answer is decided anew.
const UNANSWERED_PAUSE: Duration = Duration::from_millis(100);

/// What a leadership is made of.
pub(super) struct LeaderParts {
    pub(super) settings: SchedulerSettings,
    pub(super) replica: Arc<dyn Replica>,
    pub(super) scheduler: ActorRef<SchedulerMessage>,
}

/// See the module.
pub(super) struct Leading {
    parts: LeaderParts,
    term: u64,
    table: LeaseTable,
    dispatch: Dispatch,
    planner: Planner,
    links: BTreeMap<LinkId, Link>,
    link_of: BTreeMap<NodeId, LinkId>,
    link_last: u64,
    tasks: JoinSet<()>,
}

struct Link {
    from: NodeKey,
    outbox: mpsc::Sender<ToAgent>,
    greeted: Option<(NodeId, Epoch)>,
}

/// What a node should run, as the ledger has it now.
struct Place {
    key: NodeKey,
    epoch: Epoch,
    as_of: u64,
    attempts: Vec<Listed>,
}

impl Leading {
    pub(super) fn begin(parts: LeaderParts, term: u64) -> Self {
        let SchedulerSettings { lease, retention, defect } = parts.settings;
        let table = LeaseTable::new(lease, parts.replica.boot_time(), defect);
        let (dispatch, planner) = (Dispatch::new(defect), Planner::new(retention));
        let (links, link_of, tasks) = (BTreeMap::new(), BTreeMap::new(), JoinSet::new());
        Self { parts, term, table, dispatch, planner, links, link_of, link_last: 0, tasks }
    }

    pub(super) const fn term(&self) -> u64 {
        self.term
    }

    /// Everything that follows from the ledger as it is.
    pub(super) async fn look(&mut self) -> Result<(), ActorProcessingErr> {
        reap(&mut self.tasks)?;
        self.observe();
        let lapses = self.table.tick(self.parts.replica.boot_time());
        self.perform(lapses);
        let nodes: Vec<NodeId> = self.link_of.keys().copied().collect();
        self.settle(&nodes).await;
        self.plan().await;
        Ok(())
    }

    pub(super) fn accept(&mut self, from: NodeKey, duplex: Duplex, heard: &Arc<Semaphore>) {
        self.link_last += 1;
        let link = LinkId(self.link_last);
        let (outbox, outgoing) = mpsc::channel(OUTBOX_MAX);
        let (scheduler, replica) = (self.parts.scheduler.clone(), Arc::clone(&self.parts.replica));
        let task = AgentLink { link, scheduler, replica, heard: Arc::clone(heard), outbox: outbox.downgrade() };
        self.tasks.spawn(task.serve(duplex, outgoing));
        self.links.insert(link, Link { from, outbox, greeted: None });
        self.count_links();
    }

    pub(super) fn lost(&mut self, link: LinkId) {
        let Some(lost) = self.links.remove(&link) else { return };
        if let Some((node, _)) = lost.greeted
            && self.link_of.get(&node) == Some(&link)
        {
            self.link_of.remove(&node);
            self.dispatch.link_closed(node);
        }
        self.count_links();
    }

    pub(super) async fn heard(&mut self, link: LinkId, message: ToLeader) -> Result<(), ActorProcessingErr> {
        match message {
            ToLeader::Renew(renewal) => self.renew(link, &renewal).await,
            ToLeader::Fetch { epoch, fences } => {
                if let Some((node, _)) = self.links.get(&link).and_then(|link| link.greeted) {
                    self.dispatch.fetched(node, epoch, &fences);
                    self.settle(&[node]).await;
                }
            }
            ToLeader::Report(_) => {} // The link proposes these itself.
        }
        Ok(())
    }

    pub(super) fn round_ended(&mut self, round: Round, answered: bool) {
        if answered {
            let acknowledgements = self.table.round_completed(round);
            self.perform(acknowledgements);
        } else {
            self.table.round_failed(round);
        }
        self.begin_round();
    }

    pub(super) async fn settled(&mut self, task: Task) -> Result<(), ActorProcessingErr> {
        self.planner.settled(task);
        self.plan().await;
        Ok(())
    }

    async fn renew(&mut self, link: LinkId, renewal: &Renewal) {
        self.observe();
        let node = renewal.node;
        let place = inspect(&*self.parts.replica, |ledger| place(ledger, node));
        let Some(place) = place else { return };
        let Some(from) = self.links.get(&link).map(|link| link.from) else { return };
        if place.key != from {
            tracing::warn!(node = node.0, "a renewal came over another node's link");
            return;
        }
        self.greet(link, node, renewal.epoch);
        let desired = dispatch::digest_of(&place.attempts);
        let outputs = self.table.renewal(renewal, desired, self.parts.replica.boot_time());
        self.perform(outputs);
        self.settle(&[node]).await;
        self.begin_round();
    }

    /// The link is this agent's from now on; a former one is closed.
    fn greet(&mut self, link: LinkId, node: NodeId, epoch: Epoch) {
        let Some(entry) = self.links.get_mut(&link) else { return };
        if entry.greeted == Some((node, epoch)) {
            return;
        }
        entry.greeted = Some((node, epoch));
        if let Some(former) = self.link_of.insert(node, link).filter(|former| *former != link) {
            self.links.remove(&former);
        }
        self.dispatch.link_opened(node, epoch);
    }

    fn observe(&mut self) {
        let seen = |ledger: &Ledger| -> Vec<(NodeId, Epoch, bool)> {
            ledger.nodes().map(|node| (node.record().id, node.record().epoch, node.record().up)).collect()
        };
        let nodes = inspect(&*self.parts.replica, seen);
        self.table.observe(nodes, self.parts.replica.boot_time());
    }

    fn begin_round(&mut self) {
        let Some(round) = self.table.begin_round() else { return };
        let (term, scheduler) = (self.term, self.parts.scheduler.clone());
        let replica = Arc::clone(&self.parts.replica);
        self.tasks.spawn(async move {
            let answered = replica.quorum_round().await;
            if !answered {
                tokio::time::sleep(UNANSWERED_PAUSE).await;
            }
            let _ = scheduler.cast(SchedulerMessage::RoundEnded { term, round, answered });
        });
    }

    fn perform(&mut self, outputs: Vec<LeaseOutput>) {
        for output in outputs {
            match output {
                LeaseOutput::Acknowledge { node, epoch, sequence } => {
                    self.send(node, ToAgent::Acknowledged { epoch, sequence });
                }
                LeaseOutput::SendDesired { node } => self.dispatch.full_set_wanted(node),
                LeaseOutput::EpochIsOver { node, epoch } => self.send(node, ToAgent::EpochIsOver { epoch }),
                LeaseOutput::Lapse { node, epoch } => self.lapse(node, epoch),
            }
        }
    }

    fn lapse(&mut self, node: NodeId, epoch: Epoch) {
        tracing::warn!(node = node.0, epoch = epoch.0, "a node's lease ran out");
        ::metrics::counter!(metrics::LAPSES_DECIDED).increment(1);
        let (term, replica) = (self.term, Arc::clone(&self.parts.replica));
        self.tasks.spawn(async move {
            let command = encode_command(&Command::LapseNode { node, epoch });
            if replica.propose_in_term(term, command).await.is_err() {
                tracing::debug!(node = node.0, "a lapse got no answer");
            }
        });
    }

    /// Sends what these nodes should run and have not been sent.
    async fn settle(&mut self, nodes: &[NodeId]) {
        let mut due = Vec::new();
        let mut as_of = 0;
        for &node in nodes {
            let room = self.outbox(node).map_or(0, |outbox| outbox.capacity().saturating_sub(OUTBOX_RESERVED));
            let Some(place) = inspect(&*self.parts.replica, |ledger| place(ledger, node)) else { continue };
            let assigned = Assigned { epoch: place.epoch, as_of: place.as_of, attempts: &place.attempts };
            let messages = self.dispatch.settle(node, assigned, room);
            as_of = as_of.max(place.as_of);
            due.extend(messages.into_iter().map(|message| (node, message)));
        }
        self.send_orders(due, as_of).await;
    }

    async fn send_orders(&mut self, due: Vec<(NodeId, Dispatched)>, as_of: u64) {
        if due.is_empty() {
            return;
        }
        let replica = Arc::clone(&self.parts.replica);
        let Some(view) = replica.view(as_of).await else { return };
        for (node, dispatched) in due {
            // Between the commit of an assignment and the word of it: armed, the process ends or the message is lost.
            let is_start = matches!(dispatched, Dispatched::Start(_));
            if is_start && failpoints::check("dispatch.start", Path::new("")).is_err() {
                continue;
            }
            if let Some(message) = orders::message(dispatched, &*view) {
                self.send(node, message);
            }
        }
    }

    async fn plan(&mut self) {
        let replica = Arc::clone(&self.parts.replica);
        let now = replica.ledger_time();
        let mut proposals = inspect(&*replica, |ledger| self.planner.plan(ledger, now));
        // Each look holds the ledger for a bounded time; apply gets its turn in between.
        while self.planner.goes_on() {
            tokio::task::yield_now().await;
            proposals.extend(inspect(&*replica, |ledger| self.planner.plan(ledger, now)));
        }
        if self.planner.retention_is_due(now) {
            let meta = inspect(&*replica, |ledger| ledger.meta().clone());
            if let Some(view) = replica.view(meta.index).await {
                proposals.extend(self.planner.retain(&meta, &*view, now));
            }
        }
        proposals.into_iter().for_each(|proposal| self.propose(proposal));
    }

    fn propose(&mut self, proposal: Proposal) {
        let Proposal { task, command } = proposal;
        let (term, scheduler) = (self.term, self.parts.scheduler.clone());
        let replica = Arc::clone(&self.parts.replica);
        self.tasks.spawn(async move {
            if let Err(unanswered) = replica.propose(encode_command(&command)).await {
                ::metrics::counter!(metrics::PROPOSALS_UNANSWERED).increment(1);
                let pause = unanswered.retry_after.map(|Millis(pause)| Duration::from_millis(pause));
                tokio::time::sleep(pause.unwrap_or(UNANSWERED_PAUSE)).await;
            }
            let _ = scheduler.cast(SchedulerMessage::Settled { term, task });
        });
    }

    fn outbox(&self, node: NodeId) -> Option<&mpsc::Sender<ToAgent>> {
        self.links.get(self.link_of.get(&node)?).map(|link| &link.outbox)
    }

    /// Sends a message, or closes a link that is too slow for it: the next one begins with the full set.
    fn send(&mut self, node: NodeId, message: ToAgent) {
        let slow = self.outbox(node).is_some_and(|outbox| outbox.try_send(message).is_err());
        if slow && let Some(link) = self.link_of.get(&node).copied() {
            tracing::warn!(node = node.0, "an agent's link is too slow and is closed");
            self.lost(link);
        }
    }

    fn count_links(&self) {
        let links = u32::try_from(self.links.len()).unwrap_or(u32::MAX);
        ::metrics::gauge!(metrics::AGENT_LINKS).set(f64::from(links));
    }
}

fn place(ledger: &Ledger, node: NodeId) -> Option<Place> {
    let view = ledger.node(node)?;
    let record = view.record();
    let attempts = dispatch::listed(&view);
    Some(Place { key: record.key, epoch: record.epoch, as_of: ledger.meta().index, attempts })
}
