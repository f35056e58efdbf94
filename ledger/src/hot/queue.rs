//! Queued jobs in the order in which they are due a place: priority first, then age.
//!
//! An array is one of them, for its next task, as long as it has one that may start.
//!
//! Jobs of one demand stand in one line. When the head of a line fits nowhere, nobody behind it does, so that planning
//! looks at heads only and its cost follows the number of different demands, not of jobs.

use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Unbounded},
    sync::Arc,
};

use crate::{ids::JobId, record::JobRecord, spec::Demand};

/// Position among all jobs, smaller goes first: 255 less the priority (8 bits), then age (56 bits), given at submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank(u64);

impl Rank {
    const ORDER_BITS: u32 = 56;

    pub(crate) fn of(record: &JobRecord) -> Self {
        Self::new(record.priority, record.order)
    }

    pub(crate) fn new(priority: u8, order: u64) -> Self {
        assert!(order >> Self::ORDER_BITS == 0, "an order of submission fits 56 bits");
        Self((u64::from(u8::MAX - priority) << Self::ORDER_BITS) | order)
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Queue {
    lines: BTreeMap<Arc<Demand>, BTreeMap<Rank, JobId>>,
    heads: BTreeMap<Rank, Arc<Demand>>,
    depth: usize,
}

impl Queue {
    pub(crate) fn insert(&mut self, rank: Rank, job: JobId, demand: &Arc<Demand>) {
        let line = self.lines.entry(Arc::clone(demand)).or_default();
        let head = line.first_key_value().map(|(head, _)| *head);
        line.insert(rank, job);
        self.depth += 1;
        if head.is_none_or(|head| rank < head) {
            head.map(|head| self.heads.remove(&head));
            self.heads.insert(rank, Arc::clone(demand));
        }
    }

    pub(crate) fn remove(&mut self, rank: Rank, demand: &Arc<Demand>) {
        let line = self.lines.get_mut(demand).expect("R5: a queued job stands in its demand's line");
        line.remove(&rank).expect("R5: a queued job stands in its line");
        self.depth -= 1;
        let next = line.first_key_value().map(|(next, _)| *next);
        if self.heads.remove(&rank).is_some()
            && let Some(next) = next
        {
            self.heads.insert(next, Arc::clone(demand));
        }
        if next.is_none() {
            self.lines.remove(demand);
        }
    }

    /// The head of each line, most urgent first.
    pub(crate) fn heads(&self) -> impl Iterator<Item = Head<'_>> {
        self.heads_after(None)
    }

    /// The same, of those that come after a rank.
    pub(crate) fn heads_after(&self, rank: Option<Rank>) -> impl Iterator<Item = Head<'_>> {
        let after = rank.map_or(Unbounded, Excluded);
        let heads = self.heads.range((after, Unbounded));
        heads.map(|(rank, demand)| Head { rank: *rank, demand, line: &self.lines[demand] })
    }

    pub(crate) const fn depth(&self) -> usize {
        self.depth
    }
}

/// The most urgent job of one demand, and those behind it.
pub(crate) struct Head<'q> {
    pub(crate) rank: Rank,
    pub(crate) demand: &'q Demand,
    pub(crate) line: &'q BTreeMap<Rank, JobId>,
}

impl Head<'_> {
    pub(crate) fn job(&self) -> JobId {
        self.line[&self.rank]
    }
}
