//! What operators ask for, and nodes that tell of themselves, at random.

use std::collections::{BTreeMap, BTreeSet};

use quorla_ledger::{
    command::{Command, DrainNode, DrainOrder, LabelNode, Request},
    disk::DiskLevel,
    ids::{Epoch, NodeId},
    units::Millis,
};

use super::history::Op;
use crate::world::World;

pub(super) fn guard(n: u8, stale: bool, level: u8, world: &World) -> Command {
    let node = NodeId(u32::from(n) + 1);
    let epoch = world.ledger.node(node).map_or(0, |node| node.record().epoch.0);
    let level = [DiskLevel::Fine, DiskLevel::Low, DiskLevel::Critical][usize::from(level)];
    Command::GuardNode { node, epoch: Epoch(epoch - u64::from(stale && epoch > 0)), level }
}

/// What operators ask for, and what follows from it.
pub(super) fn command(op: &Op, world: &mut World) -> Command {
    let node = |n: u8| NodeId(u32::from(n) + 1);
    match *op {
        Op::Drain { n, draining, deadline, leaves } => {
            let deadline = deadline.is_multiple_of(2).then_some(Millis(deadline.into()));
            let drain = draining.then_some(DrainOrder { deadline, reason: None, leaves });
            Command::DrainNode(DrainNode { request: world.request(), node: node(n), drain })
        }
        Op::StopDrained(n) => Command::StopDrained { node: node(n) },
        Op::Label { n, label, value } => Command::LabelNode(labelling(world.request(), node(n), label, value)),
        Op::Remove(n) => Command::RemoveNode { node: node(n) },
        _ => unreachable!("the caller looked"),
    }
}

/// Sets a label or removes it, the one that nodes register among them.
fn labelling(request: Request, node: NodeId, label: u8, value: u8) -> LabelNode {
    let label = if label == 0 { "rack" } else { "zone" };
    let (mut set, mut remove) = (BTreeMap::new(), BTreeSet::new());
    match value {
        0 => drop(remove.insert(label.to_owned())),
        1 => drop(set.insert(label.to_owned(), "us".to_owned())),
        _ => drop(set.insert(label.to_owned(), "eu".to_owned())),
    }
    LabelNode { request, node, set, remove }
}
