//! How full a node's disk is, as the ledger knows it (R22): who measures, and where the thresholds lie, is the node's matter.

use serde::{Deserialize, Serialize};

use crate::{ids::NodeKey, ledger::Ledger};

/// How much room a node's disk has. The order is that of trouble.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum DiskLevel {
    /// Enough.
    #[default]
    Fine,
    /// Below the first threshold: the node gets no new attempts and records no output.
    Low,
    /// Below the second one: it takes no new jobs into its log either, where that is its choice.
    Critical,
}

impl Ledger {
    /// How full the disk of the node with this key is; a node that never registered has told nothing.
    #[must_use]
    pub fn disk_of(&self, key: &NodeKey) -> DiskLevel {
        self.hot.nodes.by_key(key).map_or(DiskLevel::Fine, |node| node.record.disk)
    }

    /// Whether submits are to be refused (R22): the leader's disk is critical, or so many voters' disks are that no majority
    /// is without. What is refused is growth; deletion, cancellation and ends of attempts still go into the log.
    #[must_use]
    pub fn disk_refuses(&self, leader: &NodeKey, voters: &[NodeKey]) -> bool {
        let critical = |key: &NodeKey| self.disk_of(key) == DiskLevel::Critical;
        let well = voters.iter().filter(|key| !critical(key)).count();
        critical(leader) || (!voters.is_empty() && 2 * well <= voters.len())
    }
}
