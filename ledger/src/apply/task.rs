//! Tasks of arrays: they get their place from their array's one in the queue, and from then on are jobs like any other.
//!
//! A task has a record from its first attempt on (or from its own cancellation); its array counts it before and after.

use crate::{
    apply::{
        Outcome,
        transaction::{Transaction, len},
    },
    array::{self, ArrayProgress, ArrayState, TaskPage, TaskRecord},
    command::Assign,
    event::Event,
    hot::arrays::HotArray,
    ids::JobId,
    ledger::Records,
    limits::{ARRAY_OUTPUT_BYTES_MAX, LIVE_ARRAY_OUTPUT_BYTES_MAX, OVERTAKINGS_MAX},
    outcome::{Tail, Tails},
    place::Wish,
    record::{JobRecord, JobState},
    reply::{Refusal, Reply},
    spec::JobSpec,
    tables,
    units::Bytes,
};

/// What tells a job that repeats a task which one: nobody else may set it.
const INDEX_VARIABLE: &str = "QUORLA_ARRAY_INDEX";

impl<R: Records> Transaction<'_, R> {
    /// Gives the next task of an array a place.
    pub(crate) fn assign_task(&mut self, assign: &Assign) -> Outcome {
        let Some(array) = self.hot().arrays.find(assign.job) else {
            let is_live = self.hot().jobs.contains_key(&assign.job);
            return Err(if is_live { Refusal::JobIsNotQueued } else { Refusal::JobIsUnknown });
        };
        if !array.in_line || self.hot().queues.is_paused(&array.line.queue) {
            return Err(Refusal::JobIsNotQueued);
        }
        self.check_place(assign, &array.wish())?;
        let task = self.take_task(assign.job);
        Ok(Reply::Assigned(self.start_on(task, assign.node)))
    }

    /// The next task of an array that stands in line: one that waits again before one that never ran.
    pub(crate) fn take_task(&mut self, id: JobId) -> JobRecord {
        let array = self.hot().arrays.find(id).expect("R5: a queued array lives");
        let (record, requeued) = (std::sync::Arc::clone(&array.record), array.requeued.first().copied());
        let changed = |progress: &mut ArrayProgress| (progress.overtaken, progress.reserved) = (0, None);
        if let Some(task) = requeued {
            self.change_array(id, changed);
            return self.live_job(task).expect("R5: a queued task lives");
        }
        let ArrayState::Open { since } = array.progress.state else { unreachable!("only open arrays stand in line") };
        let index = self.next_waiting(array).expect("an array counts the tasks that wait");
        self.change_array(id, |progress| {
            changed(progress);
            progress.next = index + 1;
            progress.counts.waiting -= 1;
        });
        record.task(index, TaskRecord::fresh(JobState::Queued { since }, self.event_sequence()))
    }

    /// Stores a task where its state puts it, and lets its array count it.
    pub(crate) fn save_task(&mut self, record: &JobRecord) {
        let (array, index) = record.id.of_task().expect("the caller looked");
        let before = self.hot().jobs.get(&record.id).map(|job| job.stage.of_task());
        self.hot_mut().unindex_job(record.id);
        let stored = TaskRecord::of(record);
        let mut bytes = Bytes(0);
        if record.state.is_ended() {
            if before.is_some() {
                self.delete(tables::live_task(record.id));
            }
            let stored = self.put(tables::ended_task(record.id), &stored);
            self.meta().live_bytes.0 += stored.0;
            bytes.0 = stored.0 + record.kept_bytes.0;
            if !matches!(record.state, JobState::Succeeded { .. }) {
                self.mark(tables::unsucceeded(array, TaskPage::of(index)), index);
            }
            self.happen(Event::JobEnded(record.id));
        } else {
            self.put(tables::live_task(record.id), &stored);
            self.hot_mut().index_job(record);
        }
        self.change_array(array, |progress| {
            if let Some(stage) = before {
                progress.counts.leave(stage);
            }
            progress.counts.enter(&record.state);
            progress.kept_bytes.0 += bytes.0;
        });
    }

    pub(crate) fn live_task(&self, task: JobId) -> Option<JobRecord> {
        let (array, index) = task.of_task()?;
        let array = self.hot().arrays.find(array)?;
        Some(array.record.task(index, self.read(&tables::live_task(task))?))
    }

    pub(crate) fn ended_task(&self, task: JobId) -> Option<JobRecord> {
        array::task_record(&|key| self.read_bytes(key), task).filter(|task| task.state.is_ended())
    }

    /// A task that never had a place and could still get one, taken out of those that wait.
    pub(crate) fn waiting_task(&mut self, task: JobId) -> Option<JobRecord> {
        let (id, index) = task.of_task()?;
        self.find_waiting(id, index)?;
        let sequence = self.event_sequence();
        let array = self.hot().arrays.find(id).expect("just found");
        let record = array.record.task(index, TaskRecord::fresh(array.progress.state_of_waiting(), sequence));
        self.mark(tables::holes(id, TaskPage::of(index)), index);
        self.change_array(id, |progress| {
            progress.holed = true;
            progress.counts.waiting -= 1;
        });
        Some(record)
    }

    /// The specification of a task that has ended, as one of a job.
    pub(crate) fn spec_of_task(&self, array: JobId, index: u32) -> Result<JobSpec, Refusal> {
        if self.find_waiting(array, index).is_some() {
            return Err(Refusal::JobIsLive);
        }
        let work = array::task_work(&|key| self.read_bytes(key), array.task(index));
        let (_, mut spec) = work.ok_or(Refusal::JobIsUnknown)?;
        spec.env.insert(INDEX_VARIABLE.to_owned(), index.to_string());
        Ok(spec)
    }

    /// What of an attempt's output its array may still keep: beyond its budget, and that of all arrays, only the size.
    pub(crate) fn within_budget(&self, task: JobId, tails: Tails) -> Tails {
        let Some(array) = task.of_task().and_then(|(array, _)| self.hot().arrays.find(array)) else { return tails };
        let bytes = len(&tails.stdout.bytes).0 + len(&tails.stderr.bytes).0;
        let (own, all) = (array.progress.tail_bytes.0, self.hot().arrays.tail_bytes());
        if own + bytes <= ARRAY_OUTPUT_BYTES_MAX && all + bytes <= LIVE_ARRAY_OUTPUT_BYTES_MAX {
            return tails;
        }
        Tails { stdout: tails.stdout.without_bytes(), stderr: tails.stderr.without_bytes() }
    }

    pub(crate) fn count_tails(&mut self, task: JobId, bytes: Bytes) {
        if let Some((array, _)) = task.of_task() {
            self.change_array(array, |progress| progress.tail_bytes.0 += bytes.0);
        }
    }

    pub(crate) fn uncount_tails(&mut self, task: JobId, bytes: Bytes) {
        if let Some((array, _)) = task.of_task() {
            self.change_array(array, |progress| progress.tail_bytes.0 -= bytes.0);
        }
    }

    /// As [`Self::overtake`] does it for a job.
    pub(crate) fn overtake_array(&mut self, id: JobId) {
        let array = self.hot().arrays.find(id).expect("R5: queued arrays live");
        if array.progress.reserved.is_some() {
            return;
        }
        let overtaken = (array.progress.overtaken + 1).min(OVERTAKINGS_MAX);
        let reserved = match overtaken {
            OVERTAKINGS_MAX => self.keep_free(&array.record.demand),
            _ => None,
        };
        if let Some(node) = reserved {
            self.happen(Event::NodeReserved { job: id, node });
        }
        self.change_array(id, |progress| (progress.overtaken, progress.reserved) = (overtaken, reserved));
    }

    /// Changes how far an array is; written once the command is done.
    pub(crate) fn change_array<T>(&mut self, id: JobId, change: impl FnOnce(&mut ArrayProgress) -> T) -> T {
        self.arrays_changed.insert(id);
        self.hot_mut().change_array(id, change)
    }

    /// Marks one task on a page.
    fn mark(&mut self, key: Vec<u8>, index: u32) {
        let mut page: TaskPage = self.read(&key).unwrap_or_default();
        page.mark(index);
        self.put(key, &page);
    }

    fn find_waiting(&self, array: JobId, index: u32) -> Option<()> {
        let array = self.hot().arrays.find(array)?;
        let waits = array.record.covers(index) && index >= array.progress.next && array.progress.closed.is_none();
        (waits && !self.is_hole(array, index)).then_some(())
    }

    fn is_hole(&self, array: &HotArray, index: u32) -> bool {
        let page = || self.read::<TaskPage>(&tables::holes(array.record.id, TaskPage::of(index)));
        array.progress.holed && page().is_some_and(|page| page.has(index))
    }

    /// The first index from `next` on that is no hole: looks at each page once.
    fn next_waiting(&self, array: &HotArray) -> Option<u32> {
        let (next, last) = (array.progress.next, array.record.last);
        if !array.progress.holed {
            return (next <= last).then_some(next);
        }
        (TaskPage::of(next)..=TaskPage::of(last)).find_map(|number| {
            let page: Option<TaskPage> = self.read(&tables::holes(array.record.id, number));
            let mut indices =
                TaskPage::indices(number).skip_while(|index| *index < next).take_while(|index| *index <= last);
            indices.find(|index| page.as_ref().is_none_or(|page| !page.has(*index)))
        })
    }
}

impl HotArray {
    /// The array as one that wants a place for its next task.
    pub(crate) fn wish(&self) -> Wish<'_> {
        Wish { job: self.record.id, rank: self.rank, demand: &self.line.demand }
    }
}

impl Tail {
    fn without_bytes(self) -> Self {
        Self { dropped: Bytes(self.dropped.0.saturating_add(len(&self.bytes).0)), bytes: Vec::new() }
    }
}
