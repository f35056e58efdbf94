//! A node says how full its disk is: one that is short of room gets no new attempts (R22).

use crate::{
    apply::{Outcome, transaction::Transaction},
    defect::Defect,
    disk::DiskLevel,
    event::Event,
    ids::{Epoch, NodeId},
    ledger::Records,
    reply::{Refusal, Reply},
};

impl<R: Records> Transaction<'_, R> {
    /// What the node has keeps running. The level outlasts the epoch: a disk does not empty by a restart.
    pub(crate) fn guard_node(&mut self, node: NodeId, epoch: Epoch, level: DiskLevel) -> Outcome {
        let mut record = self.node(node)?.record.clone();
        if record.epoch != epoch || !record.up {
            return Err(Refusal::EpochIsStale);
        }
        if record.disk != level && !self.hot().defect.is(Defect::GuardForgotten) {
            record.disk = level;
            if level != DiskLevel::Fine {
                self.release_reservation(node);
            }
            self.save_node(record);
            self.happen(Event::NodeGuarded { node, level });
        }
        Ok(Reply::NodeGuarded)
    }
}
