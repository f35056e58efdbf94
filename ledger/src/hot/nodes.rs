//! Nodes with what runs on them. Use is counted from the attempts, never stored apart from them (I7).

use std::collections::{BTreeMap, BTreeSet};

use super::queue::Rank;
use crate::{
    ids::{Fence, JobId, NodeId, NodeKey},
    outcome::StopCause,
    record::{NodeRecord, Placed},
    spec::Resources,
    units::Millis,
};

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Nodes {
    by_id: BTreeMap<NodeId, HotNode>,
    by_key: BTreeMap<NodeKey, NodeId>,
    by_name: BTreeMap<String, NodeId>,
    /// Draining nodes with a deadline, by that.
    deadlines: BTreeSet<(Millis, NodeId)>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HotNode {
    pub(crate) record: NodeRecord,
    /// The labels in force.
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) free: Resources,
    pub(crate) held: BTreeMap<Fence, JobId>,
    pub(crate) stopping: BTreeMap<Fence, StopCause>,
    pub(crate) reserved: Option<(Rank, JobId)>,
}

impl HotNode {
    /// Whether something runs there that nobody stops.
    pub(crate) fn runs(&self) -> bool {
        self.held.len() > self.stopping.len()
    }
}

impl Nodes {
    pub(crate) fn by_id(&self, id: NodeId) -> Option<&HotNode> {
        self.by_id.get(&id)
    }

    pub(crate) fn by_key(&self, key: &NodeKey) -> Option<&HotNode> {
        self.by_key.get(key).and_then(|id| self.by_id.get(id))
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<&HotNode> {
        self.by_name.get(name).and_then(|id| self.by_id.get(id))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &HotNode> {
        self.by_id.values()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Draining nodes whose deadline is not after `now`, the longest overdue first.
    pub(crate) fn overdue(&self, now: Millis) -> impl Iterator<Item = &HotNode> {
        let due = self.deadlines.range(..=(now, NodeId(u32::MAX)));
        due.map(|(_, id)| self.by_id.get(id).expect("R5: a deadline belongs to a node"))
    }

    /// Takes a new or changed record in. Capacity changes only while nothing is held: a new epoch ends all first.
    pub(crate) fn put(&mut self, record: NodeRecord) {
        let (id, labels) = (record.id, record.labels_in_force());
        self.unname(id);
        self.by_key.insert(record.key, id);
        self.by_name.insert(record.name.clone(), id);
        self.deadlines.extend(record.deadline().map(|until| (until, id)));
        if let Some(node) = self.by_id.get_mut(&id) {
            if node.record.capacity != record.capacity {
                assert!(node.held.is_empty(), "a node changes its capacity with a new epoch only");
                node.free = record.capacity;
            }
            (node.record, node.labels) = (record, labels);
            return;
        }
        let (free, held, stopping) = (record.capacity, BTreeMap::new(), BTreeMap::new());
        self.by_id.insert(id, HotNode { record, labels, free, held, stopping, reserved: None });
    }

    /// Forgets a node on which nothing is held.
    pub(crate) fn remove(&mut self, id: NodeId) {
        self.unname(id);
        let node = self.by_id.remove(&id).expect("the caller looked");
        assert!(node.held.is_empty() && node.reserved.is_none(), "R5: nobody names a node that is removed");
    }

    /// Takes out what leads to a node, if it is known.
    fn unname(&mut self, id: NodeId) {
        let Some(HotNode { record, .. }) = self.by_id.get(&id) else { return };
        self.by_key.remove(&record.key);
        self.by_name.remove(&record.name);
        if let Some(until) = record.deadline() {
            self.deadlines.remove(&(until, id));
        }
    }

    /// An attempt takes its place; `share` is nothing where a planted defect gave it away already.
    pub(crate) fn take(&mut self, placed: &Placed, job: JobId, stopping: Option<StopCause>, share: Option<&Resources>) {
        let node = self.placed_on(placed.node);
        node.held.insert(placed.fence, job);
        node.stopping.extend(stopping.map(|cause| (placed.fence, cause)));
        if let Some(share) = share {
            node.free = node.free.without(share);
        }
    }

    pub(crate) fn give_back(&mut self, placed: &Placed, share: Option<&Resources>) {
        let node = self.placed_on(placed.node);
        node.held.remove(&placed.fence);
        node.stopping.remove(&placed.fence);
        if let Some(share) = share {
            node.free = node.free.with(share);
        }
    }

    pub(crate) fn reserve(&mut self, id: NodeId, rank: Rank, job: JobId) {
        self.placed_on(id).reserved = Some((rank, job));
    }

    pub(crate) fn release(&mut self, id: NodeId) {
        self.placed_on(id).reserved = None;
    }

    fn placed_on(&mut self, id: NodeId) -> &mut HotNode {
        self.by_id.get_mut(&id).expect("R5: nodes are not removed while jobs hold a place there")
    }
}
