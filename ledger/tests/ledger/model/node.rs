//! Nodes in the model that take nothing new: drained, or short of disk.

use quorla_ledger::{
    disk::DiskLevel,
    reply::{Refusal, Reply},
};

use super::Model;

impl Model {
    pub(super) fn drain(&mut self, id: u32, draining: bool) -> Reply {
        let Some(node) = self.nodes.iter_mut().find(|node| node.id == id) else {
            return Reply::Refused(Refusal::NodeIsUnknown);
        };
        node.draining = draining;
        Reply::NodeDrained
    }

    pub(super) fn guard(&mut self, id: u32, epoch: u64, level: DiskLevel, reply: &Reply) {
        let expected = match self.nodes.iter_mut().find(|node| node.id == id) {
            None => Reply::Refused(Refusal::NodeIsUnknown),
            Some(node) if node.epoch != epoch || !node.up => Reply::Refused(Refusal::EpochIsStale),
            Some(node) => {
                node.disk = level;
                Reply::NodeGuarded
            }
        };
        assert_eq!(*reply, expected);
    }
}
