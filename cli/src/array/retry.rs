//! `quorla array retry`: the tasks that did not succeed again, as a new array that names the ended one.

use clap::Args;
use serde_json::json;

use super::wait;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::job::key;
use crate::output::{Document, Output, Table, printed};
use crate::session::Session;

#[derive(Debug, Args)]
pub(crate) struct Retry {
    /// The ended array's id, a unique prefix of it, or `last`
    #[arg(value_name = "ARRAY")]
    array: String,
    /// Wait for the last task
    #[arg(long)]
    wait: bool,
    /// The same key again is the same retry
    #[arg(long, value_name = "KEY", value_parser = key())]
    idempotency_key: Option<String>,
}

pub(super) async fn run(arguments: Retry, session: &Session, output: &Output) -> Result<Exit, Fault> {
    let connected = session.connect().await?;
    let of = connected.job(&arguments.array).await?;
    let submitted = connected.client.retry_array(of, arguments.idempotency_key).await?;
    let array = submitted.job_id;
    connected.remember(array);
    if arguments.wait {
        output.say(format!("array {array}: retry of {of}"));
        return wait::until_ended(&connected.client, array, output).await;
    }
    let mut table = Table::pairs();
    table.pair(&array.to_string(), format!("retry of {of}"));
    let json = json!({"array_id": array, "retry_of": of, "existing": submitted.existing});
    printed(output, &Document { json, table, ids: vec![array.to_string()] }, Exit::OK)
}
