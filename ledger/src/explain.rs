//! Why a job is not running yet (I16): from the same `place` that decides.

use crate::{
    array::{ArrayState, TaskPage, TaskRecord},
    codec,
    hot::{Stage, arrays::HotArray, queue::Rank, queues::Line},
    ids::{JobId, NodeId},
    ledger::{Ledger, Records},
    limits::AHEAD_COUNTED_MAX,
    outcome::StopCause,
    place::{Candidate, Wish},
    record::{JobRecord, JobState, Pause, Placed, Stored},
    reply::Rejection,
    tables,
    units::Millis,
};

/// What a job that has not ended waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// For a time: its delay, or the pause after a failure.
    Until(Millis),
    /// For the planner: this node can take it now.
    Planner(NodeId),
    /// For a place: every node rejects it.
    Place(Vec<(NodeId, Rejection)>),
    /// For its attempt, which runs.
    Attempt(Placed),
    /// For its attempt, which is being stopped.
    Stop(Placed, StopCause),
    /// For a task of its array to end: as many hold a place as may at once.
    Cap(u32),
    /// For other tasks of its array, so many of which wait for their next attempt that no further one starts.
    Retries(u32),
    /// To be stopped: its array was cancelled.
    Cancellation,
    /// An array, for its tasks, which all have a place: so many.
    Tasks(u32),
    /// To be let go on: it is paused, or its array is. The record says by whom.
    Resume,
    /// For its queue to be let go on.
    Queue(Pause),
}

/// How many queued jobs are due a place before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ahead {
    /// Of these, [`AHEAD_COUNTED_MAX`] at most were counted.
    pub jobs: usize,
    /// Whether there are more.
    pub more: bool,
}

impl Ledger {
    /// How many queued jobs are due a place before this one; nothing for one that is in no line, or in a paused queue's.
    ///
    /// Looks at [`AHEAD_COUNTED_MAX`] jobs and one more at the most.
    ///
    /// An array counts as the tasks that it may start as things stand.
    #[must_use]
    pub fn ahead_of(&self, job: JobId) -> Option<Ahead> {
        if self.hot.queue_of(job).is_none_or(|queue| self.hot.queues.is_paused(queue)) {
            return None;
        }
        let (rank, own) = self.standing(job)?;
        let heads = self.hot.queue.heads().take_while(|head| head.rank < rank);
        let before = heads.flat_map(|head| head.line.range(..rank)).take(AHEAD_COUNTED_MAX + 1);
        let sizes = before.map(|(_, job)| usize::try_from(self.hot.multiplicity(*job)).unwrap_or(usize::MAX));
        let counted = sizes.fold(own, usize::saturating_add);
        Some(Ahead { jobs: counted.min(AHEAD_COUNTED_MAX), more: counted > AHEAD_COUNTED_MAX })
    }

    /// The rank of who waits, and how many tasks of its own array come before it.
    fn standing(&self, job: JobId) -> Option<(Rank, usize)> {
        if job.is_plain() {
            let hot = self.hot.jobs.get(&job).filter(|hot| hot.stage == Stage::Queued)?;
            return Some((hot.rank, 0));
        }
        let (array, index) = job.of_task().unwrap_or((job, 0));
        let array = self.hot.arrays.find(array).filter(|array| array.progress.paused.is_none())?;
        let own = match self.hot.jobs.get(&job) {
            Some(hot) if hot.stage != Stage::Queued => return None,
            Some(_) => array.requeued.range(..job).take(AHEAD_COUNTED_MAX + 1).count(),
            None => {
                let fresh = index.saturating_sub(array.progress.next);
                array.requeued.len() + usize::try_from(fresh).unwrap_or(usize::MAX)
            }
        };
        Some((array.rank, if job.is_array() { 0 } else { own }))
    }

    /// Why this job has not ended yet; nothing if it has, or never was.
    #[must_use]
    pub fn why_waiting(&self, job: JobId, records: &impl Records) -> Option<Waiting> {
        if !job.is_plain() && !self.hot.jobs.contains_key(&job) {
            let (array, index) = job.of_task().map_or((job, None), |(array, index)| (array, Some(index)));
            let waits = index.is_none_or(|index| self.could_start(array, index, records));
            return if waits { self.why_array_waits(array) } else { None };
        }
        let hot = self.hot.jobs.get(&job)?;
        match &hot.stage {
            Stage::Placed(hold) => Some(match hold.stopping {
                None => Waiting::Attempt(hold.placed),
                Some(cause) => Waiting::Stop(hold.placed, cause),
            }),
            Stage::Pausing => match state_of(job, records)? {
                JobState::Delayed { until } | JobState::BackingOff { until } => Some(Waiting::Until(until)),
                _ => None,
            },
            Stage::Held => Some(Waiting::Resume),
            Stage::Queued => match job.of_task() {
                Some((array, _)) => self.why_array_waits(array),
                None => Some(self.why_queued(&hot.line, &Wish { job, rank: hot.rank, demand: &hot.line.demand })),
            },
        }
    }

    /// Whether a task without a place, now or before, may still get one.
    fn could_start(&self, array: JobId, index: u32, records: &impl Records) -> bool {
        let Some(HotArray { record, progress, .. }) = self.hot.arrays.find(array) else { return false };
        let page = || records.read(&tables::holes(array, TaskPage::of(index)));
        let page = if progress.holed { page() } else { None };
        let is_hole =
            page.and_then(|bytes| codec::decode(&bytes)).is_some_and(|Stored::V1::<TaskPage>(page)| page.has(index));
        record.covers(index) && index >= progress.next && progress.closed.is_none() && !is_hole
    }

    /// Why the next task of this array has no place; nothing where none wants one.
    fn why_array_waits(&self, array: JobId) -> Option<Waiting> {
        let array = self.hot.arrays.find(array)?;
        let progress = &array.progress;
        match progress.state {
            ArrayState::Delayed { until } => Some(Waiting::Until(until)),
            _ if progress.cancelled => Some(Waiting::Cancellation),
            _ if progress.counts.waiting + progress.pausing() == 0 => Some(Waiting::Tasks(progress.counts.live())),
            _ if progress.paused.is_some() => Some(Waiting::Resume),
            _ if array.in_line => Some(self.why_queued(&array.line, &array.wish())),
            _ if progress.ready() > 0 => array.record.running_max.map(Waiting::Cap),
            _ => Some(Waiting::Retries(progress.pausing())),
        }
    }

    fn why_queued(&self, line: &Line, wish: &Wish<'_>) -> Waiting {
        if let Some(pause) = self.hot.queues.pause_of(&line.queue) {
            return Waiting::Queue(pause.clone());
        }
        let mut rejections = Vec::new();
        for node in self.hot.nodes.iter() {
            match Candidate::of(node).reject(wish) {
                Some(rejection) => rejections.push((node.record.id, rejection)),
                None => return Waiting::Planner(node.record.id),
            }
        }
        Waiting::Place(rejections)
    }
}

/// The stored state of a live job or task.
fn state_of(job: JobId, records: &impl Records) -> Option<JobState> {
    if job.is_plain() {
        let Stored::V1(JobRecord { state, .. }) = codec::decode(&records.read(&tables::live(job))?)?;
        return Some(state);
    }
    let Stored::V1(TaskRecord { state, .. }) = codec::decode(&records.read(&tables::live_task(job))?)?;
    Some(state)
}
