//! Attempts end: recorded once, under their fence, and only then is their place free (I3, R11, R18).

use crate::{
    apply::{
        Outcome,
        transaction::{Transaction, len},
    },
    codec,
    command::EndAttempt,
    defect::Defect,
    event::Event,
    ids::{Fence, JobId, NodeId},
    ledger::Records,
    limits::LOST_ATTEMPTS_MAX,
    outcome::{AttemptEnd, Deadline, Exit, Failure, StartFailure, StopCause, Tail, Tails},
    record::{Course, JobRecord, JobState, Stored},
    reply::{Refusal, Reply},
    spec::Backoff,
    tables,
    units::{Bytes, Millis},
};

/// Bytes of the message with which a process could not be started.
const START_MESSAGE_BYTES_MAX: usize = 256;

impl<R: Records> Transaction<'_, R> {
    pub(crate) fn end_attempt(&mut self, report: EndAttempt) -> Outcome {
        let EndAttempt { job, fence, end, tails, refill } = report;
        let Some(mut record) = self.live_job(job) else {
            return self.ended_job(job).map_or(Err(Refusal::JobIsUnknown), |ended| ended.recorded(fence));
        };
        let Some(placed) = record.state.placed().copied() else {
            return record.recorded(fence);
        };
        // I3, I4: only the current attempt's completion counts.
        if placed.fence != fence && !self.hot().defect.is(Defect::FenceCheckOff) {
            return record.recorded(fence);
        }
        let end = end.bounded();
        self.keep_tails(&mut record, placed.fence, tails);
        let (at, stopped, exit) = (self.now(), record.stop_cause(), end.exit.clone());
        record.close_attempt(Course::Ended { at, end, stopped });
        self.happen(Event::AttemptEnded { job, fence });
        self.follow(record, exit);
        let next = refill.then(|| self.refill(placed.node)).flatten();
        Ok(Reply::AttemptEnded { next })
    }

    /// Ends every attempt of an epoch that is over; their jobs are queued again in their old rank.
    pub(crate) fn lose_attempts(&mut self, node: NodeId) {
        let held = &self.hot().nodes.by_id(node).expect("the caller looked").held;
        let held: Vec<(Fence, JobId)> = held.iter().map(|(fence, job)| (*fence, *job)).collect();
        for (fence, job) in held {
            let mut record = self.live_job(job).expect("R5: a job that holds a place lives");
            record.close_attempt(Course::Lost { at: self.now() });
            self.happen(Event::AttemptLost { job, fence });
            self.follow(record, Exit::GivenUp);
        }
    }

    /// What becomes of a job whose attempt just ended like this.
    fn follow(&mut self, mut record: JobRecord, exit: Exit) {
        let now = self.now();
        record.state = match record.stop_cause() {
            Some(StopCause::Cancel) => JobState::Cancelled { at: now },
            Some(StopCause::JobTimeout) => JobState::DeadlineExceeded { at: now, deadline: Deadline::Job },
            Some(StopCause::AttemptTimeout) => {
                record.after_failure(now, true, JobState::DeadlineExceeded { at: now, deadline: Deadline::Attempt })
            }
            Some(StopCause::Drain) if self.hot().defect.is(Defect::DrainCostsAttempt) => record.after_exit(now, exit),
            // Neither a failure nor a loss: an operator moves a job as often as it takes. Nor is exit code 0 a success,
            // for whoever is asked to stop may end so with its work undone.
            Some(StopCause::Drain) => JobState::Queued { since: now },
            None => record.after_exit(now, exit),
        };
        let event = match record.state {
            JobState::Queued { .. } => Some(Event::JobQueued(record.id)),
            JobState::BackingOff { until } => Some(Event::JobBackedOff { job: record.id, until }),
            _ => None,
        };
        if let Some(event) = event {
            self.happen(event);
        }
        self.save_job(&record);
    }

    fn keep_tails(&mut self, record: &mut JobRecord, fence: Fence, tails: Tails) {
        let tails = Tails { stdout: tails.stdout.bounded(), stderr: tails.stderr.bounded() };
        let tails = self.within_budget(record.id, tails);
        if tails == Tails::default() {
            return;
        }
        let bytes = codec::encode(&Stored::V1(&tails));
        record.kept_bytes.0 += len(&bytes).0;
        self.meta().live_bytes.0 += len(&bytes).0;
        self.count_tails(record.id, len(&bytes));
        self.put_bytes(tables::tails(record.id, fence), bytes);
    }
}

impl JobRecord {
    fn stop_cause(&self) -> Option<StopCause> {
        match self.state {
            JobState::Stopping { cause, .. } => Some(cause),
            _ => None,
        }
    }

    /// What a completion is told whose fence is not the current one.
    fn recorded(&self, fence: Fence) -> Outcome {
        let attempt = self.attempts.iter().find(|attempt| attempt.placed.fence == fence);
        match attempt.map(|attempt| &attempt.course) {
            Some(Course::Ended { .. }) => Ok(Reply::AlreadyRecorded),
            _ => Err(Refusal::AttemptIsStale),
        }
    }

    fn close_attempt(&mut self, course: Course) {
        let current = self.attempts.last_mut().expect("a placed job has an attempt");
        assert_eq!(Some(&current.placed), self.state.placed(), "the last attempt is the current one");
        current.course = course;
    }

    fn after_exit(&mut self, now: Millis, exit: Exit) -> JobState {
        match exit {
            Exit::Code(0) => JobState::Succeeded { at: now },
            Exit::GivenUp => self.after_loss(now),
            exit => {
                let retryable = self.retry.allows(&exit);
                self.after_failure(now, retryable, JobState::Failed { at: now, failure: Failure::Attempt(exit) })
            }
        }
    }

    fn after_loss(&mut self, now: Millis) -> JobState {
        self.losses += 1;
        if self.losses >= LOST_ATTEMPTS_MAX && !self.id.is_plain() {
            // Its next timer ends it: a node's end touches one record a task (R8).
            return JobState::BackingOff { until: now };
        }
        if self.losses >= LOST_ATTEMPTS_MAX {
            return JobState::Failed { at: now, failure: Failure::LostTooOften };
        }
        JobState::Queued { since: now }
    }

    fn after_failure(&mut self, now: Millis, retryable: bool, last: JobState) -> JobState {
        self.failures += 1;
        if !retryable || self.failures >= self.retry.attempts_max {
            return last;
        }
        let until = now.after(self.backoff());
        if until > now { JobState::BackingOff { until } } else { JobState::Queued { since: now } }
    }

    /// The pause after the latest failure. Jitter comes from the submission's random bits, so that it is the same on
    /// every replica.
    fn backoff(&self) -> Millis {
        let pause = match self.retry.backoff {
            Backoff::Fixed(pause) => pause.0,
            Backoff::Exponential { base, max } => {
                let doubled = 1_u64.checked_shl(self.failures - 1).unwrap_or(u64::MAX);
                base.0.saturating_mul(doubled).min(max.0)
            }
        };
        let width = u128::from(pause) * u128::from(self.retry.jitter_percent) / 100;
        let draw = u128::from(split_mix(self.seed.wrapping_add(u64::from(self.failures))));
        let jittered = u128::from(pause) - width + draw % (2 * width + 1);
        Millis(u64::try_from(jittered).expect("at most twice a bounded span"))
    }
}

impl crate::spec::RetryPolicy {
    fn allows(&self, exit: &Exit) -> bool {
        match exit {
            // What a node can't enforce or does not know it will not learn by being asked again.
            Exit::NotStarted { cause: StartFailure::Limit | StartFailure::User, .. } => false,
            Exit::Code(code) => self.exit_codes.is_empty() || self.exit_codes.contains(code),
            _ => self.exit_codes.is_empty(),
        }
    }
}

impl AttemptEnd {
    /// What agents report is cut to its bounds, never refused: the place must become free.
    fn bounded(mut self) -> Self {
        if let Exit::NotStarted { message, .. } | Exit::OutputFailed { message } = &mut self.exit {
            message.truncate(message.floor_char_boundary(START_MESSAGE_BYTES_MAX));
        }
        self
    }
}

impl Tail {
    /// At most [`crate::limits::Limit::OutputTailBytes`], the last ones.
    fn bounded(mut self) -> Self {
        let max = usize::try_from(crate::limits::Limit::OutputTailBytes.max()).expect("a tail fits memory");
        let over = self.bytes.len().saturating_sub(max);
        self.bytes.drain(..over);
        let over = u64::try_from(over).expect("a length fits 64 bits");
        self.dropped = Bytes(self.dropped.0.saturating_add(over));
        self
    }
}

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014).
const fn split_mix(seed: u64) -> u64 {
    let mut bits = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
