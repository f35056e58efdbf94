//! Arrays come in, are called off, and end with their last task: `SubmitArray`, and `Retry` and `Cancel` of an array.

use crate::{
    apply::{
        Outcome,
        job::check_kind,
        request::{self, Seen},
        transaction::{Transaction, len},
    },
    array::{self, ArrayProgress, ArrayRecord, ArrayState, Closed, Kept, TaskCounts, TaskPage},
    codec,
    command::{Request, SubmitArray, Tasks},
    event::Event,
    ids::JobId,
    ledger::Records,
    limits::{ARRAYS_MAX, LIVE_TASKS_MAX, Limit, TASKS_STOPPED_MAX},
    outcome::{Deadline, StopCause},
    record::Stored,
    reply::{Refusal, Reply},
    spec::{
        JobSpec,
        check::{SpecFault, within},
    },
    tables,
    units::{Bytes, Millis},
};

/// What a new array is made of.
struct NewArray<'a> {
    request: &'a Request,
    digest: request::Digest,
    spec: JobSpec,
    seed: u64,
    retry_of: Option<JobId>,
    first: u32,
    last: u32,
    tasks: u32,
    running_max: Option<u32>,
    items_of: Option<JobId>,
    item_bytes_max: u32,
    /// Bytes of items that become its own; they are counted as live already.
    item_bytes: Bytes,
    holed: bool,
}

impl<R: Records> Transaction<'_, R> {
    pub(crate) fn submit_array(&mut self, submit: &SubmitArray) -> Outcome {
        check(submit)?;
        let SubmitArray { request, spec, tasks, running_max, seed } = submit;
        let digest = request::digest("array", &codec::encode(&(spec, tasks, running_max)));
        if let Seen::Before(reply) = self.admit(request, &digest)? {
            self.give_up_upload(request);
            return Ok(reply);
        }
        let (first, last, upload) = match tasks {
            Tasks::Range { first, last } => (*first, *last, None),
            Tasks::Items { count, digest } => (0, count - 1, Some(self.complete_upload(request, *count, digest)?)),
        };
        let item_bytes_max = upload.as_ref().map_or_else(|| digits(last), |upload| upload.item_bytes_max);
        within(Limit::ArgumentBytes, array::widest(&spec.command, item_bytes_max)).map_err(Refusal::SpecIsInvalid)?;
        let new = NewArray {
            request,
            digest,
            spec: spec.clone(),
            seed: *seed,
            retry_of: None,
            first,
            last,
            tasks: last - first + 1,
            running_max: *running_max,
            items_of: upload.as_ref().map(|upload| upload.id),
            item_bytes_max,
            item_bytes: upload.as_ref().map_or(Bytes(0), |upload| upload.bytes),
            holed: false,
        };
        let reply = self.accept_array(new)?;
        if let Some(upload) = upload {
            self.delete(tables::upload(upload.id));
            self.hot_mut().arrays.remove_upload(upload.id);
        }
        Ok(reply)
    }

    /// Accepts an array of those tasks of an ended one that did not succeed.
    pub(crate) fn retry_array(&mut self, request: &Request, digest: request::Digest, of: JobId, seed: u64) -> Outcome {
        if self.hot().arrays.find(of).is_some() {
            return Err(Refusal::JobIsLive);
        }
        let Kept { record, progress } = self.kept_array(of).ok_or(Refusal::JobIsUnknown)?;
        let tasks = progress.counts.unsucceeded();
        if tasks == 0 {
            return Err(Refusal::NothingToRetry);
        }
        let mut spec: JobSpec = self.read(&tables::spec(of)).expect("a specification is kept with its array");
        spec.not_before = None;
        let ArrayRecord { first, last, running_max, items_of, item_bytes_max, .. } = record;
        let reply = self.accept_array(NewArray {
            request,
            digest,
            spec,
            seed,
            retry_of: Some(of),
            first,
            last,
            tasks,
            running_max,
            items_of,
            item_bytes_max,
            item_bytes: Bytes(0),
            holed: true,
        })?;
        for page in record.pages() {
            let holes = self.holes_of_retry(&record, &progress, page);
            self.put(tables::holes(request.id, page), holes);
        }
        if let Some(owner) = items_of {
            self.lend_items(owner, |borrowers| borrowers + 1);
        }
        Ok(reply)
    }

    pub(crate) fn cancel_array(&mut self, id: JobId, reason: Option<String>) -> Result<(), Refusal> {
        let Some(array) = self.hot().arrays.find(id) else {
            let Kept { progress, .. } = self.kept_array(id).ok_or(Refusal::JobIsUnknown)?;
            let at = progress.ended_at().expect("an array that is not live has ended");
            return Err(Refusal::JobHasEnded(progress.end(at)));
        };
        if array.progress.cancelled {
            return Ok(());
        }
        let first = array.record.first;
        self.change_array(id, |progress| {
            (progress.cancelled, progress.cancel_reason, progress.stop_from) = (true, reason, Some(first));
        });
        self.close_array(id, None);
        self.stop_some(id);
        Ok(())
    }

    /// Goes on where a cancellation or an earlier command of this kind ended.
    pub(crate) fn stop_tasks(&mut self, id: JobId) -> Outcome {
        let array = self.hot().arrays.find(id).ok_or(Refusal::JobIsUnknown)?;
        if array.progress.stop_from.is_none() {
            return Err(Refusal::ArrayIsNotStopping);
        }
        let tasks = self.stop_some(id);
        let more = self.hot().arrays.find(id).is_some_and(|array| array.progress.stop_from.is_some());
        Ok(Reply::TasksStopped { tasks, more })
    }

    pub(crate) fn fire_array(&mut self, id: JobId) {
        let now = self.now();
        let array = self.hot().arrays.find(id).expect("R5: a timer belongs to a live array");
        let whole = array.record.timeouts.job.map(|timeout| array.record.submitted_at.after(timeout));
        if whole.is_some_and(|deadline| deadline <= now) {
            return self.close_array(id, Some(Deadline::Job));
        }
        if !matches!(array.progress.state, ArrayState::Delayed { .. }) {
            return self.close_array(id, Some(Deadline::Queue));
        }
        self.change_array(id, |progress| progress.state = ArrayState::Open { since: now });
        self.happen(Event::JobQueued(id));
    }

    /// Writes what this command changed of arrays, and ends those whose last task has ended.
    pub(crate) fn save_arrays(&mut self) {
        for id in std::mem::take(&mut self.arrays_changed) {
            let array = self.hot().arrays.find(id).expect("arrays leave the hot state here only");
            if array.progress.counts.live() == 0 {
                self.end_array(id);
            } else {
                let bytes = codec::encode(&Stored::V1(&array.progress));
                self.put_bytes(tables::live_array(id), bytes);
            }
        }
    }

    fn accept_array(&mut self, new: NewArray<'_>) -> Outcome {
        let NewArray { request, spec, .. } = &new;
        let (id, now) = (request.id, self.now());
        let bytes = codec::encode(&Stored::V1(spec));
        self.check_room(id, spec, len(&bytes))?;
        let tasks = self.hot().arrays.tasks() + u64::from(new.tasks);
        if self.hot().arrays.len() >= ARRAYS_MAX || tasks > LIVE_TASKS_MAX {
            return Err(Refusal::ArraysAreExhausted);
        }
        self.meta().live_bytes.0 += len(&bytes).0;
        self.meta().order += 1;
        let order = self.meta().order;
        let first_event = self.happen(Event::JobSubmitted(id));
        let state = match spec.not_before {
            Some(until) if until > now => ArrayState::Delayed { until },
            _ => ArrayState::Open { since: now },
        };
        if matches!(state, ArrayState::Open { .. }) {
            self.happen(Event::JobQueued(id));
        }
        let progress = ArrayProgress::fresh(&new, state, Bytes(len(&bytes).0 + new.item_bytes.0));
        let (request, digest) = (new.request, new.digest);
        let record = new.record(order, now, first_event);
        self.put(tables::array(id), &record);
        self.put_bytes(tables::spec(id), bytes);
        self.hot_mut().put_array(record, progress);
        self.arrays_changed.insert(id);
        let reply = Reply::Submitted { job: id };
        self.remember(request, digest, &reply);
        Ok(reply)
    }

    /// What waits for a first place ends, all together.
    fn close_array(&mut self, id: JobId, deadline: Option<Deadline>) {
        let at = self.now();
        let tasks = self.change_array(id, |progress| {
            let waiting = std::mem::take(&mut progress.counts.waiting);
            match deadline {
                Some(_) => progress.counts.deadline_exceeded += waiting,
                None => progress.counts.cancelled += waiting,
            }
            if waiting > 0 {
                progress.closed = Some(Closed { at, deadline });
            }
            waiting
        });
        if tasks > 0 {
            self.happen(Event::TasksClosed { array: id, tasks, deadline });
        }
    }

    fn stop_some(&mut self, id: JobId) -> u32 {
        let array = self.hot().arrays.find(id).expect("the caller looked");
        let from = array.progress.stop_from.expect("the caller looked");
        let tasks = self.hot().live_tasks(id, from).take(TASKS_STOPPED_MAX);
        let tasks: Vec<JobId> = tasks.map(|(task, _)| task).collect();
        for &task in &tasks {
            let record = self.live_job(task).expect("R5: hot tasks live");
            self.call_off(record, StopCause::Cancel);
        }
        let last = tasks.last().filter(|_| tasks.len() == TASKS_STOPPED_MAX);
        let next = last.and_then(|task| task.of_task()).map(|(_, index)| index + 1);
        self.change_array(id, |progress| progress.stop_from = next);
        u32::try_from(tasks.len()).expect("bounded above")
    }

    fn end_array(&mut self, id: JobId) {
        let (record, mut progress) = self.hot_mut().remove_array(id);
        let at = self.now();
        progress.state = ArrayState::Ended { at };
        progress.stop_from = None;
        self.delete(tables::live_array(id));
        self.put(tables::ended_array(id), &progress);
        self.put_key(tables::array_ended_at(at, id));
        let meta = self.meta();
        meta.live_bytes.0 -= progress.kept_bytes.0;
        meta.ended_arrays += 1;
        meta.ended_tasks += u64::from(record.tasks);
        meta.ended_array_bytes.0 += progress.kept_bytes.0;
        self.happen(Event::JobEnded(id));
    }

    /// The tasks of one page that a retry leaves out.
    fn holes_of_retry(&self, record: &ArrayRecord, progress: &ArrayProgress, number: u32) -> TaskPage {
        let unsucceeded: Option<TaskPage> = self.read(&tables::unsucceeded(record.id, number));
        let holes: Option<TaskPage> = progress.holed.then(|| self.read(&tables::holes(record.id, number))).flatten();
        let has = |page: &Option<TaskPage>, index| page.as_ref().is_some_and(|page| page.has(index));
        let closed_from = progress.closed.map_or(u32::MAX, |_| progress.next);
        let mut left_out = TaskPage::default();
        for index in TaskPage::indices(number) {
            let closed = index >= closed_from && !has(&holes, index);
            if !record.covers(index) || !(closed || has(&unsucceeded, index)) {
                left_out.mark(index);
            }
        }
        left_out
    }

    pub(crate) fn kept_array(&self, id: JobId) -> Option<Kept> {
        array::kept(&|key| self.read_bytes(key), id)
    }

    /// One more or less reads the items of an ended array. While anybody does, retention does not walk past it: as many as
    /// there are, they keep nothing younger.
    pub(crate) fn lend_items(&mut self, owner: JobId, change: impl FnOnce(u32) -> u32) {
        let key = tables::ended_array(owner);
        let mut progress: ArrayProgress = self.read(&key).expect("an array is kept as long as its items are read");
        let at = progress.ended_at().expect("only what has ended is retried");
        let before = progress.borrowers;
        progress.borrowers = change(before);
        match (before, progress.borrowers) {
            (0, 1..) => self.delete(tables::array_ended_at(at, owner)),
            (1.., 0) => self.put_key(tables::array_ended_at(at, owner)),
            _ => {}
        }
        self.put(key, &progress);
    }
}

impl NewArray<'_> {
    fn record(self, order: u64, now: Millis, first_event: u64) -> ArrayRecord {
        let Self { request, spec, .. } = self;
        ArrayRecord {
            id: request.id,
            principal: request.principal,
            name: spec.name,
            queue: spec.queue,
            priority: spec.priority,
            order,
            demand: spec.demand,
            retry: spec.retry,
            timeouts: spec.timeouts,
            seed: self.seed,
            submitted_at: now,
            first_event,
            retry_of: self.retry_of,
            first: self.first,
            last: self.last,
            tasks: self.tasks,
            running_max: self.running_max,
            items_of: self.items_of,
            item_bytes_max: self.item_bytes_max,
        }
    }
}

impl ArrayProgress {
    fn fresh(new: &NewArray<'_>, state: ArrayState, kept_bytes: Bytes) -> Self {
        Self {
            id: new.request.id,
            state,
            next: new.first,
            holed: new.holed,
            counts: TaskCounts { waiting: new.tasks, ..TaskCounts::default() },
            closed: None,
            cancelled: false,
            stop_from: None,
            cancel_reason: None,
            overtaken: 0,
            reserved: None,
            kept_bytes,
            tail_bytes: Bytes(0),
            borrowers: 0,
            paused: None,
        }
    }
}

/// Everything about an array's submission that needs no state.
pub(crate) fn check(submit: &SubmitArray) -> Result<(), Refusal> {
    check_kind(submit.request.id.is_array())?;
    submit.spec.check().map_err(Refusal::SpecIsInvalid)?;
    let (is_empty, end) = match submit.tasks {
        Tasks::Range { first, last } => (first > last, u64::from(last) + 1),
        Tasks::Items { count, .. } => (count == 0, u64::from(count)),
    };
    let fault = if is_empty {
        Some(SpecFault::TasksAreEmpty)
    } else if submit.running_max == Some(0) {
        Some(SpecFault::RunningIsZero)
    } else {
        within(Limit::Tasks, end).err()
    };
    fault.map_or(Ok(()), |fault| Err(Refusal::SpecIsInvalid(fault)))
}

/// Characters of an index as text.
fn digits(index: u32) -> u32 {
    index.checked_ilog10().unwrap_or(0) + 1
}
