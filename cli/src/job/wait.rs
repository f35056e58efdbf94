//! `quorla job wait`: never says ok for a job that did not succeed.

use std::time::Duration;

use clap::Args;
use quorla_client::JobId;

use super::Which;
use super::duration::span_ms;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::{Output, printed};
use crate::session::{Connected, Session};

#[derive(Debug, Args)]
pub(crate) struct Wait {
    #[command(flatten)]
    which: Which,
    /// How long to wait [default: as long as it takes]
    #[arg(long, value_parser = span_ms, value_name = "SPAN")]
    timeout: Option<u64>,
}

/// Which job is meant, within the time of the wait: a cluster without a quorum can't tell.
async fn find(connected: &Connected, job: &str, timeout_ms: Option<u64>) -> Result<JobId, Fault> {
    let Some(timeout_ms) = timeout_ms else { return connected.job(job).await };
    let found = tokio::time::timeout(Duration::from_millis(timeout_ms), connected.job(job)).await;
    found.unwrap_or_else(|_| {
        let message = format!("wait for job {job}: nobody said within {timeout_ms} ms which job that is");
        Err(Fault::new(Exit::WAIT_TIMED_OUT, "wait_timed_out", message).hint("See the cluster: quorla cluster status"))
    })
}

pub(super) async fn run(arguments: &Wait, session: &Session, output: &Output) -> Result<Exit, Fault> {
    let connected = session.connect_to_wait().await?;
    let job = find(&connected, &arguments.which.job, arguments.timeout).await?;
    let job = connected.client.wait(job, arguments.timeout).await?;
    printed(output, &super::show::document(&job), Exit::of_ended(job.state))
}
