//! `quorla job history`: attempts and events, in order.

use quorla_client::{EventView, JobHistory};
use serde_json::Value;

use super::Which;
use super::show::describe;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::{Document, Output, Table, date, json, printed, span};
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
            detail(event),
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

/// What changed with it.
fn detail(event: &EventView) -> String {
    let until = event.until_ms.map(|ms| format!("until {}, {} later", date(ms), span(ms.saturating_sub(event.at_ms))));
    let code = event.exit_code.map(|code| format!("exit code {code}"));
    let words = Some(event.detail.clone()).filter(|words| !words.is_empty());
    let fence = event.fence.map(|fence| format!("fence {fence}"));
    [until, words, code, fence].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// The rows of the table as values of their own, for a program that reads line by line.
fn rows(history: &JobHistory) -> Value {
    let events = history.events.iter().map(|event| serde_json::json!({"event": json(event)}));
    let attempts = history.job.attempts.iter().map(|attempt| serde_json::json!({"attempt": json(attempt)}));
    events.chain(attempts).collect()
}

#[cfg(test)]
mod tests {
    use super::{EventView, detail};

    #[test]
    fn a_detail_says_what_changed() {
        let event = EventView {
            sequence: 1,
            at_ms: 1_000,
            kind: "attempt_ended".into(),
            attempt: Some(1),
            node: Some("n1".into()),
            fence: Some(9),
            exit_code: Some(3),
            until_ms: None,
            detail: "failed".into(),
        };
        assert_eq!(detail(&event), "failed, exit code 3, fence 9");
        let pause = EventView { until_ms: Some(3_500), fence: None, exit_code: None, detail: String::new(), ..event };
        assert_eq!(detail(&pause), "until 1970-01-01 00:00:03, 2.5s later");
    }
}
