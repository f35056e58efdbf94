//! `quorla job logs`: the recorded ends of both streams, each to the descriptor it belongs to.

use clap::Args;
use quorla_client::{JobLogs, Tail};

use super::Which;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::{Document, Output, Table, json};
use crate::session::Session;

#[derive(Debug, Args)]
pub(crate) struct Logs {
    #[command(flatten)]
    which: Which,
    /// The attempt [default: the latest]
    #[arg(long, value_name = "N")]
    attempt: Option<u32>,
    /// Only standard output
    #[arg(long, conflicts_with = "stderr")]
    stdout: bool,
    /// Only standard error
    #[arg(long)]
    stderr: bool,
}

pub(super) async fn run(arguments: &Logs, session: &Session, output: &Output) -> Result<Exit, Fault> {
    let connected = session.connect().await?;
    let job = connected.job(&arguments.which.job).await?;
    let logs = connected.client.logs(job, arguments.attempt).await?;
    if output.is_structured() {
        let document = Document { json: json(&logs), table: Table::pairs(), ids: vec![job.to_string()] };
        return output.document(&document).map(|()| Exit::OK);
    }
    if !logs.ended {
        output.say("quorla: the attempt has not ended; its output is recorded when it has");
    }
    print(&logs, !arguments.stderr, !arguments.stdout, output)?;
    Ok(Exit::OK)
}

/// Prints the streams that are wanted, each to the descriptor it belongs to, and says what of them is missing.
pub(super) fn print(logs: &JobLogs, stdout: bool, stderr: bool, output: &Output) -> Result<(), Fault> {
    if stdout {
        note(&logs.stdout, "stdout", output);
        output.raw(logs.stdout.bytes.as_bytes())?;
    }
    if stderr {
        note(&logs.stderr, "stderr", output);
        output.raw_stderr(logs.stderr.bytes.as_bytes());
    }
    Ok(())
}

fn note(tail: &Tail, stream: &str, output: &Output) {
    if tail.bytes_omitted > 0 {
        output.say(format!("quorla: {} bytes of {stream} before this were not kept", tail.bytes_omitted));
    }
}
