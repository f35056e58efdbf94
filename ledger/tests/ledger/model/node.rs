//! What a naive ledger does with nodes.

use std::collections::BTreeMap;

use quorla_ledger::{
    command::{DrainOrder, LabelNode, RegisterNode},
    disk::DiskLevel,
    reply::{Refusal, Reply},
};

use super::{Model, Node, Sight, State, Why};

/// How a node drains.
#[derive(Clone, Debug, Default)]
pub(super) struct Drain {
    until: Option<u64>,
    leaves: bool,
}

impl Node {
    pub(super) fn label(&self, label: &str) -> Option<&String> {
        self.labels.get(label).or_else(|| self.registration.labels.get(label))
    }
}

impl Model {
    pub(super) fn drain(&mut self, id: u32, order: Option<&DrainOrder>) -> Reply {
        let now = self.now;
        let Some(node) = self.nodes.iter_mut().find(|node| node.id == id) else {
            return Reply::Refused(Refusal::NodeIsUnknown);
        };
        let former = node.drain.take();
        node.drain = order.map(|order| {
            let mut drain = former.unwrap_or_default();
            drain.until = order.deadline.map(|span| now + span.0).or(drain.until);
            drain.leaves |= order.leaves;
            drain
        });
        Reply::NodeDrained
    }

    pub(super) fn stop_drained(&mut self, id: u32, reply: &Reply) {
        let now = self.now;
        let Some(node) = self.nodes.iter().find(|node| node.id == id) else {
            return assert_eq!(*reply, Reply::Refused(Refusal::NodeIsUnknown));
        };
        let due = node.drain.as_ref().and_then(|drain| drain.until).is_some_and(|until| until <= now);
        let mut attempts = 0;
        for job in self.jobs.iter_mut().filter(|_| due) {
            if matches!(job.state, State::Running { node, .. } if node == id) {
                job.call_off(Why::Drain);
                attempts += 1;
            }
        }
        let refused = Reply::Refused(Refusal::DrainIsNotDue);
        assert_eq!(*reply, if attempts > 0 { Reply::DrainedStopped { attempts } } else { refused });
    }

    pub(super) fn label(&mut self, asked: &LabelNode) -> Reply {
        let Some(node) = self.nodes.iter_mut().find(|node| node.id == asked.node.0) else {
            return Reply::Refused(Refusal::NodeIsUnknown);
        };
        for label in &asked.remove {
            if node.registration.labels.contains_key(label) && !node.labels.contains_key(label) {
                return Reply::Refused(Refusal::LabelIsRegistered { label: label.clone() });
            }
        }
        asked.remove.iter().for_each(|label| drop(node.labels.remove(label)));
        node.labels.extend(asked.set.clone());
        Reply::NodeLabelled
    }

    pub(super) fn remove_node(&mut self, id: u32, reply: &Reply) {
        let Some(node) = self.nodes.iter().find(|node| node.id == id) else {
            return assert_eq!(*reply, Reply::Refused(Refusal::NodeIsUnknown));
        };
        if node.up || !node.drain.as_ref().is_some_and(|drain| drain.leaves) {
            return assert_eq!(*reply, Reply::Refused(Refusal::NodeHasNotLeft));
        }
        assert_eq!(*reply, Reply::NodeRemoved);
        assert!(self.jobs.iter().all(|job| job.node() != Some(id)), "nothing runs on a node that is forgotten");
        self.nodes.retain(|node| node.id != id);
    }

    pub(super) fn register(&mut self, registration: &RegisterNode, reply: &Reply, sight: &Sight) {
        let known = self.nodes.iter().position(|node| node.registration.key == registration.key);
        if let Some(position) = known
            && self.nodes[position].registration.boot == registration.boot
        {
            let node = &self.nodes[position];
            return match reply {
                Reply::NodeRegistered { node: id, epoch } => {
                    assert!(node.up && (id.0, epoch.0) == (node.id, node.epoch), "the same epoch again");
                }
                other => assert!(!node.up && *other == Reply::Refused(Refusal::EpochIsStale), "{other:?}"),
            };
        }
        if known.is_some_and(|position| registration.boot < self.nodes[position].registration.boot) {
            return assert_eq!(*reply, Reply::Refused(Refusal::EpochIsStale), "a late copy");
        }
        let Reply::NodeRegistered { node: id, epoch } = reply else { panic!("not registered: {reply:?}") };
        assert!(epoch.0 > self.last_epoch, "epochs rise");
        self.last_epoch = epoch.0;
        let (drain, disk, labels) = (None, DiskLevel::Fine, BTreeMap::new());
        let registration = registration.clone();
        let mut node = Node { id: id.0, registration, epoch: epoch.0, up: true, drain, disk, labels };
        match known {
            Some(position) => {
                assert_eq!(self.nodes[position].id, id.0, "a key keeps its id");
                self.lose_attempts(id.0, sight);
                let former = &self.nodes[position];
                (node.drain, node.disk, node.labels) = (former.drain.clone(), former.disk, former.labels.clone());
                self.nodes[position] = node;
            }
            None => {
                assert!(id.0 > self.last_node, "ids are never reused");
                self.last_node = id.0;
                self.nodes.push(node);
            }
        }
    }

    pub(super) fn lapse(&mut self, id: u32, epoch: u64, reply: &Reply, sight: &Sight) {
        let expected = match self.nodes.iter_mut().find(|node| node.id == id) {
            None => Reply::Refused(Refusal::NodeIsUnknown),
            Some(node) if node.epoch != epoch || !node.up => Reply::Refused(Refusal::EpochIsStale),
            Some(node) => {
                node.up = false;
                self.lose_attempts(id, sight);
                Reply::NodeLapsed
            }
        };
        assert_eq!(*reply, expected);
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
