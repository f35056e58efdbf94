//! Live arrays with what planning needs of them. Each stands in line once, however many of its tasks wait; those that wait
//! for another attempt are named, for there are few of them, and go first.
//!
//! Everything here follows from the arrays' records and those of their live tasks (R5).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{Hot, HotJob, Stage, queue::Rank, queues::Line};
use crate::{
    array::{ArrayProgress, ArrayRecord, TaskStage, UploadRecord},
    defect::Defect,
    ids::{JobId, NodeId},
    queues::QueueCounts,
    units::Millis,
};

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Arrays {
    live: BTreeMap<JobId, HotArray>,
    /// Those with tasks that are still to be stopped.
    stopping: BTreeSet<JobId>,
    uploads: BTreeMap<JobId, UploadRecord>,
    tasks: u64,
    tail_bytes: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HotArray {
    pub(crate) record: Arc<ArrayRecord>,
    pub(crate) progress: ArrayProgress,
    pub(crate) line: Arc<Line>,
    pub(crate) rank: Rank,
    /// Tasks that wait for another attempt.
    pub(crate) requeued: BTreeSet<JobId>,
    pub(crate) in_line: bool,
    due: Option<Millis>,
    reserved: Option<NodeId>,
    /// Its output as the sum over all arrays counts it.
    tail_bytes: u64,
}

impl HotArray {
    /// Tasks that hold a place, by which its cap is counted (R18: until their attempt has ended).
    fn placed(&self, defect: Defect) -> u32 {
        let counts = &self.progress.counts;
        counts.running + if defect.is(Defect::CapForgetsStopping) { 0 } else { counts.stopping }
    }

    /// How many tasks it may start one after another as things stand.
    pub(crate) fn ready(&self, defect: Defect) -> u32 {
        let room = self.record.running_max.map_or(u32::MAX, |max| max.saturating_sub(self.placed(defect)));
        self.progress.ready().min(room)
    }
}

impl Arrays {
    pub(crate) fn find(&self, array: JobId) -> Option<&HotArray> {
        self.live.get(&array)
    }

    pub(crate) fn len(&self) -> usize {
        self.live.len()
    }

    /// Tasks of all of them, ended ones included.
    pub(crate) const fn tasks(&self) -> u64 {
        self.tasks
    }

    /// Bytes of output that their tasks keep.
    pub(crate) const fn tail_bytes(&self) -> u64 {
        self.tail_bytes
    }

    /// The first array with tasks to be stopped.
    pub(crate) fn stopping(&self) -> Option<JobId> {
        self.stopping.first().copied()
    }

    pub(crate) const fn uploads(&self) -> &BTreeMap<JobId, UploadRecord> {
        &self.uploads
    }

    pub(crate) fn put_upload(&mut self, upload: UploadRecord) {
        self.uploads.insert(upload.id, upload);
    }

    pub(crate) fn remove_upload(&mut self, upload: JobId) -> Option<UploadRecord> {
        self.uploads.remove(&upload)
    }
}

impl Hot {
    /// Takes a live array in; it must not be in yet.
    pub(crate) fn put_array(&mut self, record: ArrayRecord, progress: ArrayProgress) {
        let line = self.queues.intern(&record.queue, &record.demand);
        let rank = Rank::new(record.priority, record.order);
        let id = record.id;
        self.arrays.tasks += u64::from(record.tasks);
        let record = Arc::new(record);
        let requeued = BTreeSet::new();
        let (due, reserved, tail_bytes) = (None, None, 0);
        let array = HotArray { record, progress, line, rank, requeued, in_line: false, due, reserved, tail_bytes };
        self.queues.count(&array.line.queue, QueueCounts::of_array(&array));
        let previous = self.arrays.live.insert(id, array);
        assert!(previous.is_none(), "R5: an array is indexed once");
        self.settle_array(id);
    }

    /// Changes how far an array is, and whatever follows from it.
    pub(crate) fn change_array<T>(&mut self, id: JobId, change: impl FnOnce(&mut ArrayProgress) -> T) -> T {
        let array = self.arrays.live.get_mut(&id).expect("the caller looked");
        let before = QueueCounts::of_array(array);
        let changed = change(&mut array.progress);
        let after = QueueCounts::of_array(array);
        if before != after {
            self.queues.uncount(&array.line.queue, before);
            self.queues.count(&array.line.queue, after);
        }
        self.settle_array(id);
        changed
    }

    /// Takes an array out, which has no live task.
    pub(crate) fn remove_array(&mut self, id: JobId) -> (Arc<ArrayRecord>, ArrayProgress) {
        let array = self.arrays.live.remove(&id).expect("the caller looked");
        let idle = !array.in_line && array.due.is_none() && array.reserved.is_none() && array.requeued.is_empty();
        assert!(idle, "an array ends with its last task");
        self.arrays.stopping.remove(&id);
        self.arrays.tasks -= u64::from(array.record.tasks);
        self.arrays.tail_bytes -= array.tail_bytes;
        self.queues.uncount(&array.line.queue, QueueCounts::of_array(&array));
        self.queues.release(array.line);
        (array.record, array.progress)
    }

    /// Makes line, timer, reservation and sums what the array's progress says.
    fn settle_array(&mut self, id: JobId) {
        let array = self.arrays.live.get_mut(&id).expect("the caller looked");
        let placed = array.placed(self.defect);
        let (record, progress) = (&array.record, &mut array.progress);
        let wants_place = progress.wants_place(record, placed);
        if !wants_place {
            progress.reserved = None;
        }
        if wants_place != array.in_line {
            array.in_line = wants_place;
            match wants_place {
                true => self.queue.insert(array.rank, id, &array.line, self.queues.is_paused(&array.line.queue)),
                false => self.queue.remove(array.rank, &array.line),
            }
        }
        let due = progress.due(&record.timeouts, record.submitted_at);
        if due != array.due {
            array.due.map(|due| self.timers.remove(&(due, id)));
            self.timers.extend(due.map(|due| (due, id)));
            array.due = due;
        }
        if progress.reserved != array.reserved {
            if let Some(node) = array.reserved {
                self.nodes.release(node);
            }
            if let Some(node) = progress.reserved {
                self.nodes.reserve(node, array.rank, id);
            }
            array.reserved = progress.reserved;
        }
        let counted = std::mem::replace(&mut array.tail_bytes, progress.tail_bytes.0);
        self.arrays.tail_bytes = self.arrays.tail_bytes + array.tail_bytes - counted;
        match progress.stop_from {
            Some(_) => self.arrays.stopping.insert(id),
            None => self.arrays.stopping.remove(&id),
        };
    }

    /// A task waits for another attempt, or does no more.
    pub(super) fn requeue_task(&mut self, task: JobId, waits: bool) {
        let (array, _) = task.of_task().expect("the caller looked");
        let array = self.arrays.live.get_mut(&array).expect("R5: a live task's array lives");
        if waits {
            array.requeued.insert(task);
        } else {
            array.requeued.remove(&task);
        }
    }

    /// How many tasks or jobs an entry of the queue stands for.
    pub(crate) fn multiplicity(&self, id: JobId) -> u32 {
        self.arrays.find(id).map_or(1, |array| array.ready(self.defect))
    }

    /// The array's live tasks from an index on, with what planning knows of them.
    pub(crate) fn live_tasks(&self, array: JobId, from: u32) -> impl Iterator<Item = (JobId, &HotJob)> {
        let last = self.arrays.find(array).map_or(from, |array| array.record.last.max(from));
        self.jobs.range(array.task(from)..=array.task(last)).map(|(task, job)| (*task, job))
    }
}

impl Stage {
    /// The same, as an array counts it.
    pub(crate) const fn of_task(&self) -> TaskStage {
        match self {
            Self::Pausing => TaskStage::BackingOff,
            Self::Queued | Self::Held => TaskStage::Queued,
            Self::Placed(hold) if hold.stopping.is_some() => TaskStage::Stopping,
            Self::Placed(_) => TaskStage::Running,
        }
    }
}
