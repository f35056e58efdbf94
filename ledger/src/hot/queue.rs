//! Queued jobs in the order in which they are due a place: priority first, then age.
//!
//! An array is one of them, for its next task, as long as it has one that may start.
//!
//! Jobs of one queue and demand stand in one line. When the head of a line fits nowhere, nobody behind it does, so that
//! planning looks at heads only and its cost follows the number of lines, not of jobs. The lines of a paused queue have no
//! head, so that nobody looks at them.

use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Unbounded},
    sync::Arc,
};

use super::queues::Line;
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

    const fn order(self) -> u64 {
        self.0 & ((1 << Self::ORDER_BITS) - 1)
    }

    /// The first rank of the next lower priority.
    fn next_priority(self) -> Option<Self> {
        let next = (self.0 >> Self::ORDER_BITS) + 1;
        (next <= u64::from(u8::MAX)).then_some(Self(next << Self::ORDER_BITS))
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Queue {
    lines: BTreeMap<Arc<Line>, BTreeMap<Rank, JobId>>,
    heads: BTreeMap<Rank, Arc<Line>>,
    depth: usize,
}

impl Queue {
    /// Who joins a line of a paused queue waits there unseen.
    pub(crate) fn insert(&mut self, rank: Rank, job: JobId, line: &Arc<Line>, paused: bool) {
        let waiting = self.lines.entry(Arc::clone(line)).or_default();
        let head = waiting.first_key_value().map(|(head, _)| *head);
        waiting.insert(rank, job);
        self.depth += 1;
        if !paused && head.is_none_or(|head| rank < head) {
            head.map(|head| self.heads.remove(&head));
            self.heads.insert(rank, Arc::clone(line));
        }
    }

    pub(crate) fn remove(&mut self, rank: Rank, line: &Arc<Line>) {
        let waiting = self.lines.get_mut(line).expect("R5: a queued job stands in its demand's line");
        waiting.remove(&rank).expect("R5: a queued job stands in its line");
        self.depth -= 1;
        let next = waiting.first_key_value().map(|(next, _)| *next);
        if self.heads.remove(&rank).is_some()
            && let Some(next) = next
        {
            self.heads.insert(next, Arc::clone(line));
        }
        if next.is_none() {
            self.lines.remove(line);
        }
    }

    /// Takes a line's head away, or gives it back.
    pub(crate) fn hold(&mut self, line: &Arc<Line>, holds: bool) {
        let Some((head, _)) = self.lines.get(line).and_then(BTreeMap::first_key_value) else { return };
        match holds {
            true => drop(self.heads.remove(head)),
            false => drop(self.heads.insert(*head, Arc::clone(line))),
        }
    }

    /// The oldest of those that wait in a line, whatever their priority, and how many look-ups that took.
    pub(crate) fn oldest_in(&self, line: &Arc<Line>) -> Option<(u64, JobId, usize)> {
        let waiting = self.lines.get(line)?;
        let (mut oldest, mut looks) = (None::<(u64, JobId)>, 0);
        let mut from = Some(Rank(0));
        while let Some((rank, job)) = from.and_then(|from| waiting.range(from..).next()) {
            looks += 1;
            let order = rank.order();
            if oldest.is_none_or(|(known, _)| order < known) {
                oldest = Some((order, *job));
            }
            from = rank.next_priority();
        }
        oldest.map(|(order, job)| (order, job, looks))
    }

    /// The head of each line, most urgent first.
    pub(crate) fn heads(&self) -> impl Iterator<Item = Head<'_>> {
        self.heads_after(None)
    }

    /// The same, of those that come after a rank.
    pub(crate) fn heads_after(&self, rank: Option<Rank>) -> impl Iterator<Item = Head<'_>> {
        let after = rank.map_or(Unbounded, Excluded);
        let heads = self.heads.range((after, Unbounded));
        heads.map(|(rank, line)| Head { rank: *rank, demand: &line.demand, line: &self.lines[line] })
    }

    pub(crate) const fn depth(&self) -> usize {
        self.depth
    }

    /// Whether there is anybody to look at.
    pub(crate) fn has_heads(&self) -> bool {
        !self.heads.is_empty()
    }
}

/// The most urgent job of one line, and those behind it.
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
