//! Arrays: many tasks of one specification, as they are stored. One record for what never changes, one for how far it is,
//! and one for each task that was ever given a place; a task that waits for its first has none.
//!
//! Tasks wait in the order of their indices: those from `next` on wait, but for the *holes* among them. So a million
//! waiting tasks cost one record and one place in the queue. Refuses to know how records are read or written.

mod counts;
mod expand;
mod page;
mod view;

use serde::{Deserialize, Serialize};

pub use counts::{TaskCounts, TaskStage};
pub use expand::{PLACEHOLDER, expand, widest};
pub use page::TaskPage;
pub use view::{Kept, item, kept, task_record, task_work};

use crate::{
    ids::{JobId, NodeId, Principal},
    limits::{LOST_ATTEMPTS_MAX, TASKS_PAUSING_MAX},
    outcome::{Deadline, Failure},
    record::{AttemptRecord, JobRecord, JobState, Pause},
    spec::{Demand, RetryPolicy, Timeouts},
    units::{Bytes, Millis},
};

/// What an array is: all that its tasks share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArrayRecord {
    /// The array.
    pub id: JobId,
    /// Who submitted it.
    pub principal: Principal,
    /// For people.
    pub name: String,
    /// The queue it belongs to.
    pub queue: String,
    /// 0 to 100; higher goes first.
    pub priority: u8,
    /// Rank among jobs and arrays of one priority: lower is older.
    pub order: u64,
    /// What each task needs of a node.
    pub demand: Demand,
    /// What follows a task's failure.
    pub retry: RetryPolicy,
    /// How long each task may take.
    pub timeouts: Timeouts,
    /// Random bits of the submission, for jitter.
    pub seed: u64,
    /// When it was accepted.
    pub submitted_at: Millis,
    /// Sequence of the event that says so; all others of it and its tasks follow.
    pub first_event: u64,
    /// The ended array whose tasks it repeats.
    pub retry_of: Option<JobId>,
    /// Index of the first task.
    pub first: u32,
    /// Index of the last one.
    pub last: u32,
    /// Tasks in all: as many as there are indices, less the holes that it began with.
    pub tasks: u32,
    /// Tasks that may hold a place at once.
    pub running_max: Option<u32>,
    /// The array whose blocks of items its tasks read: itself, or the first of those that it repeats.
    pub items_of: Option<JobId>,
    /// Bytes of the longest item.
    pub item_bytes_max: u32,
}

/// How far an array is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArrayProgress {
    /// The array.
    pub id: JobId,
    /// Where it stands.
    pub state: ArrayState,
    /// The first index whose task was never given a place.
    pub next: u32,
    /// Whether there are pages of holes.
    pub holed: bool,
    /// Tasks by state.
    pub counts: TaskCounts,
    /// Set once what waited for a first place ended, all together and without records.
    pub closed: Option<Closed>,
    /// Whether somebody cancelled it: none of its tasks gets a place any more.
    pub cancelled: bool,
    /// Running tasks from this index on are still to be stopped.
    pub stop_from: Option<u32>,
    /// What was said when it was cancelled.
    pub cancel_reason: Option<String>,
    /// How often a later job got a place that its next task would have fitted on some node.
    pub overtaken: u32,
    /// The node that is kept free for its next task.
    pub reserved: Option<NodeId>,
    /// Bytes of specification, items, and the ended tasks' records and output, these two records apart.
    pub kept_bytes: Bytes,
    /// Bytes of recorded output among them and of running tasks.
    pub tail_bytes: Bytes,
    /// Arrays that read this one's items: it is not removed before them.
    pub borrowers: u32,
    /// Set while none of its tasks may start.
    pub paused: Option<Pause>,
}

/// Where an array stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ArrayState {
    /// Not to begin before a time.
    Delayed {
        /// That time.
        until: Millis,
    },
    /// Its tasks may run.
    Open {
        /// Since then.
        since: Millis,
    },
    /// Every task has ended.
    Ended {
        /// When the last one did.
        at: Millis,
    },
    /// It is being removed.
    Expiring {
        /// When its last task ended.
        at: Millis,
        /// What is next to be removed.
        step: ExpiryStep,
    },
}

/// How far the removal of an array is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExpiryStep {
    /// Tasks, from this index on.
    Tasks(u32),
    /// Blocks of items, from this one on.
    Items(u32),
    /// All the rest.
    Rest,
}

/// How the tasks that had never been given a place ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// When.
    pub at: Millis,
    /// The deadline that passed; none: somebody cancelled the array.
    pub deadline: Option<Deadline>,
}

/// A task that was given a place at least once, or was cancelled by itself: what a job's record has beside that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRecord {
    /// Where it stands.
    pub state: JobState,
    /// Sequence of its first event.
    pub first_event: u64,
    /// Its last attempts, the current one included.
    pub attempts: Vec<AttemptRecord>,
    /// Attempts ever made.
    pub attempts_made: u32,
    /// Attempts that count as failed.
    pub failures: u32,
    /// Attempts lost with their node.
    pub losses: u32,
    /// What was said when this task was cancelled by itself.
    pub cancel_reason: Option<String>,
    /// Bytes of its output.
    pub kept_bytes: Bytes,
}

/// Items on their way to become an array's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadRecord {
    /// The id of the array.
    pub id: JobId,
    /// Whose it is.
    pub principal: Principal,
    /// Items so far.
    pub items: u32,
    /// Bytes of their blocks.
    pub bytes: Bytes,
    /// Bytes of the longest item.
    pub item_bytes_max: u32,
    /// Digest of all of them.
    #[serde(with = "serde_bytes")]
    pub digest: [u8; 16],
    /// Where the latest ones began, and their digest, by which a repetition is known.
    pub latest: (u32, [u8; 16]),
    /// When the latest ones came.
    pub touched_at: Millis,
    /// Whether it is being removed.
    pub expiring: bool,
}

impl ArrayRecord {
    /// The job that a task is.
    #[must_use]
    pub fn task(&self, index: u32, task: TaskRecord) -> JobRecord {
        JobRecord {
            id: self.id.task(index),
            principal: self.principal,
            name: self.name.clone(),
            queue: self.queue.clone(),
            priority: self.priority,
            order: self.order,
            demand: self.demand.clone(),
            retry: self.retry.clone(),
            timeouts: self.timeouts,
            seed: self.seed ^ (u64::from(index) << u32::BITS),
            submitted_at: self.submitted_at,
            first_event: task.first_event,
            retry_of: self.retry_of.map(|array| array.task(index)),
            state: task.state,
            attempts: task.attempts,
            attempts_made: task.attempts_made,
            failures: task.failures,
            losses: task.losses,
            overtaken: 0,
            reserved: None,
            cancel_reason: task.cancel_reason,
            kept_bytes: task.kept_bytes,
            paused: None,
        }
    }

    /// Whether it has or had a task of this index, holes apart.
    #[must_use]
    pub const fn covers(&self, index: u32) -> bool {
        self.first <= index && index <= self.last
    }

    /// The pages that its indices lie on.
    pub fn pages(&self) -> impl Iterator<Item = u32> + use<> {
        TaskPage::of(self.first)..=TaskPage::of(self.last)
    }
}

impl ArrayProgress {
    /// Whether its next task wants a place, by the array's own rules.
    #[must_use]
    pub fn wants_place(&self, record: &ArrayRecord, placed: u32) -> bool {
        let open = matches!(self.state, ArrayState::Open { .. }) && !self.cancelled && self.paused.is_none();
        open && record.running_max.is_none_or(|max| placed < max) && self.ready() > 0
    }

    /// Tasks that could be given a place, were there enough of them.
    #[must_use]
    pub const fn ready(&self) -> u32 {
        let waiting = if self.pausing() < TASKS_PAUSING_MAX { self.counts.waiting } else { 0 };
        self.counts.queued + waiting
    }

    /// Tasks that wait for their next attempt.
    #[must_use]
    pub const fn pausing(&self) -> u32 {
        self.counts.queued + self.counts.backing_off
    }

    /// When something happens to its waiting tasks by time alone.
    #[must_use]
    pub fn due(&self, timeouts: &Timeouts, submitted_at: Millis) -> Option<Millis> {
        let whole = timeouts.job.map(|timeout| submitted_at.after(timeout));
        match self.state {
            _ if self.counts.waiting == 0 => None,
            ArrayState::Delayed { until } => Some(whole.map_or(until, |whole| whole.min(until))),
            ArrayState::Open { since } => {
                let queue = timeouts.queue.map(|timeout| since.after(timeout));
                [queue, whole].into_iter().flatten().min()
            }
            _ => None,
        }
    }

    /// When it ended.
    #[must_use]
    pub const fn ended_at(&self) -> Option<Millis> {
        match self.state {
            ArrayState::Ended { at } | ArrayState::Expiring { at, .. } => Some(at),
            _ => None,
        }
    }

    /// How it ended, as a job would have: the worst end of its tasks.
    #[must_use]
    pub const fn end(&self, at: Millis) -> JobState {
        let TaskCounts { failed, deadline_exceeded, cancelled, .. } = self.counts;
        match (failed, deadline_exceeded, cancelled) {
            (0, 0, 0) => JobState::Succeeded { at },
            (0, 0, _) => JobState::Cancelled { at },
            (0, _, _) => JobState::DeadlineExceeded { at, deadline: Deadline::Job },
            (failed, _, _) => JobState::Failed { at, failure: Failure::Tasks { failed } },
        }
    }

    /// How a task without a record stands, if it waits or ended with the others.
    #[must_use]
    pub const fn state_of_waiting(&self) -> JobState {
        match (self.closed, self.state) {
            (Some(Closed { at, deadline: Some(deadline) }), _) => JobState::DeadlineExceeded { at, deadline },
            (Some(Closed { at, deadline: None }), _) => JobState::Cancelled { at },
            (None, ArrayState::Delayed { until }) => JobState::Delayed { until },
            (None, ArrayState::Open { since }) => JobState::Queued { since },
            // An array ends with its last task, so that none waits then.
            (None, ArrayState::Ended { at } | ArrayState::Expiring { at, .. }) => JobState::Cancelled { at },
        }
    }
}

impl TaskRecord {
    /// What is stored of a task.
    #[must_use]
    pub fn of(record: &JobRecord) -> Self {
        Self {
            state: record.state.clone(),
            first_event: record.first_event,
            attempts: record.attempts.clone(),
            attempts_made: record.attempts_made,
            failures: record.failures,
            losses: record.losses,
            cancel_reason: record.cancel_reason.clone(),
            kept_bytes: record.kept_bytes,
        }
    }

    /// A task that has never been given a place.
    #[must_use]
    pub const fn fresh(state: JobState, first_event: u64) -> Self {
        Self {
            state,
            first_event,
            attempts: Vec::new(),
            attempts_made: 0,
            failures: 0,
            losses: 0,
            cancel_reason: None,
            kept_bytes: Bytes(0),
        }
    }
}

impl JobRecord {
    /// Whether a task was lost with its nodes so often that its next timer ends it: so that the end of a node's epoch
    /// touches one record a task (R8).
    pub(crate) const fn is_lost_for_good(&self) -> bool {
        self.losses >= LOST_ATTEMPTS_MAX
    }
}
