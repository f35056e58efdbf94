//! `quorla job cancel`.

use clap::Args;

use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::{Document, Output, Table, json};
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
    #[arg(long, value_name = "KEY")]
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
    for job in found {
        let mut table = Table::pairs();
        if arguments.dry_run {
            let view = connected.client.info(job).await?;
            table.pair(&job.to_string(), format!("is {}, would be cancelled", view.state));
            let json = serde_json::json!({"job_id": job, "state": view.state, "dry_run": true});
            output.document(&Document { json, table, ids: vec![job.to_string()] })?;
            continue;
        }
        let (reason, key) = (arguments.reason.clone(), arguments.idempotency_key.clone());
        let cancelled = connected.client.cancel_with(job, reason, key).await?;
        table.pair(&job.to_string(), cancelled.state);
        output.document(&Document { json: json(&cancelled), table, ids: vec![job.to_string()] })?;
    }
    Ok(Exit::OK)
}
