//! Jobs, arrays and queues held and let go on.

use quorla_client::{ErrorBody, JobId, JobState, PauseJob, PauseQueue, Paused, Reply};
use quorla_ledger::{
    Command, command,
    ids::{self, Principal},
    reply,
};

use super::{Dispatch, array, reading::Reading, refuse, submit::id, view};

type Answer = Result<(u64, Reply), ErrorBody>;

impl Dispatch {
    pub(super) async fn pause_job(&self, principal: Principal, asked: PauseJob) -> Answer {
        let attempt = if asked.paused { "pause a job" } else { "resume a job" };
        let PauseJob { request_id, job, paused, reason, idempotency_key: key } = asked;
        let request = command::Request { principal, id: ids::JobId(request_id.as_u128()), key };
        let command = Command::PauseJob { request, job: id(job), paused, reason };
        let applied_index = self.set_pause(attempt, &command).await?;
        let reading = self.read(attempt, quorla_client::ReadLevel::Stale).await?;
        let state = state_of(&reading, job)?.ok_or_else(|| refuse::unknown_job(attempt, job))?;
        Ok((applied_index, Reply::Paused(Paused { job_id: job, paused, state })))
    }

    pub(super) async fn pause_queue(&self, principal: Principal, asked: PauseQueue) -> Answer {
        let attempt = if asked.paused { "pause a queue" } else { "resume a queue" };
        let PauseQueue { request_id, queue, paused, reason, idempotency_key: key } = asked;
        let request = command::Request { principal, id: ids::JobId(request_id.as_u128()), key };
        let command = Command::PauseQueue { request, queue: queue.clone(), paused, reason };
        let applied_index = self.set_pause(attempt, &command).await?;
        let view = self.one_queue(queue).await?;
        Ok((applied_index, Reply::QueuePaused(Box::new(view))))
    }

    async fn set_pause(&self, attempt: &str, command: &Command) -> Result<u64, ErrorBody> {
        let led = self.term_led();
        let reply::Reply::PauseIsSet = self.change(attempt, command).await? else {
            return Err(refuse::unexpected(attempt));
        };
        Ok(self.applied_since(led).await)
    }
}

/// How a job or an array stands.
fn state_of(reading: &Reading, job: JobId) -> Result<Option<JobState>, ErrorBody> {
    if job.is_array() {
        return Ok(reading.array(job)?.map(|kept| array::state(&kept.progress)));
    }
    Ok(reading.job(job)?.map(|record| view::state(&record.state)))
}
