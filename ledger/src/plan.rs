//! The planner: which queued jobs could start where, most urgent first. Pure over the hot state; the leader proposes
//! what it says, and apply checks each assignment again (optimistic, one authority; R19).

use std::collections::BTreeMap;

use crate::{
    command::Assign,
    hot::queue::{Head, Rank},
    ids::{JobId, NodeId},
    ledger::Ledger,
    place::{Candidate, Wish, place},
    spec::Demand,
};

impl Ledger {
    /// At most `max` assignments that are all possible together as things stand.
    ///
    /// Costs one look at each node for every assignment and for every different demand that fits nowhere.
    #[must_use]
    pub fn plan(&self, max: usize) -> Vec<Assign> {
        let mut candidates: BTreeMap<NodeId, Candidate<'_>> =
            self.hot.nodes.iter().map(|node| (node.record.id, Candidate::of(node))).collect();
        let mut lines: BTreeMap<Rank, Line<'_>> =
            self.hot.queue.heads().map(|head| (head.rank, Line::of(&head))).collect();
        let mut plan = Vec::new();
        while plan.len() < max
            && let Some((rank, mut line)) = lines.pop_first()
        {
            let wish = Wish { job: line.head, rank, demand: line.demand };
            let Some(node) = place(&wish, candidates.values().cloned()) else {
                continue;
            };
            let taken = candidates.get_mut(&node).expect("a place is on a candidate");
            taken.free = taken.free.without(&line.demand.resources);
            plan.push(Assign { job: line.head, node, epoch: taken.record.epoch });
            if let Some((rank, job)) = line.behind.next() {
                line.head = *job;
                lines.insert(*rank, line);
            }
        }
        plan
    }
}

/// What is left of one demand's line while planning.
struct Line<'l> {
    demand: &'l Demand,
    head: JobId,
    behind: std::collections::btree_map::Range<'l, Rank, JobId>,
}

impl<'l> Line<'l> {
    fn of(head: &Head<'l>) -> Self {
        use std::ops::Bound::{Excluded, Unbounded};
        let behind = head.line.range((Excluded(head.rank), Unbounded));
        Self { demand: head.demand, head: head.job(), behind }
    }
}
