//! `quorla node drain` and `undrain`: no new work for a node, and work again.

use clap::Args;
use quorla_client::{DrainTerms, NodeWork};

use crate::cluster::drain_words;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::job::{key, span_ms};
use crate::output::{Document, Output, Table, json, printed};
use crate::session::Session;

pub(super) const EXAMPLES: &str = "Examples:\n  quorla node drain n2 --reason 'new disks'\n  \
    quorla node drain n2 --wait --timeout 10m && echo nothing runs there\n  quorla node drain n2 --deadline 15m\n\n\
    With a deadline, what still runs when it passes is stopped (kill signal, grace) and runs again elsewhere; that costs\n\
    a job none of its attempts. `--deadline 0` moves at once. Said again, a drain keeps what is not said.";

#[derive(Debug, Args)]
pub(crate) struct Drain {
    #[command(flatten)]
    which: Undrain,
    #[command(flatten)]
    how: How,
}

/// What becomes of what runs there, and who waits for it.
#[derive(Debug, Args)]
pub(crate) struct How {
    /// Move what still runs there after so long [default: let it end]
    #[arg(long, value_parser = deadline_ms, value_name = "SPAN")]
    deadline: Option<u64>,
    /// Why, as `node list`, `node info` and `job explain` show it
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
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
    let work = take_out(drain.which, drain.how, false, session, output).await?;
    printed(output, &document(&work), Exit::OK)
}

/// Drains a node, for good or not, and waits where that is asked for.
pub(super) async fn take_out(
    which: Undrain,
    how: How,
    leaves: bool,
    session: &Session,
    output: &Output,
) -> Result<NodeWork, Fault> {
    let How { deadline: deadline_ms, reason, wait, timeout } = how;
    let (node, waits) = (which.node.clone(), wait && !which.dry_run);
    let connected = if waits { session.connect_to_wait().await? } else { session.connect().await? };
    let client = &connected.client;
    let work = match which.dry_run {
        true => client.node_work(&node).await?,
        false => client.drain_node_on(&node, DrainTerms { deadline_ms, reason, leaves }, which.idempotency_key).await?,
    };
    if !waits {
        return Ok(work);
    }
    if work.attempts > 0 {
        output.say(format!("quorla: {node} takes no new work; waiting for what runs there: {}", work.attempts));
    }
    Ok(client.wait_for_drained(&node, timeout).await?)
}

pub(super) async fn undrain(which: Undrain, session: &Session, output: &Output) -> Result<Exit, Fault> {
    let connected = session.connect().await?;
    let work = match which.dry_run {
        true => connected.client.node_work(&which.node).await?,
        false => connected.client.undrain_node(&which.node, which.idempotency_key).await?,
    };
    printed(output, &document(&work), Exit::OK)
}

pub(super) fn document(work: &NodeWork) -> Document {
    let mut table = Table::pairs();
    table.pair("node", &work.node);
    table.pair("takes new work", if work.draining { "no" } else { "yes" });
    table.maybe("drain", work.drain.as_ref().map(drain_words));
    table.pair("attempts there", work.attempts);
    for job in &work.jobs {
        table.pair("job", job);
    }
    Document { json: json(work), table, ids: vec![work.node.clone()] }
}

/// A span, or `0`.
fn deadline_ms(text: &str) -> Result<u64, String> {
    if text == "0" { Ok(0) } else { span_ms(text) }
}
