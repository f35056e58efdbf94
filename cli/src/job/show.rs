//! `quorla job info`.

use quorla_client::{AttemptView, JobView, PauseView, Usage};

use super::rows::took;
use super::{Which, terms};
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::{Document, Output, Table, date, json, printed, span};
use crate::session::Session;

/// Characters of a fingerprint that are enough to tell it from others.
const PRINCIPAL_CHARS_SHOWN: usize = 16;

pub(super) async fn run(which: &Which, session: &Session, output: &Output) -> Result<Exit, Fault> {
    let connected = session.connect().await?;
    let job = connected.job(&which.job).await?;
    let job = connected.client.info(job).await?;
    printed(output, &document(&job), Exit::OK)
}

/// One job in full.
pub(super) fn document(job: &JobView) -> Document {
    let mut table = Table::pairs();
    table.pair("id", job.id);
    table.pair("name", &job.name);
    table.pair("command", words(&job.command));
    table.pair("state", job.state);
    table.maybe("paused", job.paused.as_ref().map(held));
    table.maybe("until", job.until_ms.map(date));
    table.maybe("reason", job.reason.as_ref());
    table.pair("queue", &job.queue);
    table.pair("priority", job.priority);
    for (name, value) in &job.labels {
        table.pair("label", format!("{name}={value}"));
    }
    if let Some(terms) = &job.terms {
        terms::add_to(&mut table, terms);
    }
    table.maybe("retry of", job.retry_of);
    table.pair("submitted", date(job.submitted_ms));
    table.maybe("started", job.started_ms.map(date));
    table.maybe("ended", job.ended_ms.map(date));
    table.maybe("node", job.node.as_ref());
    match &job.tasks {
        Some(tasks) => table.pair("tasks", format!("{} of {} have ended", tasks.ended(), tasks.all())),
        None => table.pair("attempts", job.attempts_total),
    }
    for attempt in &job.attempts {
        table.pair(&format!("attempt {}", attempt.number), describe(attempt));
    }
    Document { json: json(job), table, ids: vec![job.id.to_string()] }
}

/// Since when something is paused, by whom and why.
pub(crate) fn held(pause: &PauseView) -> String {
    let by: String = pause.by.chars().take(PRINCIPAL_CHARS_SHOWN).collect();
    let reason = pause.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
    format!("since {}, by {by}{reason}", date(pause.since_ms))
}

/// One attempt in a line.
pub(super) fn describe(attempt: &AttemptView) -> String {
    let mut text = format!("{} on {}", attempt.outcome, attempt.node);
    if let Some(code) = attempt.exit_code {
        text.push_str(&format!(", exit code {code}"));
    }
    if let Some(signal) = attempt.signal {
        text.push_str(&format!(", signal {signal}"));
    }
    if attempt.ended_ms.is_some() {
        text.push_str(&format!(", took {}", took(Some(attempt.assigned_ms), attempt.ended_ms)));
    }
    if let Some(usage) = attempt.usage.as_ref().filter(|usage| **usage != Usage::default()) {
        text.push_str(&format!(", {}", used(usage)));
    }
    if let Some(reason) = &attempt.reason {
        text.push_str(&format!(" ({reason})"));
    }
    text
}

/// What it used, once its process ran.
fn used(usage: &Usage) -> String {
    let (cpu, wall) = (usage.cpu_user_ms + usage.cpu_system_ms, usage.wall_ms);
    format!("ran {} with {} of CPU and at most {} KiB", span(wall), span(cpu), usage.memory_bytes_max.div_ceil(1_024))
}

/// The command as one could type it.
fn words(command: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    let quoted = |word: &String| match !word.is_empty() && word.chars().all(plain) {
        true => word.clone(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    };
    command.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn a_command_is_shown_as_a_shell_would_read_it() {
        let command = ["sh", "-c", "echo it's", ""].map(str::to_owned);
        assert_eq!(words(&command), r"sh -c 'echo it'\''s' ''");
    }
}
