//! The hot state: an index over the live tables, and nothing else (R5).
//!
//! Every value here is derived from one record by [`Hot::index_job`] or [`Nodes::put`], so that a rebuild from the
//! tables is equal by construction. No cost here grows with the number of queued or ended jobs, beyond a tree's depth.

pub(crate) mod arrays;
pub(crate) mod demands;
pub(crate) mod nodes;
pub(crate) mod queue;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use self::{
    arrays::Arrays,
    demands::Demands,
    nodes::Nodes,
    queue::{Queue, Rank},
};
use crate::{
    defect::Defect,
    ids::{JobId, NodeId},
    outcome::StopCause,
    record::{JobRecord, JobState, Placed},
    spec::Demand,
    units::Millis,
};

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Hot {
    pub(crate) jobs: BTreeMap<JobId, HotJob>,
    pub(crate) demands: Demands,
    pub(crate) queue: Queue,
    pub(crate) timers: BTreeSet<(Millis, JobId)>,
    pub(crate) nodes: Nodes,
    pub(crate) arrays: Arrays,
    pub(crate) defect: Defect,
}

/// What planning, timers and fences need of a live job.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HotJob {
    pub(crate) demand: Arc<Demand>,
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
        let demand = self.demands.intern(&record.demand);
        let rank = Rank::of(record);
        let stage = Stage::of(&record.state);
        match &stage {
            // A task's array stands in line for it.
            Stage::Queued if !record.id.is_plain() => self.requeue_task(record.id, true),
            Stage::Queued => self.queue.insert(rank, record.id, &demand),
            Stage::Placed(hold) => {
                let share = self.holds_place(hold.stopping).then_some(&demand.resources);
                self.nodes.take(&hold.placed, record.id, hold.stopping, share);
            }
            Stage::Pausing => {}
        }
        if let Some(node) = record.reserved {
            self.nodes.reserve(node, rank, record.id);
        }
        let due = record.due();
        self.timers.extend(due.map(|due| (due, record.id)));
        let job = HotJob { demand, rank, stage, due, reserved: record.reserved };
        let previous = self.jobs.insert(record.id, job);
        assert!(previous.is_none(), "R5: a job is indexed once");
    }

    /// Takes a job out, with all that was derived from it.
    pub(crate) fn unindex_job(&mut self, id: JobId) {
        let Some(job) = self.jobs.remove(&id) else {
            return;
        };
        match job.stage {
            Stage::Queued if !id.is_plain() => self.requeue_task(id, false),
            Stage::Queued => self.queue.remove(job.rank, &job.demand),
            Stage::Placed(hold) => {
                let share = self.holds_place(hold.stopping).then_some(&job.demand.resources);
                self.nodes.give_back(&hold.placed, share);
            }
            Stage::Pausing => {}
        }
        if let Some(node) = job.reserved {
            self.nodes.release(node);
        }
        if let Some(due) = job.due {
            self.timers.remove(&(due, id));
        }
        self.demands.release(job.demand);
    }

    /// R18: a stopping attempt keeps its place until it has ended.
    fn holds_place(&self, stopping: Option<StopCause>) -> bool {
        !(stopping == Some(StopCause::Cancel) && self.defect.is(Defect::SlotFreedAtCancel))
    }
}

impl Stage {
    fn of(state: &JobState) -> Self {
        let hold = |placed: &Placed, stopping| Self::Placed(Box::new(Hold { placed: *placed, stopping }));
        match state {
            JobState::Queued { .. } => Self::Queued,
            JobState::Running(placed) => hold(placed, None),
            JobState::Stopping { placed, cause, .. } => hold(placed, Some(*cause)),
            _ => Self::Pausing,
        }
    }
}
