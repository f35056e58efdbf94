//! The Agent: this node's attempts. Runs on every node.
//!
//! Supervised by Root; supervises one Executor per attempt. A crash loses the holdings: its executors end with it, which
//! kills their attempts, and a start registers a new epoch, which ends what the ledger still had on this node (R15).
//! Decides nothing itself: `holdings` does.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt,
    sync::Arc,
};

use quorla_ledger::{
    codec::encode_command,
    command::{COMMAND_VERSION, Command, RegisterNode},
    disk::DiskLevel,
    ids::{BootId, Fence, NodeKey},
    ledger::Ledger,
    outcome::{AttemptEnd, Tails},
    reply::{Refusal, Reply},
    spec::Resources,
};
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};
use ractor_cluster::RactorMessage;
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc, watch},
    task::JoinSet,
};

use crate::{
    bell::Bell,
    guard::Guard,
    holdings::{Holdings, Output},
    kind::{Killer, Kind},
    lease::LeaseTerms,
    messages::{Start, ToAgent, ToLeader},
    metrics,
    replica::{Replica, Unanswered, inspect},
    seats::Seats,
    tasks::reap,
};

use executor::{Executor, ExecutorArguments, ExecutorMessage};

mod executor;
mod keeper;

/// What an Agent says of its node and goes by.
#[derive(Clone)]
pub struct AgentSettings {
    /// The key that names the node.
    pub key: NodeKey,
    /// Its name for people; no two nodes share one.
    pub name: String,
    /// What it has to give.
    pub capacity: Resources,
    /// What constraints look at.
    pub labels: BTreeMap<String, String>,
    /// The spans of a lease.
    pub lease: LeaseTerms,
    /// How full the node's disk is, as it was measured last.
    pub disk: watch::Receiver<DiskLevel>,
    /// Draws 128 random bits, once for each start of an Agent.
    pub draw_boot_id: Arc<dyn Fn() -> BootId + Send + Sync>,
}

/// What an Agent is told.
#[derive(Debug, RactorMessage)]
pub(crate) enum AgentMessage {
    /// Something may have changed.
    Look,
    /// A link to a leader is there.
    LinkOpened { link: u64, outbox: mpsc::Sender<ToLeader> },
    /// It ended.
    LinkLost { link: u64 },
    /// The leader said something; the permit makes room for the next.
    Heard { message: ToAgent, permit: OwnedSemaphorePermit },
    /// A registration was answered.
    Registered { boot: BootId, answer: Result<Reply, Unanswered> },
    /// An attempt is gone.
    Exited { fence: Fence, end: AttemptEnd, tails: Tails },
    /// Ends everything in order; answered when nothing is left.
    Drain(RpcReplyPort<()>),
    /// The ledger knows that this node's epoch is over by its own wish.
    Left,
}

/// The actor.
pub(crate) struct Agent;

/// What it starts with.
#[derive(Clone)]
pub(crate) struct AgentArguments {
    pub(crate) settings: AgentSettings,
    pub(crate) replica: Arc<dyn Replica>,
    pub(crate) kind: Arc<dyn Kind>,
    pub(crate) seats: Seats,
}

/// Its state.
pub(crate) struct AgentState {
    arguments: AgentArguments,
    bell: Bell,
    tasks: JoinSet<()>,
    holdings: Holdings,
    link: Option<(u64, mpsc::Sender<ToLeader>)>,
    executors: BTreeMap<Fence, Executing>,
    draining: Option<Draining>,
    guard: Guard,
}

struct Executing {
    actor: ActorRef<ExecutorMessage>,
    /// For an Executor that crashed.
    killer: Arc<dyn Killer>,
}

struct Draining {
    reply: RpcReplyPort<()>,
    leaving: bool,
}

impl Actor for Agent {
    type Msg = AgentMessage;
    type State = AgentState;
    type Arguments = AgentArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<AgentMessage>,
        arguments: AgentArguments,
    ) -> Result<AgentState, ActorProcessingErr> {
        let (bell, mut tasks) = (Bell::default(), JoinSet::new());
        let boot = (arguments.settings.draw_boot_id)();
        let (holdings, outputs) = Holdings::begin(arguments.settings.lease, boot, arguments.replica.boot_time());
        let (agent, replica) = (myself.clone(), Arc::clone(&arguments.replica));
        tasks.spawn(bell.clone().watch(Arc::clone(&replica), move || agent.cast(AgentMessage::Look).is_ok()));
        tasks.spawn(keeper::keep(myself.clone(), replica, arguments.seats.clone(), arguments.settings.key));
        let (link, executors, draining, guard) = (None, BTreeMap::new(), None, Guard::default());
        let mut state = AgentState { arguments, bell, tasks, holdings, link, executors, draining, guard };
        state.perform(&myself, outputs);
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<AgentMessage>,
        message: AgentMessage,
        state: &mut AgentState,
    ) -> Result<(), ActorProcessingErr> {
        reap(&mut state.tasks)?;
        let now = state.arguments.replica.boot_time();
        let outputs = match message {
            AgentMessage::Look => {
                state.bell.answer();
                state.guard();
                state.holdings.tick(now)
            }
            AgentMessage::LinkOpened { link, outbox } => {
                state.link = Some((link, outbox));
                state.holdings.link_opened(now)
            }
            AgentMessage::LinkLost { link } => {
                state.link.take_if(|(open, _)| *open == link);
                Vec::new()
            }
            AgentMessage::Heard { message, permit } => {
                let outputs = state.heard(&myself, message).await?;
                drop(permit);
                outputs
            }
            AgentMessage::Registered { boot, answer } => state.registered(boot, answer),
            AgentMessage::Exited { fence, end, tails } => {
                state.executors.remove(&fence);
                state.holdings.exited(fence, end, tails, now)
            }
            AgentMessage::Drain(reply) => {
                state.draining = Some(Draining { reply, leaving: false });
                state.retire();
                state.holdings.drain()
            }
            AgentMessage::Left => {
                state.left(&myself);
                return Ok(());
            }
        };
        state.perform(&myself, outputs);
        state.leave_when_empty(&myself);
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<AgentMessage>,
        event: SupervisionEvent,
        state: &mut AgentState,
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ActorFailed(cell, error) = event {
            let failed = state.executors.iter().find(|(_, executing)| executing.actor.get_id() == cell.get_id());
            if let Some((&fence, executing)) = failed {
                tracing::error!(fence = fence.0, %error, "an executor failed, its attempt is killed");
                state.tasks.spawn(executor::end_orphan(fence, Arc::clone(&executing.killer), myself));
            }
        }
        Ok(())
    }
}

impl AgentState {
    async fn heard(
        &mut self,
        myself: &ActorRef<AgentMessage>,
        message: ToAgent,
    ) -> Result<Vec<Output>, ActorProcessingErr> {
        let now = self.arguments.replica.boot_time();
        Ok(match message {
            ToAgent::Acknowledged { epoch, sequence } => {
                self.holdings.acknowledged(epoch, sequence, now).into_iter().collect()
            }
            ToAgent::EpochIsOver { epoch } => self.holdings.epoch_is_over(epoch, now),
            ToAgent::Start(start) => match self.holdings.start(start.order, now) {
                Some(Output::Spawn(_)) => return self.execute(myself, &start).await.map(|()| Vec::new()),
                output => output.into_iter().collect(),
            },
            ToAgent::Stop(stop) => self.holdings.stop(&stop, now).into_iter().collect(),
            ToAgent::Desired(desired) => self.holdings.desired(&desired, now),
            ToAgent::Recorded { fence, as_of } => {
                self.holdings.recorded(fence, as_of);
                Vec::new()
            }
            ToAgent::NotLeader => Vec::new(),
        })
    }

    /// Starts the attempt and gives it to an Executor.
    async fn execute(&mut self, myself: &ActorRef<AgentMessage>, start: &Start) -> Result<(), ActorProcessingErr> {
        let fence = start.order.fence;
        let attempt = self.arguments.kind.start(start, &self.arguments.settings.name);
        let killer: Arc<dyn Killer> = Arc::from(attempt.killer());
        let arguments = ExecutorArguments {
            order: start.order,
            node: self.arguments.settings.name.clone(),
            attempt,
            killer: Arc::clone(&killer),
            agent: myself.clone(),
        };
        let (actor, _) = Executor::spawn_linked(None, Executor, arguments, myself.get_cell()).await?;
        match self.executors.entry(fence) {
            Entry::Vacant(place) => drop(place.insert(Executing { actor, killer })),
            Entry::Occupied(_) => unreachable!("holdings spawn a fence once"),
        }
        ::metrics::counter!(metrics::ATTEMPTS_STARTED).increment(1);
        Ok(())
    }

    fn registered(&mut self, boot: BootId, answer: Result<Reply, Unanswered>) -> Vec<Output> {
        match answer {
            Ok(Reply::NodeRegistered { node, epoch }) => {
                tracing::info!(node = node.0, epoch = epoch.0, "the node has an epoch");
                self.holdings.registered(boot, node, epoch, self.arguments.replica.boot_time())
            }
            Ok(Reply::Refused(Refusal::EpochIsStale)) => {
                let now = self.arguments.replica.boot_time();
                self.holdings.registration_is_stale(boot, self.latest_boot().unwrap_or(boot), now)
            }
            Ok(Reply::Refused(Refusal::NodeNameIsTaken)) => {
                tracing::error!(name = %self.arguments.settings.name, "another node has this node's name");
                Vec::new()
            }
            Ok(reply) => {
                tracing::error!(?reply, "the node was not registered");
                Vec::new()
            }
            Err(_) => Vec::new(),
        }
    }

    /// The newest boot id of this node that its own replica knows.
    fn latest_boot(&self) -> Option<BootId> {
        let key = self.arguments.settings.key;
        inspect(&*self.arguments.replica, |ledger| ledger.node_by_key(&key).map(|node| node.record().boot))
    }

    fn perform(&mut self, myself: &ActorRef<AgentMessage>, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Register { boot } => self.register(myself, boot),
                Output::SendRenewal(renewal) => self.send(ToLeader::Renew(renewal)),
                Output::LeaseUntil(until) => self.arguments.kind.lease_until(until),
                Output::Spawn(_) => unreachable!("a start is executed where it is heard"),
                Output::Kill { fence, how } => {
                    if let Some(executing) = self.executors.get(&fence) {
                        let _ = executing.actor.cast(ExecutorMessage::Kill(how));
                    }
                }
                Output::Report(report) => self.send(ToLeader::Report(report)),
                Output::Fetch { epoch, fences } => self.send(ToLeader::Fetch { epoch, fences }),
            }
        }
        let running = u32::try_from(self.executors.len()).unwrap_or(u32::MAX);
        ::metrics::gauge!(metrics::ATTEMPTS_RUNNING).set(f64::from(running));
    }

    /// Asks for an epoch, unless attempts of an Agent before this one are still being killed: it is asked for again.
    fn register(&mut self, myself: &ActorRef<AgentMessage>, boot: BootId) {
        if self.arguments.kind.running() > 0 {
            return;
        }
        let AgentSettings { key, name, capacity, labels, .. } = self.arguments.settings.clone();
        let registration = RegisterNode { key, name, capacity, labels, boot, command_version: COMMAND_VERSION };
        let command = encode_command(&Command::RegisterNode(registration));
        let (agent, replica) = (myself.clone(), Arc::clone(&self.arguments.replica));
        self.tasks.spawn(async move {
            let answer = replica.propose(command).await;
            let _ = agent.cast(AgentMessage::Registered { boot, answer });
        });
    }

    /// Messages are hints: what finds no room is said again.
    fn send(&self, message: ToLeader) {
        if let Some((_, outbox)) = &self.link
            && outbox.try_send(message).is_err()
        {
            tracing::debug!("the link to the leader is full or gone");
        }
    }

    /// Tells the ledger how full the disk is, where it does not know. A hint; the next look puts right what was lost.
    fn guard(&mut self) {
        let (replica, key) = (Arc::clone(&self.arguments.replica), self.arguments.settings.key);
        let (level, now) = (*self.arguments.settings.disk.borrow(), replica.boot_time());
        let recorded = |ledger: &Ledger| ledger.node_by_key(&key).map(|node| (node.record().epoch, node.record().disk));
        let command = self.guard.look(self.holdings.tenure(), level, now, || inspect(&*replica, recorded));
        let Some(command) = command else { return };
        tracing::warn!(?level, "how full this node's disk is has changed");
        self.tasks.spawn(async move {
            if replica.propose(encode_command(&command)).await.is_err() {
                tracing::debug!(?level, "how full the disk is got no answer");
            }
        });
    }

    /// Has this epoch taken out of placing: what it was given while it ends would be lost. A hint; the lapse follows.
    fn retire(&mut self) {
        let Some((node, epoch)) = self.holdings.tenure() else { return };
        let replica = Arc::clone(&self.arguments.replica);
        self.tasks.spawn(async move {
            if replica.propose(encode_command(&Command::RetireNode { node, epoch })).await.is_err() {
                tracing::debug!(node = node.0, "the node is not known to stop");
            }
        });
    }

    /// Once nothing is left to report, ends the epoch, so that nothing is assigned to a node that is about to go.
    fn leave_when_empty(&mut self, myself: &ActorRef<AgentMessage>) {
        let Some(draining) = self.draining.as_mut().filter(|draining| !draining.leaving) else { return };
        if !self.holdings.is_empty() {
            return;
        }
        draining.leaving = true;
        let (agent, replica) = (myself.clone(), Arc::clone(&self.arguments.replica));
        let tenure = self.holdings.tenure();
        self.tasks.spawn(async move {
            if let Some((node, epoch)) = tenure {
                let _ = replica.propose(encode_command(&Command::LapseNode { node, epoch })).await;
            }
            let _ = agent.cast(AgentMessage::Left);
        });
    }

    fn left(&mut self, myself: &ActorRef<AgentMessage>) {
        if let Some(draining) = self.draining.take() {
            let _ = draining.reply.send(());
        }
        myself.stop(Some("drained".to_owned()));
    }
}

impl fmt::Debug for AgentSettings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, name, capacity, labels, lease, disk, draw_boot_id: _ } = self;
        let mut fields = out.debug_struct("AgentSettings");
        fields.field("key", key).field("name", name).field("capacity", capacity);
        fields.field("labels", labels).field("lease", lease).field("disk", disk).finish_non_exhaustive()
    }
}
