//! Root: supervises everything that lives on a node, and gives up when starting again does not help.
//!
//! ```text
//! Root                     a crash ends the node; the ledger has everything
//! ├── Membership           loses nothing; a start looks at the group again
//! ├── Scheduler            leader only; loses the lease table and what was dispatched; a start waits a whole lease
//! ├── Agent                loses the holdings, whose attempts die with it; a start registers a new epoch
//! │   └── Executor         one per attempt; loses the attempt, which is given up and runs elsewhere
//! └── Sessions             loses the open connections; clients connect again
//!     └── Session          one per client connection; loses that one
//! ```
//!
//! Each child of Root has a budget of restarts. One that spends it ends Root, and with it the node: [`Actors::ended`]. Root
//! knows what its children are, and nothing of what they do.

use std::{sync::Arc, time::Duration};

use quorla_consensus::transport::Duplex;
use quorla_ledger::ids::NodeKey;
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, RpcReplyPort, SpawnErr, SupervisionEvent};
use ractor_cluster::RactorMessage;
use thiserror::Error;
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    agent::{Agent, AgentArguments, AgentMessage},
    budget::Spent,
    kind::Kind,
    membership::{Group, Membership, MembershipArguments},
    metrics,
    replica::Replica,
    scheduler::{Scheduler, SchedulerArguments, SchedulerMessage},
    seats::Seats,
    sessions::{Conversation, Reception, Sessions, SessionsAreExhausted, SessionsMessage},
};

pub use crate::{agent::AgentSettings, budget::RestartBudget, scheduler::SchedulerSettings};

/// What the actors of a node go by.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The node as a place to work.
    pub agent: AgentSettings,
    /// What it does while it leads.
    pub scheduler: SchedulerSettings,
    /// Voters that the cluster is meant to have; at least one.
    pub voters_expected: usize,
    /// How often a role may be started again.
    pub restarts: RestartBudget,
}

/// What the actors stand on.
#[derive(Clone)]
pub struct Ground {
    /// The replicated ledger.
    pub replica: Arc<dyn Replica>,
    /// Its members.
    pub group: Arc<dyn Group>,
    /// What runs attempts.
    pub kind: Arc<dyn Kind>,
}

/// The actors could not be started.
#[derive(Debug, Error)]
#[error("start the actors")]
pub struct StartError(#[from] SpawnErr);

/// The living part of a node. Dropping it does not stop it; [`Actors::stop`] does.
#[derive(Debug)]
pub struct Actors {
    root: ActorRef<RootMessage>,
    running: JoinHandle<()>,
    seats: Seats,
    reception: Reception,
    sessions: watch::Receiver<Option<ActorRef<SessionsMessage>>>,
}

/// The way in to the actors of a node, for its network; clones share it. Closed once the actors stop.
#[derive(Clone, Debug)]
pub struct Door {
    seats: Seats,
    reception: Reception,
    sessions: watch::Receiver<Option<ActorRef<SessionsMessage>>>,
}

/// What Root is told.
#[derive(RactorMessage)]
enum RootMessage {
    /// Nothing is started again from now on; answered with the Agent, where there is one.
    Ending(RpcReplyPort<Option<ActorRef<AgentMessage>>>),
}

struct Root;

struct RootArguments {
    settings: Settings,
    ground: Ground,
    seats: Seats,
    reception: Reception,
    sessions: watch::Sender<Option<ActorRef<SessionsMessage>>>,
}

struct RootState {
    arguments: RootArguments,
    children: [Child; ROLES.len()],
    agent: Option<ActorRef<AgentMessage>>,
    ending: bool,
}

#[derive(Default)]
struct Child {
    cell: Option<ActorCell>,
    spent: Spent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Membership,
    Scheduler,
    Agent,
    Sessions,
}

/// In the order of their start; the stop is in the reverse order.
const ROLES: [Role; 4] = [Role::Membership, Role::Scheduler, Role::Agent, Role::Sessions];

impl Actors {
    /// Starts everything.
    ///
    /// # Errors
    /// When an actor does not start.
    pub async fn start(settings: Settings, ground: Ground) -> Result<Self, StartError> {
        let (seats, reception) = (Seats::default(), Reception::new());
        let (sender, sessions) = watch::channel(None);
        let arguments =
            RootArguments { settings, ground, seats: seats.clone(), reception: reception.clone(), sessions: sender };
        let (root, running) = Root::spawn(None, Root, arguments).await?;
        Ok(Self { root, running, seats, reception, sessions })
    }

    /// Where links of agents and sessions of clients are handed in.
    pub fn door(&self) -> Door {
        Door { seats: self.seats.clone(), reception: self.reception.clone(), sessions: self.sessions.clone() }
    }

    /// Resolves when the actors have ended by themselves: the node must end.
    pub async fn ended(&mut self) {
        if !self.running.is_finished() {
            // A Root that panicked has ended too.
            let _ = (&mut self.running).await;
        }
    }

    /// Stops in order: takes no new sessions and finishes the open ones, gives up the attempts after their grace and
    /// reports them, leaves the ledger, ends everything. Each of the first two takes as long as `drain` at the most.
    pub async fn stop(mut self, drain: Duration) {
        let agent = ractor::call_t!(self.root, RootMessage::Ending, CALL_TIMEOUT_MS).ok().flatten();
        if tokio::time::timeout(drain, self.reception.end()).await.is_err() {
            tracing::warn!("sessions are cut off");
        }
        if let Some(agent) = agent {
            let drained = agent.call(AgentMessage::Drain, Some(drain)).await;
            if !matches!(drained, Ok(ractor::rpc::CallResult::Success(()))) {
                tracing::warn!("attempts are cut off, they run again elsewhere");
            }
        }
        self.root.stop(Some("the node stops".to_owned()));
        self.ended().await;
    }
}

impl Door {
    /// Serves a link that another node's agent opened on the agents' channel.
    pub fn accept(&self, from: NodeKey, duplex: Duplex) {
        if let Some(scheduler) = self.seats.scheduler() {
            // A Scheduler that is gone drops the link, and the agent opens another.
            let _ = scheduler.cast(SchedulerMessage::Accept { from, duplex });
        }
    }

    /// Begins a session with a client.
    ///
    /// # Errors
    /// When all places are taken or the node is stopping.
    pub fn open_session(&self, conversation: Box<dyn Conversation>) -> Result<(), SessionsAreExhausted> {
        let sessions = self.sessions.borrow().clone().ok_or(SessionsAreExhausted)?;
        self.reception.open(&sessions, conversation)
    }
}

const CALL_TIMEOUT_MS: u64 = 1_000;

impl Actor for Root {
    type Msg = RootMessage;
    type State = RootState;
    type Arguments = RootArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<RootMessage>,
        arguments: RootArguments,
    ) -> Result<RootState, ActorProcessingErr> {
        let mut state = RootState { arguments, children: Default::default(), agent: None, ending: false };
        for role in ROLES {
            state.start(role, &myself).await?;
        }
        Ok(state)
    }

    async fn handle(
        &self,
        _: ActorRef<RootMessage>,
        message: RootMessage,
        state: &mut RootState,
    ) -> Result<(), ActorProcessingErr> {
        let RootMessage::Ending(reply) = message;
        state.ending = true;
        let _ = reply.send(state.agent.clone());
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<RootMessage>,
        event: SupervisionEvent,
        state: &mut RootState,
    ) -> Result<(), ActorProcessingErr> {
        let (cell, reason) = match event {
            SupervisionEvent::ActorFailed(cell, error) => (cell, error.to_string()),
            SupervisionEvent::ActorTerminated(cell, _, reason) => (cell, reason.unwrap_or_default()),
            _ => return Ok(()),
        };
        match state.role_of(&cell) {
            Some(role) if !state.ending => state.start_again(role, &reason, &myself).await,
            _ => Ok(()),
        }
    }

    async fn post_stop(&self, _: ActorRef<RootMessage>, state: &mut RootState) -> Result<(), ActorProcessingErr> {
        state.arguments.seats.seat_scheduler(None);
        for role in ROLES.iter().rev() {
            if let Some(cell) = state.children[*role as usize].cell.take() {
                let timeout = Some(Duration::from_millis(CALL_TIMEOUT_MS));
                let _ = cell.stop_and_wait(None, timeout).await;
            }
        }
        Ok(())
    }
}

impl RootState {
    fn role_of(&self, cell: &ActorCell) -> Option<Role> {
        let is_it = |role: &&Role| {
            let known = self.children[**role as usize].cell.as_ref();
            known.is_some_and(|known| known.get_id() == cell.get_id())
        };
        ROLES.iter().find(is_it).copied()
    }

    async fn start_again(
        &mut self,
        role: Role,
        reason: &str,
        myself: &ActorRef<RootMessage>,
    ) -> Result<(), ActorProcessingErr> {
        let now = self.arguments.ground.replica.boot_time();
        let budget = self.arguments.settings.restarts;
        if !self.children[role as usize].spent.allows(&budget, now) {
            tracing::error!(?role, reason, "an actor keeps failing, the node ends");
            myself.stop(Some(format!("{role:?} keeps failing")));
            return Ok(());
        }
        tracing::error!(?role, reason, "an actor failed and is started again");
        ::metrics::counter!(metrics::ACTOR_RESTARTS, "role" => role.name()).increment(1);
        self.start(role, myself).await
    }

    async fn start(&mut self, role: Role, myself: &ActorRef<RootMessage>) -> Result<(), ActorProcessingErr> {
        let RootArguments { settings, ground, seats, reception, sessions } = &self.arguments;
        let (root, replica) = (myself.get_cell(), Arc::clone(&ground.replica));
        let cell = match role {
            Role::Membership => {
                let arguments =
                    MembershipArguments { group: Arc::clone(&ground.group), expected: settings.voters_expected };
                Membership::spawn_linked(None, Membership, arguments, root).await?.0.get_cell()
            }
            Role::Scheduler => {
                let arguments = SchedulerArguments { settings: settings.scheduler, replica };
                let (actor, _) = Scheduler::spawn_linked(None, Scheduler, arguments, root).await?;
                seats.seat_scheduler(Some(actor.clone()));
                actor.get_cell()
            }
            Role::Agent => {
                let (settings, kind, seats) = (settings.agent.clone(), Arc::clone(&ground.kind), seats.clone());
                let arguments = AgentArguments { settings, replica, kind, seats };
                let (actor, _) = Agent::spawn_linked(None, Agent, arguments, root).await?;
                self.agent = Some(actor.clone());
                actor.get_cell()
            }
            Role::Sessions => {
                let (actor, _) = Sessions::spawn_linked(None, Sessions, reception.clone(), root).await?;
                sessions.send_replace(Some(actor.clone()));
                actor.get_cell()
            }
        };
        self.children[role as usize].cell = Some(cell);
        Ok(())
    }
}

impl Role {
    const fn name(self) -> &'static str {
        match self {
            Self::Membership => "membership",
            Self::Scheduler => "scheduler",
            Self::Agent => "agent",
            Self::Sessions => "sessions",
        }
    }
}
