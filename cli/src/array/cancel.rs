//! `quorla array cancel`.

use clap::Args;
use serde_json::json;

use crate::exit::Exit;
use crate::fault::Fault;
use crate::job::key;
use crate::output::{Document, Output, Table, printed};
use crate::session::Session;

#[derive(Debug, Args)]
pub(crate) struct Cancel {
    /// Its id, a unique prefix of it, or `last`; ARRAY/INDEX is one task
    #[arg(value_name = "ARRAY")]
    array: String,
    /// Why, for the history
    #[arg(long)]
    reason: Option<String>,
    /// The same key again is the same cancellation
    #[arg(long, value_name = "KEY", value_parser = key())]
    idempotency_key: Option<String>,
    /// Show how many tasks would be stopped, and stop none
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn run(arguments: Cancel, session: &Session, output: &Output) -> Result<Exit, Fault> {
    let connected = session.connect().await?;
    let array = connected.job(&arguments.array).await?;
    let mut table = Table::pairs();
    let ids = vec![array.to_string()];
    if arguments.dry_run {
        let tasks = connected.client.array_status(array).await?.tasks;
        let left = tasks.all() - tasks.ended();
        table.pair(&array.to_string(), format!("{left} tasks would be cancelled"));
        let json = json!({"array_id": array, "tasks": left, "dry_run": true});
        return printed(output, &Document { json, table, ids }, Exit::OK);
    }
    let cancelled = connected.client.cancel_with(array, arguments.reason, arguments.idempotency_key).await?;
    table.pair(&array.to_string(), cancelled.state);
    let json = json!({"array_id": array, "state": cancelled.state});
    printed(output, &Document { json, table, ids }, Exit::OK)
}
