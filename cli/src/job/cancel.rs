//! `quorla job cancel`.

use clap::Args;
use quorla_client::{Client, Error, JobId};
use serde_json::Value;

use super::{key, told};
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::{Output, json};
use crate::session::Session;

#[derive(Debug, Args)]
pub(crate) struct Cancel {
    /// Ids, unique prefixes, or `last`
    #[arg(required = true, value_name = "JOB")]
    jobs: Vec<String>,
    /// Why, for the job's history
    #[arg(long)]
    reason: Option<String>,
    /// The same key again is the same cancellation; with one job only
    #[arg(long, value_name = "KEY", value_parser = key())]
    idempotency_key: Option<String>,
    /// Show which jobs are meant, and cancel none
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn run(arguments: Cancel, session: &Session, output: &Output) -> Result<Exit, Fault> {
    if arguments.idempotency_key.is_some() && arguments.jobs.len() > 1 {
        return Err(Fault::usage("cancel jobs: an idempotency key names one cancellation, not several"));
    }
    let connected = session.connect().await?;
    // All are found before one is cancelled: a misspelt id cancels nothing.
    let mut found = Vec::new();
    for text in &arguments.jobs {
        found.push(connected.job(text).await?);
    }
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for job in &found {
        match cancel(&connected.client, *job, &arguments).await {
            Ok(one) => done.push(one),
            Err(error) => failed.push(((found.len() > 1).then(|| job.to_string()), Fault::from(error))),
        }
    }
    if !done.is_empty() {
        output.document(&told(done, found.len() == 1))?;
    }
    Fault::of_many("cancel jobs", found.len(), failed).map_or(Ok(Exit::OK), Err)
}

/// What became of one job: its id, words, and the same for programs.
async fn cancel(client: &Client, job: JobId, arguments: &Cancel) -> Result<(JobId, String, Value), Error> {
    if arguments.dry_run {
        let state = client.info(job).await?.state;
        let json = serde_json::json!({"job_id": job, "state": state, "dry_run": true});
        return Ok((job, format!("is {state}, would be cancelled"), json));
    }
    let cancelled = client.cancel_with(job, arguments.reason.clone(), arguments.idempotency_key.clone()).await?;
    Ok((job, cancelled.state.to_string(), json(&cancelled)))
}
