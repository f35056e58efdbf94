//! Arrays: accepted with their items, and shown as one job with its tasks counted.

use quorla_client::{
    ArrayView, ErrorBody, ErrorCode, ItemsPut, JobId, JobQuery, JobState as Shown, JobSummary, JobView, PutItems,
    Reply, SubmitArray, TaskCounts, TaskSet,
};
use quorla_ledger::{
    array::{self, ArrayProgress, ArrayState, Kept},
    command::{self, Command},
    ids::Principal,
    record::{JobState, Pause},
    reply,
    spec::JobSpec,
};

use super::{
    Dispatch, convert,
    reading::Reading,
    refuse,
    submit::{id, seed, submitted},
    view,
    waiting::{paused_words, shown_pause},
};

type Answer = Result<(u64, Reply), ErrorBody>;

impl Dispatch {
    pub(super) async fn submit_array(&self, principal: Principal, mut submit: SubmitArray) -> Answer {
        let attempt = "submit an array";
        let key = submit.job.idempotency_key.take();
        let request = command::Request { principal, id: id(submit.array_id), key };
        let tasks = match submit.tasks {
            TaskSet::Range { first, last } => command::Tasks::Range { first, last },
            TaskSet::Items { count, digest } => command::Tasks::Items { count, digest },
        };
        let (spec, running_max) = (convert::spec(submit.job), submit.running_max);
        let command = Command::SubmitArray(command::SubmitArray { request, spec, tasks, running_max, seed: seed() });
        let led = self.term_led();
        let submitted = submitted(attempt, submit.array_id, self.change(attempt, &command).await?)?;
        Ok((self.applied_since(led).await, Reply::Submitted(submitted)))
    }

    pub(super) async fn put_items(&self, principal: Principal, put: PutItems) -> Answer {
        let attempt = "upload an array's items";
        let PutItems { array_id, first, items } = put;
        let command = Command::PutItems(command::PutItems { principal, upload: id(array_id), first, items });
        let led = self.term_led();
        let reply::Reply::ItemsPut { items, digest } = self.change(attempt, &command).await? else {
            return Err(refuse::unexpected(attempt));
        };
        Ok((self.applied_since(led).await, Reply::ItemsPut(ItemsPut { items, digest })))
    }

    pub(super) async fn array_status(&self, query: JobQuery) -> Answer {
        let attempt = "look up an array";
        if !query.job.is_array() {
            return Err(ErrorBody::new(ErrorCode::NotFound, format!("{attempt}: {} is no array", query.job))
                .hint("`quorla job info` shows a job or a task."));
        }
        let reading = self.read(attempt, query.read).await?;
        let kept = reading.array(query.job)?.ok_or_else(|| refuse::unknown_job(attempt, query.job))?;
        let mut shown = status(&kept, reading.spec(kept.record.id)?);
        shown.now_ms = self.consensus.ledger_time().0;
        shown.reason = shown.reason.or_else(|| self.why_array_waits(&kept));
        Ok((reading.applied_index(), Reply::Array(Box::new(shown))))
    }

    /// The array as a job, for whoever asks about it as one.
    pub(super) fn array_as_job(&self, reading: &Reading, array: JobId) -> Result<Option<JobView>, ErrorBody> {
        let Some(kept) = reading.array(array)? else { return Ok(None) };
        let mut shown = job(&kept, reading.spec(kept.record.id)?);
        shown.reason = shown.reason.or_else(|| self.why_array_waits(&kept));
        Ok(Some(shown))
    }

    /// Why no task of it runs, where none does.
    fn why_array_waits(&self, kept: &Kept) -> Option<String> {
        if state(&kept.progress) != Shown::Queued {
            return None;
        }
        if let Some(pause) = paused(&kept.progress) {
            return Some(format!("it {}", paused_words(pause)));
        }
        self.why_waiting(kept.record.id)
    }
}

/// Where an array is, as a job would be: ended with its last task, queued while none of its tasks has a place.
pub(super) fn state(progress: &ArrayProgress) -> Shown {
    if let Some(at) = progress.ended_at() {
        return view::state(&progress.end(at));
    }
    let counts = &progress.counts;
    match progress.state {
        ArrayState::Delayed { .. } => Shown::Delayed,
        _ if progress.cancelled => Shown::Stopping,
        _ if counts.running + counts.stopping > 0 => Shown::Running,
        _ if counts.queued + counts.waiting == 0 => Shown::BackingOff,
        _ => Shown::Queued,
    }
}

/// Who holds an array that has not ended.
fn paused(progress: &ArrayProgress) -> Option<&Pause> {
    progress.paused.as_ref().filter(|_| progress.ended_at().is_none())
}

pub(super) const fn counts(progress: &ArrayProgress) -> TaskCounts {
    let array::TaskCounts {
        waiting,
        queued,
        running,
        stopping,
        backing_off,
        succeeded,
        failed,
        cancelled,
        deadline_exceeded,
    } = progress.counts;
    let queued = waiting + queued;
    TaskCounts { queued, running, stopping, backing_off, succeeded, failed, cancelled, deadline_exceeded }
}

/// An array as a row among jobs.
pub(super) fn summary(kept: &Kept) -> JobSummary {
    let Kept { record, progress } = kept;
    JobSummary {
        id: JobId::from_u128(record.id.0),
        name: record.name.clone(),
        state: state(progress),
        queue: record.queue.clone(),
        priority: record.priority,
        submitted_ms: record.submitted_at.0,
        started_ms: None,
        attempt_ended_ms: None,
        ended_ms: progress.ended_at().map(|at| at.0),
        node: None,
        attempts: 0,
        exit_code: None,
        tasks: Some(counts(progress)),
        paused: paused(progress).is_some(),
    }
}

fn job(kept: &Kept, spec: Option<JobSpec>) -> JobView {
    let terms = spec.clone().map(|spec| Box::new(convert::shown_terms(spec)));
    let ArrayView {
        id, name, command, state, until_ms, reason, queue, priority, labels, retry_of, tasks, paused, ..
    } = status(kept, spec);
    JobView {
        id,
        name,
        command,
        state,
        until_ms,
        reason,
        queue,
        priority,
        labels,
        terms,
        retry_of,
        submitted_ms: kept.record.submitted_at.0,
        started_ms: None,
        ended_ms: kept.progress.ended_at().map(|at| at.0),
        node: None,
        attempts_total: 0,
        attempts: Vec::new(),
        tasks: Some(tasks),
        paused,
    }
}

fn status(kept: &Kept, spec: Option<JobSpec>) -> ArrayView {
    let Kept { record, progress } = kept;
    let (command, labels) = spec.map(|spec| (spec.command, spec.labels)).unwrap_or_default();
    ArrayView {
        id: JobId::from_u128(record.id.0),
        name: record.name.clone(),
        command,
        state: state(progress),
        until_ms: match progress.state {
            ArrayState::Delayed { until } => Some(until.0),
            _ => None,
        },
        reason: reason(progress),
        queue: record.queue.clone(),
        priority: record.priority,
        labels,
        retry_of: record.retry_of.map(|array| JobId::from_u128(array.0)),
        first: record.first,
        last: record.last,
        has_items: record.items_of.is_some(),
        running_max: record.running_max,
        tasks: counts(progress),
        submitted_ms: record.submitted_at.0,
        ended_ms: progress.ended_at().map(|at| at.0),
        now_ms: 0,
        paused: paused(progress).map(shown_pause),
    }
}

fn reason(progress: &ArrayProgress) -> Option<String> {
    let said = progress.cancelled.then(|| progress.cancel_reason.clone().unwrap_or_else(|| "cancelled".into()));
    let at = progress.ended_at();
    match at.map(|at| progress.end(at)) {
        Some(JobState::Failed { failure, .. }) => Some(view::failed(&failure)),
        Some(JobState::DeadlineExceeded { .. }) => {
            Some(format!("{} tasks took too long", progress.counts.deadline_exceeded))
        }
        Some(JobState::Succeeded { .. }) => None,
        _ => said,
    }
}
