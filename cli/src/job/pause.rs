//! `quorla job pause` and `resume`, and the same of an array.

use clap::Args;
use quorla_client::{Client, Error, JobId, JobState, PauseTerms, Paused};
use serde_json::Value;

use super::{key, told};
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::{Output, json};
use crate::session::Session;

pub(super) const EXAMPLES: &str = "Examples:\n  quorla job pause 3f2k --reason 'after the release'\n  quorla job resume 3f2k\n\n\
    A paused job does not start until it is resumed: delays and backoffs run out, and it still waits. Timeouts of queue and\n\
    job go on counting. An attempt that runs goes on, and no other follows it; `quorla job cancel` is what stops one. Of an\n\
    array no new task starts.";

#[derive(Debug, Args)]
pub(crate) struct Pause {
    #[command(flatten)]
    which: Resume,
    /// Why, for whoever asks why it waits
    #[arg(long)]
    reason: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Resume {
    /// Ids of jobs or arrays, unique prefixes, or `last`
    #[arg(required = true, value_name = "ID")]
    jobs: Vec<String>,
    /// The same key again is the same request; with one job only
    #[arg(long, value_name = "KEY", value_parser = key())]
    idempotency_key: Option<String>,
    /// Show which jobs are meant, and change none
    #[arg(long)]
    dry_run: bool,
}

/// Whether to hold or to let go on, with what goes with it.
struct Change {
    paused: bool,
    terms: PauseTerms,
    dry_run: bool,
}

pub(crate) async fn pause(pause: Pause, session: &Session, output: &Output) -> Result<Exit, Fault> {
    let Pause { which, reason } = pause;
    set(which, true, reason, session, output).await
}

pub(crate) async fn resume(resume: Resume, session: &Session, output: &Output) -> Result<Exit, Fault> {
    set(resume, false, None, session, output).await
}

async fn set(
    which: Resume,
    paused: bool,
    reason: Option<String>,
    session: &Session,
    output: &Output,
) -> Result<Exit, Fault> {
    let Resume { jobs, idempotency_key, dry_run } = which;
    let attempt = if paused { "pause jobs" } else { "resume jobs" };
    if idempotency_key.is_some() && jobs.len() > 1 {
        return Err(Fault::usage(format!("{attempt}: an idempotency key names one request, not several")));
    }
    let connected = session.connect().await?;
    // All are found before one is changed: a misspelt id changes nothing.
    let mut found = Vec::new();
    for text in &jobs {
        found.push(connected.job(text).await?);
    }
    let change = Change { paused, terms: PauseTerms { reason, idempotency_key }, dry_run };
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for job in &found {
        match change.make(&connected.client, *job).await {
            Ok(one) => done.push(one),
            Err(error) => failed.push(((found.len() > 1).then(|| job.to_string()), Fault::from(error))),
        }
    }
    if !done.is_empty() {
        output.document(&told(done, found.len() == 1))?;
    }
    Fault::of_many(attempt, found.len(), failed).map_or(Ok(Exit::OK), Err)
}

impl Change {
    /// What became of one job: its id, words, and the same for programs.
    async fn make(&self, client: &Client, job: JobId) -> Result<(JobId, String, Value), Error> {
        if self.dry_run {
            let state = client.info(job).await?.state;
            let would = if self.paused { "paused" } else { "resumed" };
            let json = serde_json::json!({"job_id": job, "state": state, "dry_run": true});
            return Ok((job, format!("is {state}, would be {would}"), json));
        }
        let terms = self.terms.clone();
        let done = match self.paused {
            true => client.pause_job(job, terms).await?,
            false => client.resume_job(job, terms).await?,
        };
        Ok((job, words(&done), json(&done)))
    }
}

/// What a pause means for what runs, where something does.
fn words(done: &Paused) -> String {
    let state = done.state;
    match (done.paused, state) {
        (false, _) => format!("{state}, not paused"),
        (true, JobState::Running) if done.job_id.is_array() => {
            format!("{state}, paused: what runs goes on, and no other task starts")
        }
        (true, JobState::Running) => format!("{state}, paused: its attempt goes on, and no other follows"),
        (true, _) => format!("{state}, paused"),
    }
}

#[cfg(test)]
mod tests {
    use super::{JobId, JobState, Paused, words};

    #[test]
    fn what_runs_on_is_said() {
        let done = |job_id, paused, state| words(&Paused { job_id, paused, state });
        let (job, array) = (JobId::from_parts(1, 1), JobId::array_from_parts(1, 1));
        assert_eq!(done(job, true, JobState::Queued), "queued, paused");
        assert_eq!(done(job, true, JobState::Running), "running, paused: its attempt goes on, and no other follows");
        assert!(done(array, true, JobState::Running).contains("no other task starts"));
        assert_eq!(done(job, false, JobState::Queued), "queued, not paused");
    }
}
