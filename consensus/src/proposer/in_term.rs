//! A command that only the leader who decided on it may append (R16): never forwarded, never tried again here.

use std::time::Duration;

use bytes::Bytes;
use quorla_ledger::batch::BatchBuilder;
use quorla_ledger::reply::Reply;
use tokio::sync::oneshot;

use super::forward::Outcome;
use super::outcome;
use crate::consensus::Consensus;
use crate::error::ProposeError;
use crate::types::{Completion, LeaderId, Payload};

/// How long the answer may take before the outcome counts as unknown.
const PATIENCE: Duration = Duration::from_secs(10);

impl Consensus {
    /// Proposes a command as the leader of `term`, in an entry of its own. Raft refuses it when this node leads in another
    /// term or not at all; appended, it is in the log of every later leader before that one's own first entry, or gone.
    ///
    /// # Errors
    /// `NotLeader` when it was surely not appended, `Unknown` when it may have been.
    pub async fn propose_in_term(&self, term: u64, command: &[u8]) -> Result<Reply, ProposeError> {
        let not_leader = || ProposeError::NotLeader { leader: self.router().leader() };
        let leader = LeaderId { term, node_id: self.storage().identity().raft_id.0 };
        let mut builder = BatchBuilder::default();
        builder.push(command);
        let payload = Payload(Bytes::from(builder.seal(self.time().stamp())));
        let (sender, receiver) = oneshot::channel();
        let completion = Completion::new(move |result| {
            // A caller that has gone away needs no answer.
            let _ = sender.send(outcome(result));
        });
        self.raft().write(payload).with_leader(leader).responder(completion).await.map_err(|_| not_leader())?;
        match tokio::time::timeout(PATIENCE, receiver).await {
            Ok(Ok(Outcome::Done(replies))) => replies.into_iter().next().ok_or(ProposeError::Unknown),
            Ok(Ok(Outcome::NotAppended)) => Err(not_leader()),
            _ => Err(ProposeError::Unknown),
        }
    }
}
