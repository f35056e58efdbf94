//! `quorla node info`: one node in full.

use clap::Args;
use quorla_client::{Client, NodeDetail, NodeState, Resources};

use crate::cluster::drain_words;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::{Document, Output, Table, ago, date, json, span};
use crate::session::Session;

/// Labels that begin so say what a node can do.
const ABILITY: &str = "quorla.";

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The node's name
    #[arg(value_name = "NODE")]
    node: String,
}

pub(super) async fn run(show: &Show, session: &Session, output: &Output) -> Result<Exit, Fault> {
    let connected = session.connect().await?;
    let detail = whole(&connected.client, &show.node).await?;
    let ids = vec![detail.node.name.clone()];
    output.document(&Document { json: json(&detail), table: summary(&detail), ids })?;
    if !output.is_structured() && !detail.running.is_empty() {
        output.raw(b"\n")?;
        output.document(&Document { json: json(&detail.running), table: running(&detail), ids: Vec::new() })?;
    }
    Ok(Exit::OK)
}

/// The node with all pages of what runs there.
async fn whole(client: &Client, node: &str) -> Result<NodeDetail, Fault> {
    let mut detail = client.node(node).await?;
    while let Some(after) = detail.next {
        let page = client.node_page(node, Some(after), None).await?;
        detail.running.extend(page.running);
        detail.next = page.next;
    }
    Ok(detail)
}

fn summary(detail: &NodeDetail) -> Table {
    let NodeDetail { node, now_ms, .. } = detail;
    let mut table = Table::pairs();
    table.pair("name", &node.name);
    table.pair("key", &node.key);
    table.pair("role", node.role);
    table.pair("state", detail.state);
    table.maybe("drain", node.drain.as_ref().map(drain_words));
    table.maybe("raft id", node.raft_id);
    table.maybe("address", node.address.as_ref());
    table.maybe("http address", node.http_address.as_ref());
    table.maybe("version", node.version.as_ref());
    table.maybe("applied", node.applied_index);
    table.maybe("lag", node.lag);
    let began = format!("{}, {}", date(detail.registered_ms), ago(detail.registered_ms, *now_ms));
    table.pair("epoch", format!("{}, since {began}", detail.epoch));
    table.pair("lease", if detail.lease { "holds" } else { "over" });
    if !node.reachable {
        let seen = node.unreachable_ms.map_or_else(String::new, |ms| format!(", last seen {} ago", span(ms)));
        table.pair("gossip", format!("unreachable{seen}"));
    }
    table.maybe("rss", node.rss_bytes.map(|bytes| format!("{} MiB", bytes >> 20)));
    table.pair("capacity", amounts(&detail.capacity));
    table.pair("used", amounts(&detail.used));
    table.pair("free", amounts(&detail.free));
    table.pair("largest job now", detail.fits.as_ref().map_or_else(|| none_fits(detail), amounts));
    table.maybe("kept for", detail.reserved_for);
    for (name, value) in &node.labels {
        let by_operator = if detail.operator_labels.contains_key(name) { " (operator)" } else { "" };
        let what = if name.starts_with(ABILITY) { "ability" } else { "label" };
        table.pair(what, format!("{name}={value}{by_operator}"));
    }
    table.pair("attempts there", detail.attempts);
    table
}

fn none_fits(detail: &NodeDetail) -> String {
    match detail.state {
        NodeState::Up => "none: no slot is free".to_owned(),
        state => format!("none: it is {state}"),
    }
}

fn running(detail: &NodeDetail) -> Table {
    let mut table = Table::new(["JOB", "NAME", "ATTEMPT", "SINCE", "HOLDS", "STOPPING"]);
    for attempt in &detail.running {
        table.row([
            attempt.job.to_string(),
            attempt.name.clone(),
            attempt.number.to_string(),
            ago(attempt.since_ms, detail.now_ms),
            amounts(&attempt.resources),
            attempt.stopping.clone().unwrap_or_else(|| "-".to_owned()),
        ]);
    }
    table
}

/// `2 slots, 1500m CPU, 64 MiB`.
fn amounts(resources: &Resources) -> String {
    let slots = if resources.slots == 1 { "slot" } else { "slots" };
    format!("{} {slots}, {}m CPU, {} MiB", resources.slots, resources.cpu_milli, resources.memory_bytes >> 20)
}

#[cfg(test)]
mod tests {
    use super::{Resources, amounts};

    #[test]
    fn amounts_have_their_units() {
        let resources = Resources { cpu_milli: 1_500, memory_bytes: 64 << 20, slots: 1 };
        assert_eq!(amounts(&resources), "1 slot, 1500m CPU, 64 MiB");
    }
}
