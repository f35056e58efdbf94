//! Submitting: one job, many jobs in a pipeline, and a job that is waited for.

use std::time::Duration;

use futures::StreamExt as _;

use super::{Client, call_for, foreign};
use crate::clock::Stopwatch;
use crate::codec::encode_body;
use crate::error::Error;
use crate::ids::JobId;
use crate::job::JobRequest;
use crate::limits::{SUBMIT_MANY_BYTES_TARGET, SUBMIT_MANY_IN_FLIGHT_MAX, SUBMIT_MANY_JOBS_MAX};
use crate::refusal::ErrorBody;
use crate::reply::{Reply, Submitted};
use crate::request::{Request, Submit};
use crate::retry::{GiveUp, Step, Tries, TryOutcome};
use crate::view::JobView;

type Outcome = Result<Submitted, Error>;

/// A job of a batch that has no outcome yet.
struct Open {
    position: usize,
    submit: Submit,
    tries: Tries,
}

impl Client {
    /// Submits a job. When this returns `Ok`, the job is on fsynced disk on a majority.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::NotNow`], [`Error::OutcomeUnknown`] or [`Error::Unavailable`].
    pub async fn submit(&self, job: JobRequest) -> Outcome {
        self.submit_as(self.draw_job_id(), job).await
    }

    /// Submits a job under an id that was drawn before; the same id and job again is the same submit.
    ///
    /// # Errors
    /// As [`Client::submit`].
    pub async fn submit_as(&self, job_id: JobId, job: JobRequest) -> Outcome {
        job.check()?;
        let request = Request::Submit(Box::new(Submit { job_id, job }));
        call_for!(self, request, Some(job_id), Reply::Submitted)
    }

    /// Submits many jobs, several batches in flight; one outcome for each, in the same order. Their ids rise in it.
    pub async fn submit_many(&self, jobs: impl IntoIterator<Item = JobRequest>) -> Vec<Outcome> {
        let jobs: Vec<JobRequest> = jobs.into_iter().collect();
        let ids = self.draw_job_ids(jobs.len());
        self.submit_many_as(ids.into_iter().zip(jobs).map(|(job_id, job)| Submit { job_id, job })).await
    }

    /// As [`Client::submit_many`], under ids that were drawn before.
    pub async fn submit_many_as(&self, submits: impl IntoIterator<Item = Submit>) -> Vec<Outcome> {
        let sent = batches(submits).into_iter().map(|batch| self.submit_batch(batch));
        let outcomes = futures::stream::iter(sent).buffered(SUBMIT_MANY_IN_FLIGHT_MAX);
        outcomes.collect::<Vec<_>>().await.into_iter().flatten().collect()
    }

    /// Submits a job and waits for its end, however long that takes.
    ///
    /// # Errors
    /// As [`Client::submit`] and [`Client::wait`].
    pub async fn run(&self, job: JobRequest) -> Result<JobView, Error> {
        let submitted = self.submit(job).await?;
        self.wait(submitted.job_id, None).await
    }

    async fn submit_batch(&self, batch: Vec<Submit>) -> Vec<Outcome> {
        let mut outcomes: Vec<Option<Outcome>> = Vec::with_capacity(batch.len());
        let mut open = Vec::with_capacity(batch.len());
        for (position, submit) in batch.into_iter().enumerate() {
            let checked = submit.job.check();
            outcomes.push(checked.clone().err().map(|refusal| Err(refusal.into())));
            if checked.is_ok() {
                open.push(Open { position, submit, tries: Tries::new(self.rules(), true) });
            }
        }
        self.submit_open(open, &mut outcomes).await;
        outcomes.into_iter().map(|outcome| outcome.expect("every job of a batch gets its outcome")).collect()
    }

    /// Sends what has no outcome yet, again and again with the same ids, until each job has one.
    async fn submit_open(&self, mut open: Vec<Open>, outcomes: &mut [Option<Outcome>]) {
        let since = Stopwatch::start();
        while !open.is_empty() {
            let request = Request::SubmitMany(open.iter().map(|open| open.submit.clone()).collect());
            let mut carrier = Tries::new(self.rules(), true);
            let replied = self.call_with(&request, None, &mut carrier).await;
            // R9: an earlier copy of the batch may have been accepted, whatever is said of a later one.
            open.iter_mut().for_each(|open| open.tries.carried_by(&carrier));
            let replies = match replied {
                Ok(Reply::SubmittedMany(replies)) if replies.len() == open.len() => replies,
                Ok(_) => return fill(open, outcomes, &foreign(&request)),
                Err(error) => return fill(open, outcomes, &error),
            };
            let mut pause_ms = 0;
            let mut rest = Vec::new();
            for (mut one, reply) in open.into_iter().zip(replies) {
                match settle(&mut one.tries, reply, one.submit.job_id, since.elapsed_ms()) {
                    Settled::Outcome(outcome) => outcomes[one.position] = Some(outcome),
                    Settled::Again { after_ms } => {
                        pause_ms = pause_ms.max(after_ms);
                        rest.push(one);
                    }
                }
            }
            open = rest;
            if !open.is_empty() {
                tokio::time::sleep(Duration::from_millis(pause_ms)).await;
            }
        }
    }
}

enum Settled {
    Outcome(Outcome),
    Again { after_ms: u64 },
}

fn settle(tries: &mut Tries, reply: Result<Submitted, ErrorBody>, job: JobId, elapsed_ms: u64) -> Settled {
    let body = match reply {
        Ok(submitted) => return Settled::Outcome(Ok(submitted)),
        Err(body) => body,
    };
    let outcome: TryOutcome<String> = body.outcome();
    match tries.next(outcome, elapsed_ms, rand::random()) {
        Step::Retry { after_ms, .. } => Settled::Again { after_ms },
        Step::GiveUp(GiveUp::Unknown) => {
            let reason = body.to_string();
            Settled::Outcome(Err(Error::OutcomeUnknown { attempted: "submit a job", reason, job: Some(job) }))
        }
        Step::GiveUp(GiveUp::NotNow) => Settled::Outcome(Err(Error::NotNow(Box::new(body)))),
        Step::GiveUp(_) | Step::Finish => Settled::Outcome(Err(body.into())),
    }
}

/// The error of a whole batch ends each of its jobs; those that an earlier copy may have taken along are unknown.
fn fill(open: Vec<Open>, outcomes: &mut [Option<Outcome>], error: &Error) {
    for one in open {
        let job = one.submit.job_id;
        let error = match one.tries.was_unknown() {
            true => Error::OutcomeUnknown { attempted: "submit a job", reason: error.to_string(), job: Some(job) },
            false => of_one_job(error, job),
        };
        outcomes[one.position] = Some(Err(error));
    }
}

/// The error of a whole batch, said of one of its jobs.
fn of_one_job(error: &Error, job: JobId) -> Error {
    match error {
        Error::Refused(body) => Error::Refused(body.clone()),
        Error::NotNow(body) => Error::NotNow(body.clone()),
        Error::OutcomeUnknown { attempted, reason, .. } => {
            Error::OutcomeUnknown { attempted, reason: reason.clone(), job: Some(job) }
        }
        Error::Unavailable { attempted, addresses, reason } => {
            Error::Unavailable { attempted, addresses: addresses.clone(), reason: reason.clone() }
        }
        Error::HandshakeRefused { reason } => Error::HandshakeRefused { reason: reason.clone() },
        _ => Error::ForeignReply { attempted: "submit jobs" },
    }
}

/// Splits at the bounds of one request; a single large job is a batch of its own.
fn batches(submits: impl IntoIterator<Item = Submit>) -> Vec<Vec<Submit>> {
    let mut batches: Vec<Vec<Submit>> = Vec::new();
    let mut bytes = 0;
    for submit in submits {
        let submit_bytes = encode_body(&submit).map_or(SUBMIT_MANY_BYTES_TARGET, |body| body.len());
        let fits = bytes + submit_bytes <= SUBMIT_MANY_BYTES_TARGET;
        match batches.last_mut().filter(|batch| fits && batch.len() < SUBMIT_MANY_JOBS_MAX) {
            Some(batch) => batch.push(submit),
            None => {
                batches.push(vec![submit]);
                bytes = 0;
            }
        }
        bytes += submit_bytes;
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::{JobId, JobRequest, SUBMIT_MANY_BYTES_TARGET, SUBMIT_MANY_JOBS_MAX, Submit, batches};

    fn submit(stdin_bytes: usize) -> Submit {
        let job = JobRequest::new(["true"]).stdin(vec![0; stdin_bytes]);
        Submit { job_id: JobId::from_parts(1, 1), job }
    }

    #[test]
    fn batches_hold_to_count_and_bytes() {
        let small = batches((0..=SUBMIT_MANY_JOBS_MAX).map(|_| submit(0)));
        assert_eq!(small.iter().map(Vec::len).collect::<Vec<_>>(), [SUBMIT_MANY_JOBS_MAX, 1]);
        let large = batches((0..3).map(|_| submit(SUBMIT_MANY_BYTES_TARGET)));
        assert_eq!(large.len(), 3);
    }
}
