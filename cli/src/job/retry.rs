//! `quorla job retry`: an ended job again, as a new job that names it.

use clap::Args;

use super::{Which, key};
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::{Document, Output, Table, printed};
use crate::session::Session;

#[derive(Debug, Args)]
pub(crate) struct Retry {
    #[command(flatten)]
    which: Which,
    /// The same key again is the same retry
    #[arg(long, value_name = "KEY", value_parser = key())]
    idempotency_key: Option<String>,
}

pub(super) async fn run(arguments: Retry, session: &Session, output: &Output) -> Result<Exit, Fault> {
    let connected = session.connect().await?;
    let of = connected.job(&arguments.which.job).await?;
    let submitted = connected.client.retry(of, arguments.idempotency_key).await?;
    connected.remember(submitted.job_id);
    let mut table = Table::pairs();
    table.pair(&submitted.job_id.to_string(), format!("retry of {of}"));
    let json = serde_json::json!({"job_id": submitted.job_id, "retry_of": of, "existing": submitted.existing});
    printed(output, &Document { json, table, ids: vec![submitted.job_id.to_string()] }, Exit::OK)
}
