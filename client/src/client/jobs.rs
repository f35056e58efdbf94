//! Calls about jobs that exist: wait, look, list, cancel, retry.

use super::{Client, call_for, patience::Patience};
use crate::error::Error;
use crate::ids::{JobId, canonical_prefix};
use crate::refusal::{ErrorBody, ErrorCode};
use crate::reply::{Cancelled, PrefixMatch, Reply, Submitted};
use crate::request::{Cancel, JobQuery, ListQuery, LogsQuery, PrefixQuery, Request, Retry, Wait};
use crate::view::{JobExplanation, JobHistory, JobLogs, JobPage, JobView};

impl Client {
    /// Waits until a job has ended, or for so many milliseconds.
    ///
    /// # Errors
    /// [`Error::WaitTimedOut`] when the time is up; [`Error::Refused`] when there is no such job.
    pub async fn wait(&self, job: JobId, timeout_ms: Option<u64>) -> Result<JobView, Error> {
        let patience = Patience::new(timeout_ms);
        let timed_out = |timeout_ms| Error::WaitTimedOut { job, timeout_ms };
        loop {
            let wait = Wait { job, timeout_ms: patience.round_ms(), read: self.read };
            let view = patience.ask(self.wait_once(wait)).await.map_err(timed_out)??;
            if view.state.is_ended() {
                return Ok(*view);
            }
            if let Some(timeout_ms) = patience.passed() {
                return Err(timed_out(timeout_ms));
            }
        }
    }

    async fn wait_once(&self, wait: Wait) -> Result<Box<JobView>, Error> {
        let job = wait.job;
        call_for!(self, Request::Wait(wait), Some(job), Reply::Waited)
    }

    /// A job in full.
    ///
    /// # Errors
    /// [`Error::Refused`] with `not_found` when there is none.
    pub async fn info(&self, job: JobId) -> Result<JobView, Error> {
        let request = Request::Info(JobQuery { job, read: self.read });
        let view: Result<Box<JobView>, Error> = call_for!(self, request, Some(job), Reply::Job);
        view.map(|view| *view)
    }

    /// Why a job does not run yet, with every node's reason; where it runs; or how it ended.
    ///
    /// # Errors
    /// [`Error::Refused`] with `not_found` when there is no such job.
    pub async fn explain(&self, job: JobId) -> Result<JobExplanation, Error> {
        let request = Request::Explain(JobQuery { job, read: self.read });
        let told: Result<Box<JobExplanation>, Error> = call_for!(self, request, Some(job), Reply::Explained);
        told.map(|explanation| *explanation)
    }

    /// A page of jobs, in the order asked for, as fresh as this client's reads are.
    ///
    /// # Errors
    /// [`Error::Refused`] when the query is not valid.
    pub async fn list(&self, query: ListQuery) -> Result<JobPage, Error> {
        call_for!(self, Request::List(ListQuery { read: self.read, ..query }), None, Reply::Jobs)
    }

    /// The job that a whole id or a unique prefix means.
    ///
    /// # Errors
    /// [`Error::PrefixAmbiguous`] with candidates, or [`Error::Refused`] with `not_found`.
    pub async fn resolve(&self, text: &str) -> Result<JobId, Error> {
        if let Ok(id) = text.parse() {
            return Ok(id);
        }
        if let Some((array, index)) = text.split_once('/') {
            let array = Box::pin(self.resolve(array)).await?;
            let index = index.parse().ok().and_then(|index| array.task(index));
            return index.ok_or_else(|| not_found(text).into());
        }
        let prefix = canonical_prefix(text).filter(|prefix| !prefix.is_empty()).ok_or_else(|| not_found(text))?;
        let query = PrefixQuery { prefix, read: self.read };
        let found: Result<PrefixMatch, Error> = call_for!(self, Request::ResolvePrefix(query), None, Reply::Prefix);
        let found = found?;
        match found.jobs.as_slice() {
            [] => Err(not_found(text).into()),
            [only] if !found.more => Ok(only.id),
            _ => {
                let prefix = text.to_owned();
                Err(Error::PrefixAmbiguous { prefix, candidates: found.jobs, more: found.more })
            }
        }
    }

    /// Stops a job. The state tells whether an attempt still has to end.
    ///
    /// # Errors
    /// [`Error::Refused`] with `job_has_ended` or `not_found`.
    pub async fn cancel(&self, job: JobId) -> Result<Cancelled, Error> {
        self.cancel_with(job, None, None).await
    }

    /// As [`Client::cancel`], with a reason for the job's history and an idempotency key.
    ///
    /// # Errors
    /// As [`Client::cancel`].
    pub async fn cancel_with(
        &self,
        job: JobId,
        reason: Option<String>,
        idempotency_key: Option<String>,
    ) -> Result<Cancelled, Error> {
        let cancel = Cancel { request_id: self.draw_request_id(), job, reason, idempotency_key };
        call_for!(self, Request::Cancel(cancel), Some(job), Reply::Cancelled)
    }

    /// Submits an ended job anew, as a new job that names it.
    ///
    /// # Errors
    /// [`Error::Refused`] with `job_has_not_ended` or `not_found`.
    pub async fn retry(&self, of: JobId, idempotency_key: Option<String>) -> Result<Submitted, Error> {
        let job_id = if of.is_array() { self.draw_array_id() } else { self.draw_job_id() };
        let retry = Retry { job_id, of, idempotency_key };
        call_for!(self, Request::Retry(retry), Some(job_id), Reply::Submitted)
    }

    /// A job's attempts and events.
    ///
    /// # Errors
    /// [`Error::Refused`] with `not_found` when there is no such job.
    pub async fn history(&self, job: JobId) -> Result<JobHistory, Error> {
        let request = Request::History(JobQuery { job, read: self.read });
        let history: Result<Box<JobHistory>, Error> = call_for!(self, request, Some(job), Reply::History);
        history.map(|history| *history)
    }

    /// The recorded ends of the output of one attempt, the latest when none is named.
    ///
    /// # Errors
    /// [`Error::Refused`] with `not_found` when there is no such job or attempt.
    pub async fn logs(&self, job: JobId, attempt: Option<u32>) -> Result<JobLogs, Error> {
        let query = LogsQuery { job, attempt, read: self.read };
        call_for!(self, Request::Logs(query), Some(job), Reply::Logs)
    }
}

fn not_found(text: &str) -> ErrorBody {
    ErrorBody::new(ErrorCode::NotFound, format!("find the job {text}: there is none"))
        .hint("See what there is: quorla job list")
}
