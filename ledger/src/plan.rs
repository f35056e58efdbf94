//! The planner: which queued jobs could start where, most urgent first. Pure over the hot state; the leader proposes
//! what it says, and apply checks each assignment again (optimistic, one authority; R19).

use std::collections::BTreeMap;

use crate::{
    command::Assign,
    hot::{
        Hot,
        queue::{Head, Rank},
    },
    ids::{JobId, NodeId},
    ledger::Ledger,
    limits::HEADS_PLANNED_MAX,
    place::{Candidate, Wish, place},
    spec::Demand,
};

/// Where planning goes on after lines whose heads fit nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanCursor(Rank);

/// What one look at some of the lines found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// All possible together as things stand.
    pub assignments: Vec<Assign>,
    /// Where to look next when nothing was found and more lines wait; nothing when all were seen.
    pub next: Option<PlanCursor>,
}

impl Ledger {
    /// At most `max` assignments, from all lines.
    #[must_use]
    pub fn plan(&self, max: usize) -> Vec<Assign> {
        let mut plan = self.plan_some(max, None);
        while let Some(next) = plan.next {
            plan = self.plan_some(max, Some(next));
        }
        plan.assignments
    }

    /// At most `max` assignments from the next [`HEADS_PLANNED_MAX`] lines.
    ///
    /// Costs one look at each node for every assignment and for every one of these lines, so that whoever holds the ledger
    /// meanwhile keeps others waiting for a bounded time.
    #[must_use]
    pub fn plan_some(&self, max: usize, from: Option<PlanCursor>) -> Plan {
        let mut candidates: BTreeMap<NodeId, Candidate<'_>> =
            self.hot.nodes.iter().map(|node| (node.record.id, Candidate::of(node))).collect();
        let mut heads = self.hot.queue.heads_after(from.map(|PlanCursor(rank)| rank));
        let mut lines: BTreeMap<Rank, Line<'_>> =
            heads.by_ref().take(HEADS_PLANNED_MAX).map(|head| (head.rank, Line::of(&head, &self.hot))).collect();
        let last = lines.last_key_value().map(|(rank, _)| PlanCursor(*rank)).filter(|_| heads.next().is_some());
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
            line.left -= 1;
            if line.left > 0 {
                lines.insert(rank, line);
            } else if let Some((rank, job)) = line.behind.next() {
                (line.head, line.left) = (*job, self.hot.multiplicity(*job));
                lines.insert(*rank, line);
            }
        }
        let next = last.filter(|_| plan.is_empty());
        Plan { assignments: plan, next }
    }
}

/// What is left of one demand's line while planning.
struct Line<'l> {
    demand: &'l Demand,
    head: JobId,
    /// How many places its head may take: an array stands in line once for many tasks.
    left: u32,
    behind: std::collections::btree_map::Range<'l, Rank, JobId>,
}

impl<'l> Line<'l> {
    fn of(head: &Head<'l>, hot: &Hot) -> Self {
        use std::ops::Bound::{Excluded, Unbounded};
        let behind = head.line.range((Excluded(head.rank), Unbounded));
        Self { demand: head.demand, head: head.job(), left: hot.multiplicity(head.job()), behind }
    }
}
