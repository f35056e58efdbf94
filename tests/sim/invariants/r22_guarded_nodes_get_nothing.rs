//! R22: a node that said that its disk is short of room gets no attempt until it says that there is room again.

use std::collections::BTreeMap;

use quorla_ledger::{Command, Reply, disk::DiskLevel, event::Event, ids::NodeId};

use super::{Fact, Invariant};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct GuardedNodesGetNothing {
    said: BTreeMap<NodeId, DiskLevel>,
}

impl Invariant for GuardedNodesGetNothing {
    fn name(&self) -> &'static str {
        "R22"
    }

    fn hear(&mut self, fact: &Fact<'_>) -> Result<(), String> {
        let Fact::Committed(committed) = fact else { return Ok(()) };
        // Commands of one entry follow each other: what one of its assignments may do depends on its guards before and after.
        let before = self.said.clone();
        for (command, reply) in &committed.done {
            if let (Command::GuardNode { node, level, .. }, Reply::NodeGuarded) = (command, reply) {
                self.said.insert(*node, *level);
            }
        }
        let is_short =
            |said: &BTreeMap<NodeId, DiskLevel>, node| said.get(node).is_some_and(|level| *level != DiskLevel::Fine);
        for event in committed.events() {
            if let Event::AttemptAssigned { job, node, .. } = event
                && is_short(&before, node)
                && is_short(&self.said, node)
            {
                return Err(format!("{job} was given to {node:?}, whose disk is {:?}", self.said[node]));
            }
        }
        Ok(())
    }
}
