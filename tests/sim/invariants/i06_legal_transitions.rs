//! I6: only legal state transitions, read from the events and compared with the records that they left.

use std::collections::BTreeMap;

use quorla_ledger::{
    event::Event,
    ids::JobId,
    outcome::StopCause,
    record::{JobRecord, JobState},
};

use super::{Committed, Fact, Invariant};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct LegalTransitions {
    jobs: BTreeMap<JobId, Stage>,
}

/// Where a job stands, as far as its events tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Accepted: delayed, unless something else follows at once.
    Accepted,
    Queued,
    Running,
    Stopping(StopCause),
    /// Its attempt is over; what follows is said in the same entry.
    Between,
    BackingOff,
    Ended,
}

impl Invariant for LegalTransitions {
    fn name(&self) -> &'static str {
        "I6"
    }

    fn hear(&mut self, fact: &Fact<'_>) -> Result<(), String> {
        let Fact::Committed(committed) = fact else {
            return Ok(());
        };
        self.follow(committed)?;
        committed.jobs.iter().try_for_each(|record| self.compare(record))
    }
}

impl LegalTransitions {
    fn follow(&mut self, committed: &Committed) -> Result<(), String> {
        for event in committed.events() {
            let Some(job) = job_of(event) else { continue };
            let before = self.jobs.get(&job).copied();
            let after = step(before, event).ok_or_else(|| format!("{job} was {before:?}, and then {event:?}"))?;
            self.jobs.insert(job, after);
        }
        Ok(())
    }

    fn compare(&self, record: &JobRecord) -> Result<(), String> {
        let told = self.jobs.get(&record.id).copied();
        if told == Some(stage_of(&record.state)) {
            return Ok(());
        }
        Err(format!("{} is {:?} by its record, and {told:?} by its events", record.id, record.state))
    }
}

fn step(before: Option<Stage>, event: &Event) -> Option<Stage> {
    use Stage::{Accepted, BackingOff, Between, Ended, Queued, Running, Stopping};
    match (before, event) {
        (None, Event::JobSubmitted(_)) => Some(Accepted),
        // A task is heard of when it gets its first place, or is cancelled alone before that.
        (None, Event::AttemptAssigned { job, .. }) if job.of_task().is_some() => Some(Running),
        (None, Event::JobEnded(job)) if job.of_task().is_some() => Some(Ended),
        (Some(Accepted | Between | BackingOff), Event::JobQueued(_)) => Some(Queued),
        (Some(Accepted | Queued), Event::AttemptAssigned { .. }) => Some(Running),
        (Some(Running), Event::AttemptStopping { cause, .. }) => Some(Stopping(*cause)),
        // Only its attempt was to end; somebody cancelled the job meanwhile.
        (
            Some(Stopping(StopCause::AttemptTimeout | StopCause::Drain)),
            Event::AttemptStopping { cause: StopCause::Cancel, .. },
        ) => Some(Stopping(StopCause::Cancel)),
        (Some(Running | Stopping(_)), Event::AttemptEnded { .. } | Event::AttemptLost { .. }) => Some(Between),
        (Some(Between), Event::JobBackedOff { .. }) => Some(BackingOff),
        (Some(Queued), Event::NodeReserved { .. }) => Some(Queued),
        (Some(Accepted | Queued | Between | BackingOff), Event::JobEnded(_)) => Some(Ended),
        _ => None,
    }
}

const fn stage_of(state: &JobState) -> Stage {
    match state {
        JobState::Delayed { .. } => Stage::Accepted,
        JobState::Queued { .. } => Stage::Queued,
        JobState::Running(_) => Stage::Running,
        JobState::Stopping { cause, .. } => Stage::Stopping(*cause),
        JobState::BackingOff { .. } => Stage::BackingOff,
        JobState::Succeeded { .. }
        | JobState::Failed { .. }
        | JobState::Cancelled { .. }
        | JobState::DeadlineExceeded { .. } => Stage::Ended,
    }
}

const fn job_of(event: &Event) -> Option<JobId> {
    match event {
        Event::JobSubmitted(job)
        | Event::JobQueued(job)
        | Event::JobEnded(job)
        | Event::AttemptAssigned { job, .. }
        | Event::AttemptStopping { job, .. }
        | Event::AttemptEnded { job, .. }
        | Event::AttemptLost { job, .. }
        | Event::JobBackedOff { job, .. }
        | Event::NodeReserved { job, .. } => Some(*job),
        Event::NodeRegistered { .. }
        | Event::NodeLapsed { .. }
        | Event::NodeDrained { .. }
        | Event::NodeGuarded { .. }
        | Event::NodeLabelled(_)
        | Event::NodeRemoved(_)
        | Event::TasksClosed { .. } => None,
        // What may start is another question.
        Event::JobPaused { .. } | Event::QueuePaused { .. } => None,
    }
}
