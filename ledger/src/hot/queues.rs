//! Queues by name: which lines each has, how many of its jobs and tasks stand where, and whether it is paused.
//!
//! A line is one demand in one queue, kept once however many live jobs have it: a queued job costs a pointer. Counts follow
//! from the records of live jobs and arrays, a pause from the queue's own record (R5). A queue that has neither is forgotten.

use std::{
    borrow::Borrow,
    cmp::Ordering,
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use super::{HotJob, Stage, arrays::HotArray};
use crate::{
    array::ArrayState,
    limits::{DEMANDS_MAX, QUEUES_MAX},
    queues::QueueCounts,
    record::Pause,
    reply::Refusal,
    spec::Demand,
};

/// What jobs must share to be interchangeable for placement, and to be held together.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Line {
    pub(crate) queue: Arc<str>,
    pub(crate) demand: Demand,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Queues {
    by_name: BTreeMap<Arc<str>, HotQueue>,
    lines: usize,
    paused: usize,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct HotQueue {
    /// How many live jobs have each line.
    lines: BTreeMap<ByDemand, u64>,
    pub(crate) counts: QueueCounts,
    pub(crate) pause: Option<Pause>,
}

/// A line, looked up by its demand within its queue.
#[derive(Debug, PartialEq, Eq)]
struct ByDemand(Arc<Line>);

impl Borrow<Demand> for ByDemand {
    fn borrow(&self) -> &Demand {
        &self.0.demand
    }
}

impl Ord for ByDemand {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.demand.cmp(&other.0.demand)
    }
}

impl PartialOrd for ByDemand {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Queues {
    /// Whether a job of this queue with this demand may come in.
    pub(crate) fn admit(&self, queue: &str, demand: &Demand) -> Result<(), Refusal> {
        self.admit_name(queue)?;
        let known = self.find(queue).is_some_and(|queue| queue.lines.contains_key(demand));
        if known || self.lines < DEMANDS_MAX { Ok(()) } else { Err(Refusal::DemandsAreExhausted) }
    }

    /// Whether one queue of this name more may be known.
    pub(crate) fn admit_name(&self, queue: &str) -> Result<(), Refusal> {
        let fits = self.by_name.len() < QUEUES_MAX || self.by_name.contains_key(queue);
        if fits { Ok(()) } else { Err(Refusal::QueuesAreExhausted) }
    }

    pub(crate) fn intern(&mut self, name: &str, demand: &Demand) -> Arc<Line> {
        let (name, queue) = self.enter(name);
        if let Some((line, _)) = queue.lines.get_key_value(demand) {
            let line = Arc::clone(&line.0);
            *queue.lines.get_mut(demand).expect("just found") += 1;
            return line;
        }
        let line = Arc::new(Line { queue: name, demand: demand.clone() });
        queue.lines.insert(ByDemand(Arc::clone(&line)), 1);
        self.lines += 1;
        line
    }

    pub(crate) fn release(&mut self, line: Arc<Line>) {
        let queue = self.by_name.get_mut(&line.queue).expect("R5: a live job's queue is known");
        let jobs = queue.lines.get_mut(&line.demand).expect("R5: a job's line is interned while it lives");
        *jobs -= 1;
        if *jobs == 0 {
            queue.lines.remove(&line.demand);
            self.lines -= 1;
            self.forget_idle(&line.queue);
        }
    }

    pub(crate) fn find(&self, queue: &str) -> Option<&HotQueue> {
        self.by_name.get(queue)
    }

    /// Every queue by name, from the first that follows another one on.
    pub(crate) fn after(&self, queue: Option<&str>) -> impl Iterator<Item = (&str, &HotQueue)> {
        use std::ops::Bound::{Excluded, Unbounded};
        let after = queue.map_or(Unbounded, Excluded);
        self.by_name.range::<str, _>((after, Unbounded)).map(|(name, queue)| (&**name, queue))
    }

    pub(crate) fn is_paused(&self, queue: &str) -> bool {
        self.paused > 0 && self.pause_of(queue).is_some()
    }

    pub(crate) fn pause_of(&self, queue: &str) -> Option<&Pause> {
        self.find(queue)?.pause.as_ref()
    }

    pub(crate) const fn paused(&self) -> usize {
        self.paused
    }

    /// Pauses a queue, or lets it go on, and gives its lines: those that it costs to do so.
    pub(crate) fn set_pause(&mut self, name: &str, pause: Option<Pause>) -> Vec<Arc<Line>> {
        let (_, queue) = self.enter(name);
        let (was, is) = (queue.pause.is_some(), pause.is_some());
        queue.pause = pause;
        let lines = queue.lines.keys().map(|line| Arc::clone(&line.0)).collect();
        self.paused = self.paused + usize::from(is) - usize::from(was);
        self.forget_idle(name);
        lines
    }

    pub(crate) fn count(&mut self, queue: &str, counts: QueueCounts) {
        self.change(queue, |known| known.with(counts));
    }

    pub(crate) fn uncount(&mut self, queue: &str, counts: QueueCounts) {
        self.change(queue, |known| known.without(counts));
    }

    fn change(&mut self, queue: &str, change: impl FnOnce(QueueCounts) -> QueueCounts) {
        let queue = self.by_name.get_mut(queue).expect("R5: a live job's queue is known");
        queue.counts = change(queue.counts);
    }

    fn enter(&mut self, name: &str) -> (Arc<str>, &mut HotQueue) {
        let known = self.by_name.get_key_value(name).map(|(name, _)| Arc::clone(name));
        let name = known.unwrap_or_else(|| Arc::from(name));
        match self.by_name.entry(Arc::clone(&name)) {
            Entry::Occupied(queue) => (name, queue.into_mut()),
            Entry::Vacant(place) => (name, place.insert(HotQueue::default())),
        }
    }

    fn forget_idle(&mut self, name: &str) {
        if self.by_name.get(name).is_some_and(|queue| queue.lines.is_empty() && queue.pause.is_none()) {
            self.by_name.remove(name);
        }
    }
}

impl HotQueue {
    pub(crate) fn lines(&self) -> impl Iterator<Item = &Arc<Line>> {
        self.lines.keys().map(|line| &line.0)
    }
}

impl QueueCounts {
    /// One job; a task is counted by its array.
    pub(super) fn of_job(job: &HotJob) -> Self {
        let mut counts = Self::default();
        *match &job.stage {
            Stage::Pausing => &mut counts.pausing,
            Stage::Queued => &mut counts.waiting,
            Stage::Held => &mut counts.held,
            Stage::Placed(hold) if hold.stopping.is_some() => &mut counts.stopping,
            Stage::Placed(_) => &mut counts.running,
        } = 1;
        counts
    }

    /// All live tasks of an array.
    pub(super) fn of_array(array: &HotArray) -> Self {
        let (progress, tasks) = (&array.progress, &array.progress.counts);
        let queued = u64::from(tasks.waiting) + u64::from(tasks.queued);
        let mut counts = Self {
            pausing: tasks.backing_off.into(),
            running: tasks.running.into(),
            stopping: tasks.stopping.into(),
            ..Self::default()
        };
        match progress.state {
            ArrayState::Delayed { .. } => counts.pausing += queued,
            _ if progress.paused.is_some() => counts.held += queued,
            _ => counts.waiting += queued,
        }
        counts
    }
}
