//! `quorla job explain`: why a job does not run yet, where it runs, or how it ended.

use quorla_client::JobExplanation;

use super::Which;
use super::show::{describe, held};
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::{Document, Output, Table, ago, date, json, span};
use crate::session::Session;

pub(super) const EXAMPLES: &str = "Examples:\n  quorla job explain last\n  quorla job explain 3f2k -o json\n\n\
    A queued job that fits nowhere is shown with every node and what it lacks there. `ahead` counts the queued jobs\n\
    that come first, up to a thousand.";

pub(super) async fn run(which: &Which, session: &Session, output: &Output) -> Result<Exit, Fault> {
    let connected = session.connect().await?;
    let job = connected.job(&which.job).await?;
    let explanation = connected.client.explain(job).await?;
    let ids = vec![explanation.job.id.to_string()];
    output.document(&Document { json: json(&explanation), table: summary(&explanation), ids })?;
    if !output.is_structured() && !explanation.nodes.is_empty() {
        output.raw(b"\n")?;
        let table = nodes(&explanation);
        output.document(&Document { json: json(&explanation.nodes), table, ids: Vec::new() })?;
    }
    Ok(Exit::OK)
}

fn summary(explanation: &JobExplanation) -> Table {
    let JobExplanation { job, now_ms, .. } = explanation;
    let mut table = Table::pairs();
    table.pair("id", job.id);
    table.pair("name", &job.name);
    table.pair("state", job.state);
    table.pair("why", &explanation.why);
    table.maybe("since", explanation.since_ms.map(|ms| format!("{}, {}", date(ms), ago(ms, *now_ms))));
    table.maybe("until", job.until_ms.map(|ms| left(ms, *now_ms)));
    table.maybe("paused", job.paused.as_ref().map(held));
    table.pair("queue", &job.queue);
    table.maybe("queue paused", explanation.queue_paused.as_ref().map(held));
    table.pair("priority", job.priority);
    table.maybe("ahead", explanation.ahead);
    if explanation.overtaken > 0 {
        table.pair("overtaken", explanation.overtaken);
    }
    table.maybe("reserved", explanation.reserved_node.as_ref());
    for deadline in &explanation.deadlines {
        table.pair(&deadline.timeout.to_string(), left(deadline.at_ms, *now_ms));
    }
    table.pair("attempts", job.attempts_total);
    for attempt in &job.attempts {
        table.pair(&format!("attempt {}", attempt.number), describe(attempt));
    }
    table
}

fn nodes(explanation: &JobExplanation) -> Table {
    let mut table = Table::new(["NODE", "REASON", "DETAIL"]);
    for node in &explanation.nodes {
        table.row([node.node.clone(), node.reason.to_string(), node.detail.clone()]);
    }
    table
}

/// A time to come, with what is left until then.
fn left(at_ms: u64, now_ms: u64) -> String {
    match at_ms.checked_sub(now_ms) {
        Some(left_ms) => format!("{}, in {}", date(at_ms), span(left_ms)),
        None => format!("{}, due now", date(at_ms)),
    }
}

#[cfg(test)]
mod tests {
    use super::left;

    #[test]
    fn what_is_left_is_told_and_never_negative() {
        assert_eq!(left(65_000, 5_000), "1970-01-01 00:01:05, in 1m00s");
        assert_eq!(left(5_000, 65_000), "1970-01-01 00:00:05, due now");
    }
}
