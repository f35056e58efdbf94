//! The Scheduler: what the leader does unasked. Active on the node that leads, asleep on the others.
//!
//! Supervised by Root; supervises nobody. A crash loses its lease table, its memory of what was dispatched and the links of
//! agents; a start rebuilds all of that from the ledger, waits a whole lease before it lapses anyone, and greets each agent
//! with its full set. Decides nothing itself: `lease`, `dispatch` and `planning` do.

use std::sync::Arc;

use quorla_consensus::transport::Duplex;
use quorla_ledger::{defect::Defect, ids::NodeKey};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use ractor_cluster::RactorMessage;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
};

use crate::{
    bell::Bell,
    lease::{LeaseTerms, Round},
    messages::ToLeader,
    planning::{Task, retention::Retention},
    replica::{Leader, Leadership, Replica},
    tasks::reap,
};

use leading::{LeaderParts, Leading};

mod agent_link;
mod leading;
mod orders;

/// Messages of agents that wait in the mailbox, over all links; the links wait for more.
const HEARD_MAX: usize = 1_024;

/// What a Scheduler goes by.
#[derive(Clone, Copy, Debug, Default)]
pub struct SchedulerSettings {
    /// The spans of a lease.
    pub lease: LeaseTerms,
    /// What is kept.
    pub retention: Retention,
    /// A planted bug, for tests.
    pub defect: Defect,
}

/// One link of an agent, as long as it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LinkId(pub(crate) u64);

/// What a Scheduler is told.
#[derive(Debug, RactorMessage)]
pub(crate) enum SchedulerMessage {
    /// Something may have changed.
    Look,
    /// An agent opened a link.
    Accept { from: NodeKey, duplex: Duplex },
    /// An agent said something; the permit makes room for the next.
    Heard { link: LinkId, message: ToLeader, permit: OwnedSemaphorePermit },
    /// A link ended.
    Lost { link: LinkId },
    /// A quorum round ended.
    RoundEnded { term: u64, round: Round, answered: bool },
    /// A proposal ended, one way or another.
    Settled { term: u64, task: Task },
}

/// The actor.
pub(crate) struct Scheduler;

/// What it starts with.
pub(crate) struct SchedulerArguments {
    pub(crate) settings: SchedulerSettings,
    pub(crate) replica: Arc<dyn Replica>,
}

/// Its state.
pub(crate) struct SchedulerState {
    arguments: SchedulerArguments,
    bell: Bell,
    heard: Arc<Semaphore>,
    /// The bell's watch and everything of one leadership; dropped, they end.
    watch: JoinSet<()>,
    leading: Option<Leading>,
}

impl Actor for Scheduler {
    type Msg = SchedulerMessage;
    type State = SchedulerState;
    type Arguments = SchedulerArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<SchedulerMessage>,
        arguments: SchedulerArguments,
    ) -> Result<SchedulerState, ActorProcessingErr> {
        let (bell, mut watch) = (Bell::default(), JoinSet::new());
        let ring = move || myself.cast(SchedulerMessage::Look).is_ok();
        watch.spawn(bell.clone().watch(Arc::clone(&arguments.replica), ring));
        Ok(SchedulerState { arguments, bell, heard: Arc::new(Semaphore::new(HEARD_MAX)), watch, leading: None })
    }

    async fn handle(
        &self,
        myself: ActorRef<SchedulerMessage>,
        message: SchedulerMessage,
        state: &mut SchedulerState,
    ) -> Result<(), ActorProcessingErr> {
        reap(&mut state.watch)?;
        match message {
            SchedulerMessage::Look => {
                state.bell.answer();
                state.follow_leadership(&myself);
            }
            SchedulerMessage::Accept { from, duplex } => {
                state.follow_leadership(&myself);
                match &mut state.leading {
                    Some(leading) => leading.accept(from, duplex, &state.heard),
                    None => agent_link::refuse(duplex).await,
                }
                return Ok(());
            }
            message => return state.pass_on(message).await,
        }
        match &mut state.leading {
            Some(leading) => leading.look().await,
            None => Ok(()),
        }
    }
}

impl SchedulerState {
    /// Begins with each leadership of this node, and ends with it: whatever belonged to it is dropped.
    fn follow_leadership(&mut self, myself: &ActorRef<SchedulerMessage>) {
        let Leadership { term, leader } = *self.arguments.replica.leadership().borrow();
        let leads = leader == Leader::Here;
        if self.leading.as_ref().is_some_and(|leading| !leads || leading.term() != term) {
            tracing::info!(term, "the scheduler rests");
            self.leading = None;
        }
        if leads && self.leading.is_none() {
            // Of all nodes' settings the leader's count: who leads says what it keeps.
            tracing::info!(term, retention = ?self.arguments.settings.retention, "the scheduler leads");
            let replica = Arc::clone(&self.arguments.replica);
            let parts = LeaderParts { settings: self.arguments.settings, replica, scheduler: myself.clone() };
            self.leading = Some(Leading::begin(parts, term));
        }
    }

    async fn pass_on(&mut self, message: SchedulerMessage) -> Result<(), ActorProcessingErr> {
        let Some(leading) = &mut self.leading else { return Ok(()) };
        match message {
            SchedulerMessage::Heard { link, message, permit } => {
                let heard = leading.heard(link, message).await;
                drop(permit);
                heard
            }
            SchedulerMessage::Lost { link } => {
                leading.lost(link);
                Ok(())
            }
            SchedulerMessage::RoundEnded { term, round, answered } if term == leading.term() => {
                leading.round_ended(round, answered);
                Ok(())
            }
            SchedulerMessage::Settled { term, task } if term == leading.term() => leading.settled(task).await,
            _ => Ok(()),
        }
    }
}
