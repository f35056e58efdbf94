//! Which node takes a job: one function for the fast path, the refill, the planner and `why_waiting` (R19).
//!
//! Best fit: of the nodes that can take it, the one with the least left over (Johnson et al., "Worst-case performance
//! bounds for simple one-dimensional packing algorithms", SIAM J. Comput. 3, 1974), summed over CPU, memory and slots as
//! shares of the node's capacity; then the one with the fewest labels, which are left for jobs that ask for them.

use std::{cmp::Reverse, collections::BTreeMap};

use crate::{
    disk::DiskLevel,
    hot::{nodes::HotNode, queue::Rank},
    ids::{JobId, NodeId},
    record::NodeRecord,
    reply::{Lack, Rejection},
    spec::{Demand, Resources},
};

/// A job that wants a place.
#[derive(Clone, Copy)]
pub(crate) struct Wish<'j> {
    pub(crate) job: JobId,
    pub(crate) rank: Rank,
    pub(crate) demand: &'j Demand,
}

/// A node with what it would have left.
#[derive(Clone)]
pub(crate) struct Candidate<'n> {
    pub(crate) record: &'n NodeRecord,
    pub(crate) labels: &'n BTreeMap<String, String>,
    pub(crate) free: Resources,
    pub(crate) reserved: Option<(Rank, JobId)>,
}

impl<'n> Candidate<'n> {
    pub(crate) const fn of(node: &'n HotNode) -> Self {
        Self { record: &node.record, labels: &node.labels, free: node.free, reserved: node.reserved }
    }

    /// Why this node cannot take the job now; nothing if it can.
    pub(crate) fn reject(&self, wish: &Wish<'_>) -> Option<Rejection> {
        self.obstacle(wish).map(Rejection::from)
    }

    /// Whether it can take the job now. Asked for each node while planning, so nothing is allocated for the answer.
    pub(crate) fn takes(&self, wish: &Wish<'_>) -> bool {
        self.obstacle(wish).is_none()
    }

    /// Whether it could take such a job when idle.
    pub(crate) fn could_take(&self, demand: &Demand) -> bool {
        self.lasting_obstacle(demand).is_none()
    }

    fn obstacle<'w>(&self, wish: &Wish<'w>) -> Option<Obstacle<'w>> {
        if let Some(obstacle) = self.lasting_obstacle(wish.demand) {
            return Some(obstacle);
        }
        if let Some((rank, by)) = self.reserved
            && by != wish.job
            && rank < wish.rank
        {
            return Some(Obstacle::Reserved { by });
        }
        lack(&self.free, &wish.demand.resources).map(Obstacle::TooBusy)
    }

    fn lasting_obstacle<'w>(&self, demand: &'w Demand) -> Option<Obstacle<'w>> {
        if !self.record.up {
            return Some(Obstacle::Down);
        }
        if self.record.drain.is_some() || self.record.retiring {
            return Some(Obstacle::Draining);
        }
        if self.record.disk != DiskLevel::Fine {
            return Some(Obstacle::DiskIsLow);
        }
        if let Some(unmet) = demand.unmet(self.labels) {
            return Some(Obstacle::LabelsDiffer { label: &unmet.label });
        }
        lack(&self.record.capacity, &demand.resources).map(Obstacle::TooSmall)
    }

    fn leftover(&self, share: &Resources) -> u64 {
        let capacity = &self.record.capacity;
        permille(self.free.cpu.0 - share.cpu.0, capacity.cpu.0)
            + permille(self.free.memory.0 - share.memory.0, capacity.memory.0)
            + permille(u64::from(self.free.slots - share.slots), u64::from(capacity.slots))
    }
}

/// A rejection that borrows what it names.
enum Obstacle<'w> {
    Down,
    Draining,
    LabelsDiffer { label: &'w str },
    TooSmall(Lack),
    TooBusy(Lack),
    Reserved { by: JobId },
    DiskIsLow,
}

impl From<Obstacle<'_>> for Rejection {
    fn from(obstacle: Obstacle<'_>) -> Self {
        match obstacle {
            Obstacle::Down => Self::NodeIsDown,
            Obstacle::Draining => Self::NodeIsDraining,
            Obstacle::LabelsDiffer { label } => Self::LabelsDiffer { label: label.to_owned() },
            Obstacle::TooSmall(lack) => Self::TooSmall(lack),
            Obstacle::TooBusy(lack) => Self::TooBusy(lack),
            Obstacle::Reserved { by } => Self::Reserved { by },
            Obstacle::DiskIsLow => Self::DiskIsLow,
        }
    }
}

/// The node that fits best, if any can take it.
pub(crate) fn place<'n>(wish: &Wish<'_>, candidates: impl Iterator<Item = Candidate<'n>>) -> Option<NodeId> {
    candidates
        .filter(|candidate| candidate.takes(wish))
        .min_by_key(|candidate| {
            (candidate.leftover(&wish.demand.resources), candidate.labels.len(), candidate.record.id)
        })
        .map(|candidate| candidate.record.id)
}

/// The node to keep free for a job that was overtaken too often: the one that misses the least of what it needs.
pub(crate) fn reserve<'n>(demand: &Demand, candidates: impl Iterator<Item = Candidate<'n>>) -> Option<NodeId> {
    let share = &demand.resources;
    candidates
        .filter(|candidate| candidate.reserved.is_none() && candidate.could_take(demand))
        .min_by_key(|candidate| {
            let free = &candidate.free;
            let missing = permille(share.cpu.0.saturating_sub(free.cpu.0), share.cpu.0)
                + permille(share.memory.0.saturating_sub(free.memory.0), share.memory.0)
                + permille(u64::from(share.slots.saturating_sub(free.slots)), u64::from(share.slots));
            (missing, Reverse(free.slots), candidate.record.id)
        })
        .map(|candidate| candidate.record.id)
}

fn lack(free: &Resources, share: &Resources) -> Option<Lack> {
    if share.cpu > free.cpu {
        Some(Lack::Cpu(share.cpu.0 - free.cpu.0))
    } else if share.memory > free.memory {
        Some(Lack::Memory(share.memory.0 - free.memory.0))
    } else if share.slots > free.slots {
        Some(Lack::Slots(u64::from(share.slots - free.slots)))
    } else {
        None
    }
}

fn permille(part: u64, whole: u64) -> u64 {
    if whole == 0 { 0 } else { u64::try_from(u128::from(part) * 1_000 / u128::from(whole)).unwrap_or(u64::MAX) }
}
