//! Calls about queues, and about what is paused: list, pause, resume.

use super::{Client, call_for};
use crate::error::Error;
use crate::ids::JobId;
use crate::reply::{Paused, Reply};
use crate::request::{PauseJob, PauseQueue, QueuesQuery, Request};
use crate::view::{QueuePage, QueueView};

/// Who asks for a pause or its end, in their own words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PauseTerms {
    /// Why, for whoever asks why a job waits.
    pub reason: Option<String>,
    /// The same key again is the same request.
    pub idempotency_key: Option<String>,
}

impl Client {
    /// Holds a job or an array: it does not start until it is resumed. An attempt that runs goes on, and none follows it; of
    /// an array no new task starts. Its timeouts go on counting.
    ///
    /// # Errors
    /// [`Error::Refused`] with `job_has_ended` or `not_found`, or `invalid_request` for a task, which is paused with its
    /// array.
    pub async fn pause_job(&self, job: JobId, terms: PauseTerms) -> Result<Paused, Error> {
        self.set_pause(job, true, terms).await
    }

    /// Lets a job or an array go on; a success for one that is not paused.
    ///
    /// # Errors
    /// As [`Client::pause_job`].
    pub async fn resume_job(&self, job: JobId, terms: PauseTerms) -> Result<Paused, Error> {
        self.set_pause(job, false, terms).await
    }

    /// Holds a queue: nothing of it starts until it is resumed; submits are accepted, what runs goes on. Lasts over restarts
    /// and changes of the leader.
    ///
    /// # Errors
    /// [`Error::Refused`] with `invalid_request` for what is no name; `overloaded` when too many queues are paused.
    pub async fn pause_queue(&self, queue: &str, terms: PauseTerms) -> Result<QueueView, Error> {
        self.set_queue_pause(queue, true, terms).await
    }

    /// Lets a queue go on; a success for one that is not paused.
    ///
    /// # Errors
    /// As [`Client::pause_queue`].
    pub async fn resume_queue(&self, queue: &str, terms: PauseTerms) -> Result<QueueView, Error> {
        self.set_queue_pause(queue, false, terms).await
    }

    /// A page of queues by name, as fresh as this client's reads are.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when there is no quorum to read with.
    pub async fn queues(&self, after: Option<String>) -> Result<QueuePage, Error> {
        call_for!(self, Request::Queues(QueuesQuery { after, read: self.read }), None, Reply::Queues)
    }

    /// One queue; of a name that has no jobs and is not paused, one without anything.
    ///
    /// # Errors
    /// As [`Client::queues`].
    pub async fn queue(&self, name: &str) -> Result<QueueView, Error> {
        let mut after = None;
        loop {
            let page = self.queues(after).await?;
            if let Some(found) = page.queues.into_iter().find(|queue| queue.name == name) {
                return Ok(found);
            }
            after = page.next;
            if after.is_none() {
                return Ok(QueueView::idle(name));
            }
        }
    }

    async fn set_pause(&self, job: JobId, paused: bool, terms: PauseTerms) -> Result<Paused, Error> {
        let PauseTerms { reason, idempotency_key } = terms;
        let asked = PauseJob { request_id: self.draw_request_id(), job, paused, reason, idempotency_key };
        call_for!(self, Request::PauseJob(asked), Some(job), Reply::Paused)
    }

    async fn set_queue_pause(&self, queue: &str, paused: bool, terms: PauseTerms) -> Result<QueueView, Error> {
        let PauseTerms { reason, idempotency_key } = terms;
        let (request_id, queue) = (self.draw_request_id(), queue.to_owned());
        let asked = PauseQueue { request_id, queue, paused, reason, idempotency_key };
        let view: Result<Box<QueueView>, Error> = call_for!(self, Request::PauseQueue(asked), None, Reply::QueuePaused);
        view.map(|view| *view)
    }
}
