//! What time does to jobs: delays end, backoffs end, deadlines pass (R7). One timer a job, the earliest that matters.

use crate::{
    apply::{Outcome, transaction::Transaction},
    event::Event,
    hot::queue::{Head, Rank},
    ids::JobId,
    ledger::Records,
    limits::TIMERS_FIRED_MAX,
    outcome::{Deadline, Failure, StopCause},
    place::Wish,
    record::{JobRecord, JobState},
    reply::{Refusal, Reply},
    units::Millis,
};

impl<R: Records> Transaction<'_, R> {
    pub(crate) fn fire_timers(&mut self, upto: Millis, max: u32) -> Outcome {
        if max > TIMERS_FIRED_MAX {
            return Err(Refusal::CommandIsTooLarge);
        }
        let upto = upto.min(self.now());
        let max = usize::try_from(max).expect("bounded above");
        let due = self.hot().timers.range(..=(upto, JobId(u128::MAX)));
        let due: Vec<JobId> = due.take(max).map(|(_, job)| *job).collect();
        for &job in &due {
            if job.is_array() {
                self.fire_array(job);
                continue;
            }
            let record = self.live_job(job).expect("R5: a timer belongs to a live job");
            self.fire(record);
        }
        let more = self.hot().timers.first().is_some_and(|(due, _)| *due <= upto);
        Ok(Reply::TimersFired { jobs: u32::try_from(due.len()).expect("bounded above"), more })
    }

    fn fire(&mut self, mut record: JobRecord) {
        let now = self.now();
        if record.job_deadline().is_some_and(|deadline| deadline <= now) {
            return self.call_off(record, StopCause::JobTimeout);
        }
        match record.state {
            JobState::BackingOff { .. } if record.is_lost_for_good() => {
                record.state = JobState::Failed { at: now, failure: Failure::LostTooOften };
            }
            JobState::Delayed { .. } | JobState::BackingOff { .. } => {
                record.state = JobState::Queued { since: now };
                self.happen(Event::JobQueued(record.id));
            }
            JobState::Queued { .. } => {
                record.reserved = None;
                record.state = JobState::DeadlineExceeded { at: now, deadline: Deadline::Queue };
            }
            JobState::Running(_) => return self.call_off(record, StopCause::AttemptTimeout),
            _ => unreachable!("no other state has a timer"),
        }
        self.save_job(&record);
    }
}

impl JobRecord {
    /// When something happens to this job by time alone.
    pub(crate) fn due(&self) -> Option<Millis> {
        let own = match &self.state {
            JobState::Delayed { until } | JobState::BackingOff { until } => Some(*until),
            JobState::Queued { since } => self.timeouts.queue.map(|timeout| since.after(timeout)),
            JobState::Running(placed) => self.timeouts.attempt.map(|timeout| placed.at.after(timeout)),
            _ => return None,
        };
        [own, self.job_deadline()].into_iter().flatten().min()
    }

    /// Ends a job that holds no place.
    pub(crate) fn end_waiting(&mut self, cause: StopCause, at: Millis) {
        self.reserved = None;
        self.state = match cause {
            StopCause::Cancel => JobState::Cancelled { at },
            StopCause::AttemptTimeout => JobState::DeadlineExceeded { at, deadline: Deadline::Attempt },
            StopCause::JobTimeout => JobState::DeadlineExceeded { at, deadline: Deadline::Job },
            StopCause::Drain => unreachable!("a drain stops what holds a place"),
        };
    }

    /// This job as one that wants a place.
    pub(crate) fn wish(&self) -> Wish<'_> {
        Wish { job: self.id, rank: Rank::of(self), demand: &self.demand }
    }

    fn job_deadline(&self) -> Option<Millis> {
        self.timeouts.job.map(|timeout| self.submitted_at.after(timeout))
    }
}

impl Head<'_> {
    /// The head as one that wants a place.
    pub(crate) fn wish(&self) -> Wish<'_> {
        Wish { job: self.job(), rank: self.rank, demand: self.demand }
    }
}
