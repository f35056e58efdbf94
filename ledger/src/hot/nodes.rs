//! Nodes with what runs on them. Use is counted from the attempts, never stored apart from them (I7).

use std::collections::BTreeMap;

use super::queue::Rank;
use crate::{
    ids::{Fence, JobId, NodeId, NodeKey},
    outcome::StopCause,
    record::{NodeRecord, Placed},
    spec::Resources,
};

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Nodes {
    by_id: BTreeMap<NodeId, HotNode>,
    by_key: BTreeMap<NodeKey, NodeId>,
    by_name: BTreeMap<String, NodeId>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HotNode {
    pub(crate) record: NodeRecord,
    pub(crate) free: Resources,
    pub(crate) held: BTreeMap<Fence, JobId>,
    pub(crate) stopping: BTreeMap<Fence, StopCause>,
    pub(crate) reserved: Option<(Rank, JobId)>,
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

    /// Takes a new or changed record in. Capacity changes only while nothing is held: a new epoch ends all first.
    pub(crate) fn put(&mut self, record: NodeRecord) {
        self.by_key.insert(record.key, record.id);
        if let Some(node) = self.by_id.get_mut(&record.id) {
            self.by_name.remove(&node.record.name);
            if node.record.capacity != record.capacity {
                assert!(node.held.is_empty(), "a node changes its capacity with a new epoch only");
                node.free = record.capacity;
            }
            self.by_name.insert(record.name.clone(), record.id);
            node.record = record;
            return;
        }
        self.by_name.insert(record.name.clone(), record.id);
        let node =
            HotNode { free: record.capacity, held: BTreeMap::new(), stopping: BTreeMap::new(), reserved: None, record };
        self.by_id.insert(node.record.id, node);
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
        self.by_id.get_mut(&id).expect("R5: nodes are never removed while jobs name them")
    }
}
