//! `quorla job wait`: never says ok for a job that did not succeed.

use clap::Args;

use super::Which;
use super::duration::span_ms;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::{Output, printed};
use crate::session::Session;

#[derive(Debug, Args)]
pub(crate) struct Wait {
    #[command(flatten)]
    which: Which,
    /// How long to wait [default: as long as it takes]
    #[arg(long, value_parser = span_ms, value_name = "SPAN")]
    timeout: Option<u64>,
}

pub(super) async fn run(arguments: &Wait, session: &Session, output: &Output) -> Result<Exit, Fault> {
    let connected = session.connect().await?;
    let job = connected.job(&arguments.which.job).await?;
    let job = connected.client.wait(job, arguments.timeout).await?;
    printed(output, &super::show::document(&job), Exit::of_ended(job.state))
}
