//! Whether new work is taken, as the ledger of this node has it: the rule is the ledger's, this is where it is looked up.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use quorla_consensus::{Consensus, Status};
use quorla_ledger::{Command, Refusal, ids::NodeKey};

/// Refuses what adds work while the disks of those who would keep it are critical (R22). Clones share it.
#[derive(Clone, Debug, Default)]
pub struct SubmitGate {
    closed: Arc<AtomicBool>,
}

impl SubmitGate {
    /// Looks at the ledger and at who votes. Called at every change of the status, which every change of a level is.
    pub fn observe(&self, consensus: &Consensus, status: &Status) {
        let voters: Vec<NodeKey> = status.voters.iter().map(|peer| NodeKey(peer.node_key)).collect();
        let leader = status.leader.as_ref().map(|leader| NodeKey(leader.node_key));
        let closed = leader.is_some_and(|leader| consensus.inspect(|ledger| ledger.disk_refuses(&leader, &voters)));
        if self.closed.swap(closed, Ordering::Relaxed) != closed {
            tracing::warn!(closed, "whether new jobs are refused for want of disk has changed");
        }
    }

    /// Whether this command is let through.
    ///
    /// # Errors
    /// [`Refusal::DiskIsLow`] for one that adds work while there is no room.
    pub fn check(&self, command: &Command) -> Result<(), Refusal> {
        let adds_work = matches!(
            command,
            Command::Submit(_) | Command::SubmitArray(_) | Command::PutItems(_) | Command::Retry { .. }
        );
        if adds_work && self.closed.load(Ordering::Relaxed) { Err(Refusal::DiskIsLow) } else { Ok(()) }
    }
}
