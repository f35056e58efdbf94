//! Requests that change the ledger. The stateless checks run here, before anything is proposed (R8).

use futures::{StreamExt as _, stream::FuturesOrdered};
use quorla_client::{
    Cancel, Cancelled, ErrorBody, ErrorCode, JobId, JobState, Reply, Retry, Submit, Submitted,
    limits::SUBMIT_MANY_JOBS_MAX,
};
use quorla_consensus::Lane;
use quorla_ledger::{
    codec::encode_command,
    command::{self, Command},
    ids::{self, Principal},
    ledger::check_stateless,
    reply,
};

use super::{Dispatch, convert, refuse};
use crate::metrics;

type Answer = Result<(u64, Reply), ErrorBody>;

impl Dispatch {
    pub(super) async fn submit(&self, principal: Principal, submit: Submit) -> Answer {
        let led = self.term_led();
        let submitted = self.submit_one(principal, submit).await?;
        Ok((self.applied_since(led).await, Reply::Submitted(submitted)))
    }

    pub(super) async fn submit_many(&self, principal: Principal, submits: Vec<Submit>) -> Answer {
        if submits.len() > SUBMIT_MANY_JOBS_MAX {
            let message = format!("submit jobs: {} at once, at most {SUBMIT_MANY_JOBS_MAX}", submits.len());
            return Err(ErrorBody::new(ErrorCode::LimitExceeded, message).hint("Send several smaller requests."));
        }
        let led = self.term_led();
        let each: FuturesOrdered<_> = submits.into_iter().map(|submit| self.submit_one(principal, submit)).collect();
        let outcomes = each.collect().await;
        Ok((self.applied_since(led).await, Reply::SubmittedMany(outcomes)))
    }

    pub(super) async fn retry(&self, principal: Principal, retry: Retry) -> Answer {
        let asked = retry.job_id;
        let request = command::Request { principal, id: id(asked), key: retry.idempotency_key };
        let command = Command::Retry { request, job: id(retry.of), seed: seed() };
        let led = self.term_led();
        let submitted = submitted("retry a job", asked, self.change("retry a job", &command).await?)?;
        Ok((self.applied_since(led).await, Reply::Submitted(submitted)))
    }

    pub(super) async fn cancel(&self, principal: Principal, cancel: Cancel) -> Answer {
        let attempt = "cancel a job";
        let request =
            command::Request { principal, id: ids::JobId(cancel.request_id.as_u128()), key: cancel.idempotency_key };
        let command = Command::Cancel { request, job: id(cancel.job), reason: cancel.reason };
        let led = self.term_led();
        let reply::Reply::Cancelled = self.change(attempt, &command).await? else {
            return Err(refuse::unexpected(attempt));
        };
        let applied_index = self.applied_since(led).await;
        let live = self.consensus.inspect(|ledger| ledger.is_live(id(cancel.job)));
        let state = if live { JobState::Stopping } else { JobState::Cancelled };
        Ok((applied_index, Reply::Cancelled(Cancelled { job_id: cancel.job, state })))
    }

    /// Proposes a command; a refusal of the ledger becomes an error.
    pub(super) async fn change(&self, attempt: &str, command: &Command) -> Result<reply::Reply, ErrorBody> {
        check_stateless(command).map_err(|refusal| refuse::refused(attempt, &refusal))?;
        self.room.check(command).map_err(|refusal| {
            metrics::count_refused_for_disk();
            refuse::refused(attempt, &refusal)
        })?;
        match self.consensus.propose(Lane::Client, encode_command(command)).await {
            Ok(reply::Reply::Refused(refusal)) => Err(refuse::refused(attempt, &refusal)),
            Ok(reply) => Ok(reply),
            Err(error) => Err(self.not_proposed(attempt, &error)),
        }
    }

    /// The term in which this node leads, if it does: to be taken before a write.
    pub(super) fn term_led(&self) -> Option<u64> {
        let status = self.consensus.status();
        let status = status.borrow();
        status.is_leader().then_some(status.term)
    }

    /// The applied index here, once it includes a write that was answered just now (R13).
    ///
    /// A leader answers what it has applied. The answer to a forwarded write may be here before its entry, which a read
    /// index brings; where that fails the write is no less done, and the index is what there is.
    pub(super) async fn applied_since(&self, led: Option<u64>) -> u64 {
        if (led.is_none() || led != self.term_led())
            && let Err(error) = self.consensus.read(quorla_consensus::ReadLevel::Linearizable).await
        {
            tracing::debug!(%error, "a write is done, and is not known to be applied here");
        }
        self.applied_index()
    }

    pub(super) fn applied_index(&self) -> u64 {
        *self.consensus.applied().borrow()
    }

    async fn submit_one(&self, principal: Principal, mut submit: Submit) -> Result<Submitted, ErrorBody> {
        let attempt = "submit a job";
        let key = submit.job.idempotency_key.take();
        let request = command::Request { principal, id: id(submit.job_id), key };
        let command = Command::Submit(command::Submit { request, spec: convert::spec(submit.job), seed: seed() });
        tracing::debug!(job = %submit.job_id, "submit");
        submitted(attempt, submit.job_id, self.change(attempt, &command).await?)
    }
}

pub(super) fn submitted(attempt: &str, asked: JobId, reply: reply::Reply) -> Result<Submitted, ErrorBody> {
    match reply {
        reply::Reply::Submitted { job } => {
            let job_id = JobId::from_u128(job.0);
            Ok(Submitted { job_id, existing: job_id != asked })
        }
        _ => Err(refuse::unexpected(attempt)),
    }
}

pub(super) const fn id(job: JobId) -> ids::JobId {
    ids::JobId(job.as_u128())
}

/// Random bits for a job's jitter; outside of what its idempotency covers.
pub(super) fn seed() -> u64 {
    rand::random()
}
