//! One agent's link at the leader's end: reports go straight to the ledger, everything else to the Scheduler.
//!
//! Owns the bounds of a link. Never acknowledges a report that the ledger has not answered.

use std::sync::Arc;

use futures::{StreamExt, stream::FuturesUnordered};
use quorla_consensus::{codec, transport::Duplex};
use quorla_ledger::{
    codec::encode_command,
    command::{Command, EndAttempt},
    reply::{Refusal, Reply},
};
use ractor::ActorRef;
use tokio::sync::{Semaphore, mpsc};

use super::{LinkId, SchedulerMessage};
use crate::{
    link::{receive_all, send_all},
    messages::{ToAgent, ToLeader},
    metrics,
    replica::{Replica, inspect},
};

/// Reports of one agent that are being proposed at a time.
const REPORTS_MAX: usize = 256;
/// Messages read from one link and not yet looked at.
const INBOX_MAX: usize = 16;

/// The parts of a link that its task needs.
pub(super) struct AgentLink {
    pub(super) link: LinkId,
    pub(super) scheduler: ActorRef<SchedulerMessage>,
    pub(super) replica: Arc<dyn Replica>,
    pub(super) heard: Arc<Semaphore>,
    /// Where acknowledgements of reports go; the Scheduler's end keeps it open, and closes the link by dropping it.
    pub(super) outbox: mpsc::WeakSender<ToAgent>,
}

/// Says on a fresh link that nobody leads here.
pub(super) async fn refuse(mut duplex: Duplex) {
    if let Ok(frame) = codec::encode(&ToAgent::NotLeader) {
        // The agent looks for the leader again whether it hears this or not.
        let _ = duplex.sink.send(frame.into()).await;
        let _ = duplex.sink.finish().await;
    }
}

impl AgentLink {
    /// Serves the link until either side ends it.
    pub(super) async fn serve(self, duplex: Duplex, outgoing: mpsc::Receiver<ToAgent>) {
        let (sender, inbox) = mpsc::channel(INBOX_MAX);
        let ended = tokio::select! {
            sent = send_all(duplex.sink, outgoing) => sent,
            received = receive_all(duplex.source, sender) => received,
            () = self.answer(inbox) => Ok(()),
        };
        if let Err(error) = ended {
            let cause = &error as &dyn std::error::Error;
            tracing::debug!(cause, "a link of an agent ended");
        }
        let _ = self.scheduler.cast(SchedulerMessage::Lost { link: self.link });
    }

    async fn answer(&self, mut inbox: mpsc::Receiver<ToLeader>) {
        let mut reports = FuturesUnordered::new();
        loop {
            tokio::select! {
                Some(recorded) = reports.next() => if !self.acknowledge(recorded) { return },
                heard = inbox.recv(), if reports.len() < REPORTS_MAX => match heard {
                    Some(ToLeader::Report(report)) => reports.push(self.record(report)),
                    Some(message) => if !self.pass_on(message).await { return },
                    None => return,
                },
            }
        }
    }

    async fn pass_on(&self, message: ToLeader) -> bool {
        let Ok(permit) = Arc::clone(&self.heard).acquire_owned().await else { return false };
        self.scheduler.cast(SchedulerMessage::Heard { link: self.link, message, permit }).is_ok()
    }

    /// Proposes a report. No answer is no acknowledgement: the agent repeats it.
    async fn record(&self, report: Box<EndAttempt>) -> Option<ToAgent> {
        let (job, fence) = (report.job, report.fence);
        let reply = self.replica.propose(encode_command(&Command::EndAttempt(*report))).await.ok()?;
        if matches!(reply, Reply::Refused(Refusal::AttemptIsStale)) {
            ::metrics::counter!(metrics::COMPLETIONS_STALE).increment(1);
        }
        tracing::debug!(%job, fence = fence.0, ?reply, "an attempt's end was answered");
        let as_of = inspect(&*self.replica, |ledger| ledger.meta().index);
        Some(ToAgent::Recorded { fence, as_of })
    }

    /// Whether the link goes on.
    fn acknowledge(&self, recorded: Option<ToAgent>) -> bool {
        let Some(message) = recorded else { return true };
        self.outbox.upgrade().is_some_and(|outbox| outbox.try_send(message).is_ok())
    }
}
