//! One job: looked up, waited for, its history and its recorded output.

use std::{ops::ControlFlow, time::Duration};

use quorla_client::{
    ErrorBody, EventView, JobHistory, JobId, JobLogs, JobQuery, JobView, LogsQuery, Reply, Wait,
    limits::{HISTORY_EVENTS_MAX, WAIT_MS_MAX},
};
use quorla_ledger::{
    event::Event,
    record::{Course, JobRecord},
};
use tokio::time::{Instant, timeout_at};

use super::{Dispatch, reading::Reading, refuse, told::Told, view};

impl Dispatch {
    pub(super) async fn info(&self, query: JobQuery) -> Result<(u64, Reply), ErrorBody> {
        let reading = self.read("look up a job", query.read).await?;
        let shown = self.show(&reading, query.job, "look up a job")?;
        Ok((reading.applied_index(), Reply::Job(Box::new(shown))))
    }

    /// Looks again whenever something was applied, and answers at the end of the job or of the time.
    pub(super) async fn wait(&self, wait: Wait) -> Result<(u64, Reply), ErrorBody> {
        let deadline = Instant::now() + Duration::from_millis(wait.timeout_ms.min(WAIT_MS_MAX));
        let mut ended = self.ended.listen(wait.job);
        let mut reading = self.read("wait for a job", wait.read).await?;
        loop {
            let shown = self.show(&reading, wait.job, "wait for a job")?;
            if shown.state.is_ended() || timeout_at(deadline, ended.changed()).await.is_err() {
                return Ok((reading.applied_index(), Reply::Waited(Box::new(shown))));
            }
            reading = self.read("wait for a job", quorla_client::ReadLevel::Stale).await?;
        }
    }

    pub(super) async fn history(&self, query: JobQuery) -> Result<(u64, Reply), ErrorBody> {
        let attempt = "read a job's history";
        let reading = self.read(attempt, query.read).await?;
        let applied_index = reading.applied_index();
        let told = self.look(move |dispatch| {
            let record = reading.job(query.job)?.ok_or_else(|| refuse::no_record(attempt, query.job))?;
            let job = dispatch.show_record(&reading, &record)?;
            let (events, whole) = events(&reading, &record)?;
            let had_none = !record.id.is_plain() && record.attempts_made == 0;
            let begins = events.first().is_some_and(|event| event.sequence == record.first_event);
            let incomplete = !(had_none || whole && begins);
            Ok(JobHistory { job, events, incomplete })
        });
        Ok((applied_index, Reply::History(Box::new(told.await?))))
    }

    pub(super) async fn logs(&self, query: LogsQuery) -> Result<(u64, Reply), ErrorBody> {
        let attempt = "read a job's output";
        let reading = self.read(attempt, query.read).await?;
        let record = reading.job(query.job)?.ok_or_else(|| refuse::no_record(attempt, query.job))?;
        let wanted = match query.attempt {
            Some(number) => record.attempts.iter().find(|attempt| attempt.number == number),
            None => record.attempts.last(),
        };
        let Some(wanted) = wanted else {
            return match query.attempt {
                Some(number) => Err(refuse::unknown_attempt(query.job, number, record.attempts_made)),
                None => Ok((reading.applied_index(), Reply::Logs(no_output(query.job, record.state.is_ended())))),
            };
        };
        let tails = reading.tails(record.id, wanted.placed.fence)?.unwrap_or_default();
        let logs = JobLogs {
            job: query.job,
            attempt: wanted.number,
            ended: wanted.course != Course::Open,
            stdout: view::tail(tails.stdout),
            stderr: view::tail(tails.stderr),
        };
        Ok((reading.applied_index(), Reply::Logs(logs)))
    }
}

impl Dispatch {
    fn show(&self, reading: &Reading, job: JobId, attempt: &str) -> Result<JobView, ErrorBody> {
        if job.is_array() {
            return self.array_as_job(reading, job)?.ok_or_else(|| refuse::unknown_job(attempt, job));
        }
        let record = reading.job(job)?.ok_or_else(|| refuse::unknown_job(attempt, job))?;
        self.show_record(reading, &record)
    }

    pub(super) fn show_record(&self, reading: &Reading, record: &JobRecord) -> Result<JobView, ErrorBody> {
        let mut shown = recorded(reading, record)?;
        shown.reason = shown.reason.or_else(|| self.why_queued(record));
        Ok(shown)
    }
}

/// What the tables tell of a job: not why it waits for a place, which is nowhere written.
pub(super) fn recorded(reading: &Reading, record: &JobRecord) -> Result<JobView, ErrorBody> {
    let names = reading.names_of(view::nodes_of(record))?;
    Ok(view::job(record, reading.spec_of(record.id)?, &names))
}

fn no_output(job: JobId, ended: bool) -> JobLogs {
    JobLogs { job, attempt: 0, ended, stdout: Default::default(), stderr: Default::default() }
}

/// The job's events, and whether none is missing at the end.
fn events(reading: &Reading, record: &JobRecord) -> Result<(Vec<EventView>, bool), ErrorBody> {
    let mut found = Vec::new();
    let mut full = false;
    let whole = reading.events_from(record.first_event, |page| {
        for (sequence, event) in (page.first..).zip(&page.events) {
            let Some(told) = Told::of_job(event, record) else { continue };
            full = found.len() >= usize::try_from(HISTORY_EVENTS_MAX).expect("a page fits memory");
            if full {
                return ControlFlow::Break(());
            }
            found.push((sequence, page.at.0, told));
            if matches!(event, Event::JobEnded(_)) {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    })?;
    let named = found.iter().filter_map(|(_, _, told)| told.node);
    let names = reading.names_of(named.chain(view::nodes_of(record)))?;
    let events = found.into_iter().map(|(sequence, at_ms, told)| told.show(sequence, at_ms, record, &names)).collect();
    Ok((events, whole && !full))
}
