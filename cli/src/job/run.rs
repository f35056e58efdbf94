//! `quorla job run`: submit, wait, print, exit as the job did. Ctrl-C cancels the job, a second one detaches.

use std::io::IsTerminal as _;

use clap::Args;
use quorla_client::limits::STDIN_BYTES_MAX;
use quorla_client::{Client, JobId, JobView, Tail};
use tokio::io::AsyncReadExt as _;

use super::request::RequestFlags;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;
use crate::session::Session;

pub(super) const EXAMPLES: &str = "Examples:\n  quorla job run -- echo hi\n  quorla job run -- sh -c 'exit 7'; echo $?\n  \
    echo some input | quorla job run -- wc -c\n  quorla job run --attempt-timeout 10s --attempts 3 -- ./flaky\n\n\
    Exit codes: the job's own; 124 a deadline passed, 125 this command failed, 126 or 127 the job's command could not\n\
    be started, 128+n a signal ended it, 130 cancelled.";

#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    request: RequestFlags,
    /// Give the job no standard input
    #[arg(long)]
    no_stdin: bool,
    /// The program and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    command: Vec<String>,
}

pub(super) async fn run(arguments: Run, session: &Session, output: &Output) -> Result<Exit, Fault> {
    tokio::select! {
        result = submit(arguments, session) => {
            let (client, job) = result.map_err(own_failure)?;
            follow(&client, job, output).await.map_err(own_failure)
        }
        () = interrupted() => Ok(Exit::INTERRUPTED),
    }
}

async fn submit(arguments: Run, session: &Session) -> Result<(Client, JobId), Fault> {
    let stdin = match arguments.no_stdin || std::io::stdin().is_terminal() {
        true => Vec::new(),
        false => read_stdin().await?,
    };
    let connected = session.connect().await?;
    let job = arguments.request.request(arguments.command, connected.client.server_ms())?.stdin(stdin);
    let submitted = connected.client.submit(job).await?;
    connected.remember(submitted.job_id);
    Ok((connected.client, submitted.job_id))
}

/// Reads to the end, but never more than what a job may have.
async fn read_stdin() -> Result<Vec<u8>, Fault> {
    let bound = u64::try_from(STDIN_BYTES_MAX).expect("the bound of standard input fits 64 bits");
    let mut bytes = Vec::new();
    let mut stdin = tokio::io::stdin().take(bound + 1);
    stdin.read_to_end(&mut bytes).await.map_err(|error| Fault::other("read standard input", error))?;
    if bytes.len() > STDIN_BYTES_MAX {
        let message = format!("submit a job: stdin bytes exceed the bound of {STDIN_BYTES_MAX}");
        return Err(Fault::new(Exit::LIMITED, "limit_exceeded", message)
            .hint("Put it into a file that every node can read, and name that."));
    }
    Ok(bytes)
}

/// Waits for the end; meanwhile the first Ctrl-C cancels the job and the second one leaves it alone.
async fn follow(client: &Client, job: JobId, output: &Output) -> Result<Exit, Fault> {
    let ended = client.wait(job, None);
    tokio::pin!(ended);
    tokio::select! {
        view = &mut ended => return finish(client, &view?, output).await,
        () = interrupted() => output.say(format!("cancelling {job}; once more detaches from it")),
    }
    let cancelled = async {
        let cancelled = client.cancel_with(job, Some("interrupted".to_owned()), None).await;
        (cancelled, ended.await)
    };
    tokio::select! {
        (_, view) = cancelled => finish(client, &view?, output).await,
        () = interrupted() => {
            output.say(format!("detached; it goes on: quorla job wait {job}"));
            Ok(Exit::INTERRUPTED)
        }
    }
}

async fn finish(client: &Client, job: &JobView, output: &Output) -> Result<Exit, Fault> {
    if output.is_structured() {
        let document = super::show::document(job);
        return output.document(&document).map(|()| Exit::of_run(job));
    }
    if job.attempts_total > 0 {
        let logs = client.logs(job.id, None).await?;
        say_omitted("stdout", &logs.stdout, output);
        output.raw(logs.stdout.bytes.as_bytes())?;
        say_omitted("stderr", &logs.stderr, output);
        output.raw_stderr(logs.stderr.bytes.as_bytes());
    }
    let exit = Exit::of_run(job);
    if let Some(words) = explain(job) {
        output.say(format!("quorla: job {} {words}", job.id));
    }
    Ok(exit)
}

fn say_omitted(stream: &str, tail: &Tail, output: &Output) {
    if tail.bytes_omitted > 0 {
        output.say(format!("quorla: {} bytes of {stream} before this were not kept", tail.bytes_omitted));
    }
}

/// A job that ended by itself speaks for itself.
fn explain(job: &JobView) -> Option<String> {
    let attempt = job.attempts.last();
    let by_itself = attempt.is_some_and(|attempt| attempt.exit_code.is_some() && attempt.reason.is_none());
    if job.state == quorla_client::JobState::Succeeded || (by_itself && job.reason.is_none()) {
        return None;
    }
    let reason = job.reason.clone().or_else(|| attempt.and_then(|attempt| attempt.reason.clone()));
    Some(match reason {
        Some(reason) => format!("{}: {reason}", job.state),
        None => job.state.to_string(),
    })
}

async fn interrupted() {
    // Where the signal can't be had, Ctrl-C simply ends the process.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn own_failure(fault: Fault) -> Fault {
    fault.exit(Exit::RUN_FAILED)
}

#[cfg(test)]
mod tests {
    use super::{Exit, Fault, own_failure};

    #[test]
    fn own_failures_end_with_125() {
        assert_eq!(own_failure(Fault::usage("x")).exit, Exit(125));
    }
}
