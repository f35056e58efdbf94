//! The hot state: an index over the live tables, and nothing else (R5).
//!
//! Every value here is derived from one record by [`Hot::index_job`] or [`Nodes::put`], so that a rebuild from the
//! tables is equal by construction. No cost here grows with the number of queued or ended jobs, beyond a tree's depth.

pub(crate) mod arrays;
pub(crate) mod nodes;
pub(crate) mod queue;
pub(crate) mod queues;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use self::{
    arrays::Arrays,
    nodes::Nodes,
    queue::{Queue, Rank},
    queues::{Line, Queues},
};
use crate::{
    defect::Defect,
    ids::{JobId, NodeId},
    outcome::StopCause,
    queues::QueueCounts,
    record::{JobRecord, JobState, Pause, Placed},
    units::Millis,
};

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Hot {
    pub(crate) jobs: BTreeMap<JobId, HotJob>,
    pub(crate) queues: Queues,
    pub(crate) queue: Queue,
    pub(crate) timers: BTreeSet<(Millis, JobId)>,
    pub(crate) nodes: Nodes,
    pub(crate) arrays: Arrays,
    pub(crate) defect: Defect,
}

/// What planning, timers and fences need of a live job.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HotJob {
    pub(crate) line: Arc<Line>,
    pub(crate) rank: Rank,
    pub(crate) stage: Stage,
    due: Option<Millis>,
    reserved: Option<NodeId>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Delayed or backing off.
    Pausing,
    Queued,
    /// As queued, and paused: in no line.
    Held,
    /// Boxed, so that those that wait, which may be very many, are small.
    Placed(Box<Hold>),
}

/// What a running or stopping job holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hold {
    pub(crate) placed: Placed,
    pub(crate) stopping: Option<StopCause>,
}

impl Hot {
    /// Takes a live job in; it must not be in yet.
    pub(crate) fn index_job(&mut self, record: &JobRecord) {
        let line = self.queues.intern(&record.queue, &record.demand);
        let rank = Rank::of(record);
        let stage = Stage::of(record);
        match &stage {
            // A task's array stands in line for it.
            Stage::Queued if !record.id.is_plain() => self.requeue_task(record.id, true),
            Stage::Queued => self.queue.insert(rank, record.id, &line, self.queues.is_paused(&line.queue)),
            Stage::Placed(hold) => {
                let share = self.holds_place(hold.stopping).then_some(&line.demand.resources);
                self.nodes.take(&hold.placed, record.id, hold.stopping, share);
            }
            Stage::Pausing | Stage::Held => {}
        }
        if let Some(node) = record.reserved {
            self.nodes.reserve(node, rank, record.id);
        }
        let due = record.due();
        self.timers.extend(due.map(|due| (due, record.id)));
        let job = HotJob { line, rank, stage, due, reserved: record.reserved };
        if record.id.is_plain() {
            self.queues.count(&record.queue, QueueCounts::of_job(&job));
        }
        let previous = self.jobs.insert(record.id, job);
        assert!(previous.is_none(), "R5: a job is indexed once");
    }

    /// Takes a job out, with all that was derived from it.
    pub(crate) fn unindex_job(&mut self, id: JobId) {
        let Some(job) = self.jobs.remove(&id) else {
            return;
        };
        if id.is_plain() {
            self.queues.uncount(&job.line.queue, QueueCounts::of_job(&job));
        }
        match job.stage {
            Stage::Queued if !id.is_plain() => self.requeue_task(id, false),
            Stage::Queued => self.queue.remove(job.rank, &job.line),
            Stage::Placed(hold) => {
                let share = self.holds_place(hold.stopping).then_some(&job.line.demand.resources);
                self.nodes.give_back(&hold.placed, share);
            }
            Stage::Pausing | Stage::Held => {}
        }
        if let Some(node) = job.reserved {
            self.nodes.release(node);
        }
        if let Some(due) = job.due {
            self.timers.remove(&(due, id));
        }
        self.queues.release(job.line);
    }

    /// Takes a queue's lines out of those that are looked at, or puts them back: what it costs follows their number, not
    /// that of jobs.
    pub(crate) fn pause_queue(&mut self, queue: &str, pause: Option<Pause>) {
        let holds = pause.is_some();
        for line in self.queues.set_pause(queue, pause) {
            self.queue.hold(&line, holds);
        }
    }

    /// The queue of a live job, task or array.
    pub(crate) fn queue_of(&self, id: JobId) -> Option<&str> {
        let of_array = || self.arrays.find(id.of_task().map_or(id, |(array, _)| array)).map(|array| &array.line);
        let line = if id.is_plain() { self.jobs.get(&id).map(|job| &job.line) } else { of_array() };
        line.map(|line| &*line.queue)
    }

    /// R18: a stopping attempt keeps its place until it has ended.
    fn holds_place(&self, stopping: Option<StopCause>) -> bool {
        !(stopping == Some(StopCause::Cancel) && self.defect.is(Defect::SlotFreedAtCancel))
    }
}

impl Stage {
    fn of(record: &JobRecord) -> Self {
        let hold = |placed: &Placed, stopping| Self::Placed(Box::new(Hold { placed: *placed, stopping }));
        match &record.state {
            JobState::Queued { .. } if record.paused.is_some() => Self::Held,
            JobState::Queued { .. } => Self::Queued,
            JobState::Running(placed) => hold(placed, None),
            JobState::Stopping { placed, cause, .. } => hold(placed, Some(*cause)),
            _ => Self::Pausing,
        }
    }
}
