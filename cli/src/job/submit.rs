//! `quorla job submit`: returns once the jobs are on a majority's disks, and prints their ids.

use std::path::PathBuf;

use clap::Args;
use quorla_client::{Error, JobId, JobRequest, Submitted};
use serde_json::{Value, json};

use super::request::RequestFlags;
use super::{from_file, told};
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::{Document, Output, Table};
use crate::session::{Connected, Session};

pub(super) const EXAMPLES: &str = "Examples:\n  quorla job submit -- make -C /src\n  \
    quorla job submit --idempotency-key nightly-7 -- ./report\n  \
    echo '{\"command\": [\"sha256sum\", \"/etc/hostname\"], \"queue\": \"hashes\"}' | quorla job submit --from-file -\n\n\
    Fields of a JSON line: command (required), name, queue, priority, env, working_directory, stdin, resources\n\
    {cpu_milli, memory_bytes, slots}, constraints [{label, rule}], retry {attempts_max, backoff, jitter_percent,\n\
    retryable_exit_codes}, timeouts {queue_ms, attempt_ms, job_ms}, not_before_ms, kill_signal, kill_grace_ms,\n\
    output_tail_bytes, labels, idempotency_key.\n\
    With --from-file, --idempotency-key KEY gives each line without a key of its own the key KEY-<line>.";

/// Flags that describe one job, and would be lost on lines that describe theirs.
const OF_ONE_JOB: &[&str] = &[
    "name",
    "queue",
    "priority",
    "env",
    "working_directory",
    "cpu",
    "memory",
    "slots",
    "constraint",
    "label",
    "attempts",
    "backoff",
    "backoff_max",
    "retry_on",
    "attempt_timeout",
    "queue_timeout",
    "job_timeout",
    "delay",
    "kill_signal",
    "kill_grace",
    "output_tail",
];

#[derive(Debug, Args)]
pub(crate) struct Submit {
    #[command(flatten)]
    request: RequestFlags,
    /// Jobs as JSON lines from a file; `-` reads standard input. Each line says all of its job
    #[arg(long, value_name = "FILE", conflicts_with_all = ["command"].iter().chain(OF_ONE_JOB))]
    from_file: Option<PathBuf>,
    /// Check everything that needs no cluster, and submit nothing
    #[arg(long)]
    dry_run: bool,
    /// The program and its arguments
    #[arg(required_unless_present = "from_file", trailing_var_arg = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// A job and where it came from.
struct Wanted {
    line: Option<usize>,
    job: JobRequest,
}

pub(super) async fn run(arguments: Submit, session: &Session, output: &Output) -> Result<Exit, Fault> {
    let dry_run = arguments.dry_run;
    if dry_run {
        let wanted = wanted(arguments, quorla_client::clock::wall_ms())?;
        output.document(&well_formed(wanted.len()))?;
        output.say("nothing was submitted");
        return Ok(Exit::OK);
    }
    if arguments.from_file.is_some() {
        // Read before connecting: a wrong file is told at once.
        let wanted = wanted(arguments, 0)?;
        return submit(&session.connect().await?, wanted, output).await;
    }
    let connected = session.connect().await?;
    let wanted = wanted(arguments, connected.client.server_ms())?;
    submit(&connected, wanted, output).await
}

fn wanted(arguments: Submit, now_ms: u64) -> Result<Vec<Wanted>, Fault> {
    let Some(path) = &arguments.from_file else {
        let job = arguments.request.request(arguments.command, now_ms)?;
        job.check().map_err(Error::from)?;
        return Ok(vec![Wanted { line: None, job }]);
    };
    let lines = from_file::read(path, arguments.request.idempotency_key.as_deref())?;
    Ok(lines.into_iter().map(|line| Wanted { line: Some(line.number), job: line.job }).collect())
}

async fn submit(connected: &Connected, wanted: Vec<Wanted>, output: &Output) -> Result<Exit, Fault> {
    let lines: Vec<Option<usize>> = wanted.iter().map(|wanted| wanted.line).collect();
    let outcomes = match lines.as_slice() {
        [None] => vec![connected.client.submit(wanted.into_iter().next().expect("there is one").job).await],
        _ => connected.client.submit_many(wanted.into_iter().map(|wanted| wanted.job)).await,
    };
    if let Some(last) = outcomes.iter().rev().find_map(|outcome| outcome.as_ref().ok()) {
        connected.remember(last.job_id);
    }
    report(&lines, outcomes, output)
}

fn report(lines: &[Option<usize>], outcomes: Vec<Result<Submitted, Error>>, output: &Output) -> Result<Exit, Fault> {
    let mut accepted = Vec::new();
    let mut failed = Vec::new();
    for (line, outcome) in lines.iter().zip(outcomes) {
        match outcome {
            Ok(submitted) => accepted.push(submitted),
            Err(error) => failed.push((line.map(|line| format!("line {line}")), Fault::from(error))),
        }
    }
    if !accepted.is_empty() {
        output.document(&told(accepted.iter().map(shown).collect(), lines == [None]))?;
    }
    Fault::of_many("submit jobs", lines.len(), failed).map_or(Ok(Exit::OK), Err)
}

fn well_formed(jobs: usize) -> Document {
    let mut table = Table::pairs();
    table.pair("well-formed jobs", jobs.to_string());
    Document { json: json!({"well_formed": jobs}), table, ids: Vec::new() }
}

/// What became of one job: its id, words, and the same for programs.
fn shown(submitted: &Submitted) -> (JobId, String, Value) {
    let words = if submitted.existing { "existing" } else { "accepted" };
    let json = json!({"job_id": submitted.job_id, "existing": submitted.existing});
    (submitted.job_id, words.to_owned(), json)
}
