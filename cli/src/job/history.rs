//! `quorla job history`: attempts and events, in order.

use quorla_client::JobHistory;
use serde_json::Value;

use super::Which;
use super::show::describe;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::{Document, Output, Table, date, json, printed};
use crate::session::Session;

pub(super) async fn run(which: &Which, session: &Session, output: &Output) -> Result<Exit, Fault> {
    let connected = session.connect().await?;
    let job = connected.job(&which.job).await?;
    let history = connected.client.history(job).await?;
    let exit = printed(output, &document(&history, output.is_lines()), Exit::OK)?;
    if history.incomplete {
        output.say("quorla: some events are not shown: they have expired, or there are too many");
    }
    Ok(exit)
}

fn document(history: &JobHistory, lines: bool) -> Document {
    let mut table = Table::new(["TIME", "SEQUENCE", "WHAT", "ATTEMPT", "NODE", "DETAIL"]);
    for event in &history.events {
        table.row([
            date(event.at_ms),
            event.sequence.to_string(),
            event.kind.clone(),
            event.attempt.map_or_else(String::new, |attempt| attempt.to_string()),
            event.node.clone().unwrap_or_default(),
            event.detail.clone(),
        ]);
    }
    for attempt in &history.job.attempts {
        table.row([
            date(attempt.assigned_ms),
            String::new(),
            "attempt".to_owned(),
            attempt.number.to_string(),
            attempt.node.clone(),
            format!("fence {}: {}", attempt.fence, describe(attempt)),
        ]);
    }
    let json = if lines { rows(history) } else { json(history) };
    Document { json, table, ids: vec![history.job.id.to_string()] }
}

/// The rows of the table as values of their own, for a program that reads line by line.
fn rows(history: &JobHistory) -> Value {
    let events = history.events.iter().map(|event| serde_json::json!({"event": json(event)}));
    let attempts = history.job.attempts.iter().map(|attempt| serde_json::json!({"attempt": json(attempt)}));
    events.chain(attempts).collect()
}
