//! `quorla node drain` and `undrain`: no new work for a node, and work again.

use clap::Args;
use quorla_client::NodeWork;

use crate::exit::Exit;
use crate::fault::Fault;
use crate::job::{key, span_ms};
use crate::output::{Document, Output, Table, json, printed};
use crate::session::Session;

#[derive(Debug, Args)]
pub(crate) struct Drain {
    #[command(flatten)]
    which: Undrain,
    /// Wait until nothing runs there any more
    #[arg(long)]
    wait: bool,
    /// How long to wait; exits with 7 when it passes [default: as long as it takes]
    #[arg(long, requires = "wait", value_parser = span_ms, value_name = "SPAN")]
    timeout: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct Undrain {
    /// The node's name
    #[arg(value_name = "NODE")]
    node: String,
    /// The same key again is the same request
    #[arg(long, value_name = "KEY", value_parser = key())]
    idempotency_key: Option<String>,
    /// Show what runs there, and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn drain(drain: Drain, session: &Session, output: &Output) -> Result<Exit, Fault> {
    let Drain { which, wait, timeout } = drain;
    let (node, waits) = (which.node.clone(), wait && !which.dry_run);
    let connected = if waits { session.connect_to_wait().await? } else { session.connect().await? };
    let client = &connected.client;
    let mut work = match which.dry_run {
        true => client.node_work(&node).await?,
        false => client.drain_node(&node, which.idempotency_key).await?,
    };
    if waits {
        if work.attempts > 0 {
            output.say(format!("quorla: {node} takes no new work; waiting for what runs there: {}", work.attempts));
        }
        work = client.wait_for_drained(&node, timeout).await?;
    }
    printed(output, &document(&work), Exit::OK)
}

pub(super) async fn undrain(which: Undrain, session: &Session, output: &Output) -> Result<Exit, Fault> {
    let connected = session.connect().await?;
    let work = match which.dry_run {
        true => connected.client.node_work(&which.node).await?,
        false => connected.client.undrain_node(&which.node, which.idempotency_key).await?,
    };
    printed(output, &document(&work), Exit::OK)
}

fn document(work: &NodeWork) -> Document {
    let mut table = Table::pairs();
    table.pair("node", &work.node);
    table.pair("takes new work", if work.draining { "no" } else { "yes" });
    table.pair("attempts there", work.attempts);
    for job in &work.jobs {
        table.pair("job", job);
    }
    Document { json: json(work), table, ids: vec![work.node.clone()] }
}
