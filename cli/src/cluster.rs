//! `quorla cluster`.

use clap::Subcommand;
use quorla_client::{Client, ClusterStatus, DrainView, NodeDisk, NodeRole, NodeView};

use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::{Document, Output, Table, date, json, span};
use crate::session::Session;
use crate::watch::Watch;

#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// Show leader, term, applied indexes, lag, slots and memory; works without a quorum
    #[command(
        after_help = "Examples:\n  quorla cluster status\n  quorla cluster status --watch\n  quorla cluster status -o json\n\n\
                            Exit code 6 when no leader is known."
    )]
    Status(Watch),
}

pub(crate) async fn run(command: &ClusterCommand, session: &Session, output: &Output) -> Result<Exit, Fault> {
    match command {
        ClusterCommand::Status(watch) => {
            let connected = session.connect().await?;
            watch.run(output, async |output: &Output| status(&connected.client, output).await).await
        }
    }
}

async fn status(client: &Client, output: &Output) -> Result<Exit, Fault> {
    let status = client.status().await?;
    output.screen()?;
    if output.is_structured() {
        output.document(&Document {
            json: json(&status),
            table: Table::pairs(),
            ids: vec![status.cluster_id.clone()],
        })?;
    } else {
        output.document(&summary(&status))?;
        let table = node_rows(&status.nodes);
        output.raw(b"\n")?;
        output.document(&Document { json: json(&status.nodes), table, ids: Vec::new() })?;
    }
    Ok(if status.leader.is_some() { Exit::OK } else { Exit::UNAVAILABLE })
}

fn summary(status: &ClusterStatus) -> Document {
    let mut table = Table::pairs();
    table.pair("cluster", format!("{} ({})", status.cluster_name, status.cluster_id));
    table.pair("leader", status.leader.as_deref().unwrap_or("none is known"));
    table.pair("term", status.term);
    table.pair("applied", format!("{} on {}, which answered", status.applied_index, status.answered_by));
    table.maybe("content hash", status.content_hash.as_ref().map(|hash| format!("{} at {}", hash.hash, hash.index)));
    table.pair("jobs not ended", status.jobs_live);
    Document { json: json(status), table, ids: Vec::new() }
}

/// Nodes as rows of a table.
pub(crate) fn node_rows(nodes: &[NodeView]) -> Table {
    let header = ["NAME", "ROLE", "RAFT ID", "ADDRESS", "APPLIED", "LAG", "SLOTS", "RSS", "VERSION"];
    let mut table = Table::new(header);
    for node in nodes {
        table.row([
            node.name.clone(),
            role(node),
            known(node.raft_id),
            known(node.address.as_ref()),
            known(node.applied_index),
            known(node.lag),
            format!("{}/{}", node.slots_used, node.slots_total),
            known(node.rss_bytes.map(|bytes| format!("{} MiB", bytes >> 20))),
            known(node.version.as_ref()),
        ]);
    }
    table
}

/// What the ledger says of a node, and gossip where that knows better; a node that is gone is not also unreachable.
fn role(node: &NodeView) -> String {
    let mut words = node.role.to_string();
    if let Some(drain) = &node.drain {
        words.push_str(&format!(", {}", drain_words(drain)));
    }
    match node.disk {
        NodeDisk::Fine => {}
        NodeDisk::Low => words.push_str(", disk low"),
        NodeDisk::Critical => words.push_str(", disk nearly full"),
    }
    match node.unreachable_ms {
        _ if node.reachable || node.role == NodeRole::Gone => {}
        Some(ms) => words.push_str(&format!(", unreachable (gossip), last seen {} ago", span(ms))),
        None => words.push_str(", unreachable (gossip)"),
    }
    words
}

/// `draining since …, moves what runs at …: why`.
pub(crate) fn drain_words(drain: &DrainView) -> String {
    let mut words = format!("{} since {}", if drain.leaves { "leaving" } else { "draining" }, date(drain.since_ms));
    if let Some(until_ms) = drain.until_ms {
        words.push_str(&format!(", moves what runs at {}", date(until_ms)));
    }
    if let Some(reason) = &drain.reason {
        words.push_str(&format!(": {reason}"));
    }
    words
}

fn known(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}
