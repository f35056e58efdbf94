//! `quorla queue list`.

use clap::Args;
use quorla_client::{Client, QueueFlow, QueueView, ReadLevel};
use serde_json::json;

use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::{Document, Output, Table, json, printed, span};
use crate::session::Session;
use crate::watch::Watch;

pub(super) const EXAMPLES: &str = "Examples:\n  quorla queue list\n  quorla queue list --watch\n  \
    quorla queue list -o json\n\n\
    A queue is listed while it has jobs that have not ended, or is paused. Tasks of arrays count as jobs. WAITING is for a\n\
    node, HELD is paused by itself or with its array, LATER is delayed or before another attempt. OLDEST is how long ago the\n\
    first of those that wait was submitted. The rates are a second's, of about the last minute, or since this leader leads.";

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Take whatever the answering node has, without asking a quorum
    #[arg(long)]
    stale: bool,
    #[command(flatten)]
    watch: Watch,
}

pub(super) async fn run(arguments: &List, session: &Session, output: &Output) -> Result<Exit, Fault> {
    let connected = session.connect().await?;
    let read = if arguments.stale { ReadLevel::Stale } else { ReadLevel::Linearizable };
    let client = connected.client.reading(read);
    let look = async |output: &Output| {
        let (queues, now_ms) = all(&client).await?;
        output.screen()?;
        let exit = printed(output, &document(&queues, now_ms, output.is_lines()), Exit::OK)?;
        if !output.is_structured()
            && let Some(words) = queues.first().and_then(|queue| window(queue.flow.as_ref()))
        {
            output.say(words);
        }
        Ok(exit)
    };
    arguments.watch.run(output, look).await
}

/// Every queue, page by page: there are at most a thousand or so.
async fn all(client: &Client) -> Result<(Vec<QueueView>, u64), Fault> {
    let (mut queues, mut after) = (Vec::new(), None);
    loop {
        let page = client.queues(after).await?;
        queues.extend(page.queues);
        after = page.next;
        if after.is_none() {
            return Ok((queues, page.now_ms));
        }
    }
}

fn document(queues: &[QueueView], now_ms: u64, lines: bool) -> Document {
    let mut table = Table::new([
        "NAME",
        "STATE",
        "WAITING",
        "HELD",
        "LATER",
        "RUNNING",
        "STOPPING",
        "OLDEST",
        "SUBMITTED",
        "STARTED",
        "ENDED",
    ]);
    for queue in queues {
        let rate = |count: fn(&QueueFlow) -> u64| match &queue.flow {
            Some(flow) => per_second(count(flow), flow.span_ms),
            None => "-".to_owned(),
        };
        table.row([
            queue.name.clone(),
            if queue.paused.is_some() { "paused" } else { "open" }.to_owned(),
            queue.waiting.to_string(),
            queue.held.to_string(),
            queue.pausing.to_string(),
            queue.running.to_string(),
            queue.stopping.to_string(),
            queue.oldest_waiting_ms.map_or_else(|| "-".to_owned(), |ms| span(now_ms.saturating_sub(ms))),
            rate(|flow| flow.submitted),
            rate(|flow| flow.started),
            rate(|flow| flow.ended),
        ]);
    }
    let ids = queues.iter().map(|queue| queue.name.clone()).collect();
    let json = if lines { json(&queues) } else { json!({"queues": json(&queues), "now_ms": now_ms}) };
    Document { json, table, ids }
}

/// A rate with one decimal.
fn per_second(count: u64, span_ms: u64) -> String {
    match count.saturating_mul(10_000).checked_div(span_ms) {
        Some(tenths) => format!("{}.{}/s", tenths / 10, tenths % 10),
        None => "-".to_owned(),
    }
}

/// What the rates are of.
fn window(flow: Option<&QueueFlow>) -> Option<String> {
    let flow = flow?;
    let of = span(flow.span_ms);
    Some(match flow.since_leading {
        true => format!("rates are of {of}, since this leader leads"),
        false => format!("rates are of the last {of}"),
    })
}

#[cfg(test)]
mod tests {
    use super::{QueueFlow, per_second, window};

    #[test]
    fn a_rate_is_of_the_time_that_was_counted() {
        for (count, span_ms, expected) in
            [(0, 60_000, "0.0/s"), (90, 60_000, "1.5/s"), (7, 0, "-"), (1, 30_000, "0.0/s")]
        {
            assert_eq!(per_second(count, span_ms), expected);
        }
        let flow = QueueFlow { span_ms: 12_000, since_leading: true, ..QueueFlow::default() };
        assert_eq!(window(Some(&flow)).as_deref(), Some("rates are of 12.0s, since this leader leads"));
        assert_eq!(window(None), None);
    }
}
