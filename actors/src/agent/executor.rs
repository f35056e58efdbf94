//! The Executor: one attempt, from its start until nothing of it is left.
//!
//! Supervised by the Agent; supervises nobody. A crash drops the attempt, which kills it by force; the Agent reports it as
//! given up once it is gone, and it runs elsewhere.

use std::{sync::Arc, time::Duration};

use quorla_ledger::{
    ids::Fence,
    outcome::{AttemptEnd, Exit, Tails, Usage},
};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use ractor_cluster::RactorMessage;
use tokio::task::JoinSet;
use tracing::Instrument;

use super::AgentMessage;
use crate::{
    holdings::KillHow,
    kind::{Attempt, Killer},
    messages::Order,
    metrics,
};

/// Between two looks whether a killed attempt is gone.
const ORPHAN_PAUSE: Duration = Duration::from_millis(10);

/// What an Executor is told.
#[derive(Debug, RactorMessage)]
pub(crate) enum ExecutorMessage {
    /// Ends the attempt before its time.
    Kill(KillHow),
    /// Nothing of it is left.
    Ended(Box<(AttemptEnd, Tails)>),
    /// The wait for it ended, well or not.
    Reap,
}

/// The actor.
pub(crate) struct Executor;

/// What it starts with.
pub(crate) struct ExecutorArguments {
    pub(crate) order: Order,
    pub(crate) node: String,
    pub(crate) attempt: Box<dyn Attempt>,
    pub(crate) killer: Arc<dyn Killer>,
    pub(crate) agent: ActorRef<AgentMessage>,
}

/// Its state.
pub(crate) struct ExecutorState {
    order: Order,
    killer: Arc<dyn Killer>,
    agent: ActorRef<AgentMessage>,
    span: tracing::Span,
    waiting: JoinSet<()>,
}

impl Actor for Executor {
    type Msg = ExecutorMessage;
    type State = ExecutorState;
    type Arguments = ExecutorArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<ExecutorMessage>,
        arguments: ExecutorArguments,
    ) -> Result<ExecutorState, ActorProcessingErr> {
        let ExecutorArguments { order, node, attempt, killer, agent } = arguments;
        let span = tracing::info_span!("attempt", job = %order.job, fence = order.fence.0, node);
        span.in_scope(|| tracing::info!("the attempt starts"));
        let mut waiting = JoinSet::new();
        let wait = async move {
            // Whatever happens to the wait, the Executor hears of its end.
            let _reap = ReapOnDrop(myself.clone());
            let end = attempt.wait().await;
            let _ = myself.cast(ExecutorMessage::Ended(Box::new(end)));
        };
        waiting.spawn(wait.instrument(span.clone()));
        Ok(ExecutorState { order, killer, agent, span, waiting })
    }

    async fn handle(
        &self,
        myself: ActorRef<ExecutorMessage>,
        message: ExecutorMessage,
        state: &mut ExecutorState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            ExecutorMessage::Kill(how) => state.killer.kill(how),
            ExecutorMessage::Ended(ended) => {
                let (end, tails) = *ended;
                state.span.in_scope(|| tracing::info!(exit = ?end.exit, "the attempt ended"));
                ::metrics::counter!(metrics::ATTEMPTS_ENDED, "outcome" => outcome(&end.exit)).increment(1);
                let fence = state.order.fence;
                state.agent.cast(AgentMessage::Exited { fence, end, tails })?;
                myself.stop(None);
            }
            ExecutorMessage::Reap => {
                // The message comes from within the task: it ends right after.
                if let Some(ended) = state.waiting.join_next().await {
                    ended.map_err(|error| -> ActorProcessingErr { Box::new(error) })?;
                }
            }
        }
        Ok(())
    }
}

struct ReapOnDrop(ActorRef<ExecutorMessage>);

impl Drop for ReapOnDrop {
    fn drop(&mut self) {
        let _ = self.0.cast(ExecutorMessage::Reap);
    }
}

/// Ends an attempt without an Executor, and says so once it is gone.
pub(super) async fn end_orphan(fence: Fence, killer: Arc<dyn Killer>, agent: ActorRef<AgentMessage>) {
    killer.kill(KillHow::Now);
    while killer.is_alive() {
        tokio::time::sleep(ORPHAN_PAUSE).await;
    }
    let end = AttemptEnd { exit: Exit::GivenUp, usage: Usage::default() };
    let _ = agent.cast(AgentMessage::Exited { fence, end, tails: Tails::default() });
}

const fn outcome(exit: &Exit) -> &'static str {
    match exit {
        Exit::Code(0) => "ok",
        Exit::Code(_) => "failed",
        Exit::Signal(_) => "signal",
        Exit::NotStarted { .. } => "not_started",
        Exit::GivenUp => "given_up",
        Exit::OutputFailed { .. } => "output_failed",
        Exit::OutOfMemory => "oom",
    }
}
