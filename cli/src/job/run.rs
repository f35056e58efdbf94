//! `quorla job run`: submit, print what it prints, exit as it did. Ctrl-C cancels the job, a second one detaches.

use std::io::IsTerminal as _;

use clap::Args;
use futures::StreamExt as _;
use quorla_client::limits::STDIN_BYTES_MAX;
use quorla_client::{Client, Error, ErrorCode, FollowFrom, Followed, JobId, JobRequest, JobView};
use tokio::io::AsyncReadExt as _;
use tokio::signal::unix::{Signal, SignalKind};

use super::printing::{Look, Printer};
use super::request::RequestFlags;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;
use crate::session::{Connected, Session};
use crate::stop::listen;

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
    let mut interrupts = listen(SignalKind::interrupt()).map_err(own_failure)?;
    let (connected, job) = tokio::select! {
        prepared = prepare(arguments, session) => prepared.map_err(own_failure)?,
        _ = interrupts.recv() => return Ok(Exit::INTERRUPTED),
    };
    // The id is drawn before the submit, so that every way out from here on can name the job.
    let id = connected.client.draw_job_id();
    let mut run = Running { client: &connected.client, id, interrupts, output };
    let ended = run.submit_and_follow(job, &connected).await;
    ended.map_err(|fault| own_failure(fault.about(run.id)))
}

async fn prepare(arguments: Run, session: &Session) -> Result<(Connected, JobRequest), Fault> {
    let stdin = match arguments.no_stdin || std::io::stdin().is_terminal() {
        true => Vec::new(),
        false => read_stdin().await?,
    };
    let connected = session.connect().await?;
    let job = arguments.request.request(arguments.command, connected.client.server_ms())?.stdin(stdin);
    Ok((connected, job))
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

/// A job from its submit to its end.
struct Running<'a> {
    client: &'a Client,
    id: JobId,
    interrupts: Signal,
    output: &'a Output,
}

impl Running<'_> {
    async fn submit_and_follow(&mut self, job: JobRequest, connected: &Connected) -> Result<Exit, Fault> {
        let (client, output, asked) = (self.client, self.output, self.id);
        let submitting = client.submit_as(asked, job);
        tokio::pin!(submitting);
        let (submitted, interrupted) = tokio::select! {
            submitted = &mut submitting => (submitted?, false),
            _ = self.interrupts.recv() => {
                // Only what was accepted can be cancelled, and only the answer tells whether it was.
                output.say(format!("job {asked} is cancelled once it is accepted; once more leaves it alone"));
                tokio::select! {
                    submitted = submitting => (submitted?, true),
                    _ = self.interrupts.recv() => {
                        output.say(format!("left alone; it may have been accepted: quorla job info {asked}"));
                        return Ok(Exit::INTERRUPTED);
                    }
                }
            }
        };
        self.id = submitted.job_id;
        connected.remember(self.id);
        self.follow(interrupted).await
    }

    /// Prints until the end; meanwhile the first Ctrl-C cancels the job and the second one leaves it alone.
    async fn follow(&mut self, interrupted: bool) -> Result<Exit, Fault> {
        let (client, output, id) = (self.client, self.output, self.id);
        let ended = watch(client, output, id);
        tokio::pin!(ended);
        if !interrupted {
            tokio::select! {
                view = &mut ended => return self.finish(&view?).await,
                _ = self.interrupts.recv() => output.say(format!("cancelling {id}; once more detaches from it")),
            }
        }
        tokio::select! {
            ((), view) = futures::future::join(cancel(client, output, id, "interrupted"), ended) => {
                self.finish(&view?).await
            }
            _ = self.interrupts.recv() => {
                output.say(format!("detached; it is being cancelled: quorla job wait {id}"));
                Ok(Exit::INTERRUPTED)
            }
        }
    }

    async fn finish(&self, job: &JobView) -> Result<Exit, Fault> {
        let output = self.output;
        if output.is_structured() {
            let document = super::show::document(job);
            return output.document(&document).map(|()| Exit::of_run(job));
        }
        if let Some(words) = explain(job) {
            output.say(format!("quorla: job {} {words}", job.id));
        }
        Ok(Exit::of_run(job))
    }
}

/// Prints the job's output until it has ended. A program that reads the output and leaves ends the job, as a pipe would.
async fn watch(client: &Client, output: &Output, job: JobId) -> Result<JobView, Fault> {
    if output.is_structured() {
        return Ok(patiently(output, job, async || client.wait(job, None).await).await?);
    }
    let mut printer = Printer::new(*output, Look::default());
    let printed = print_all(client, output, &mut printer, job).await;
    if let Err(fault) = &printed
        && fault.silent
    {
        cancel(client, output, job, "nobody reads its output").await;
    }
    printed
}

async fn print_all(client: &Client, output: &Output, printer: &mut Printer, job: JobId) -> Result<JobView, Fault> {
    let mut following = client.follow(job, FollowFrom::default());
    let mut told = false;
    while let Some(followed) = following.next().await {
        match followed {
            Ok(Followed::Record(record)) => printer.record(&record).await?,
            Ok(Followed::Gap(gap)) => printer.gap(client, job, &gap).await?,
            Ok(Followed::AttemptEnded { .. } | Followed::CaughtUp) => {}
            Ok(Followed::Ended(view)) => return Ok(*view),
            Err(error) if passes_by_waiting(&error) => {
                if !std::mem::replace(&mut told, true) {
                    output.say(format!("quorla: still waiting for job {job}: {error}"));
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    unreachable!("following a job ends with its end or with an error")
}

async fn cancel(client: &Client, output: &Output, job: JobId, why: &str) {
    let cancel = async || client.cancel_with(job, Some(why.to_owned()), None).await;
    match patiently(output, job, cancel).await {
        // It was faster.
        Err(Error::Refused(body)) if body.code == ErrorCode::JobHasEnded => {}
        Err(error) => output.fault(&Fault::from(error).about(job)),
        Ok(_) => {}
    }
}

/// Asks again for as long as the cluster can't be reached or can't answer: the job does not end with that.
async fn patiently<T>(output: &Output, job: JobId, ask: impl AsyncFn() -> Result<T, Error>) -> Result<T, Error> {
    let mut told = false;
    loop {
        match ask().await {
            Err(error) if passes_by_waiting(&error) => {
                if !std::mem::replace(&mut told, true) {
                    output.say(format!("quorla: still waiting for job {job}: {error}"));
                }
            }
            answer => return answer,
        }
    }
}

/// The client has been patient itself before it says any of these.
const fn passes_by_waiting(error: &Error) -> bool {
    matches!(error, Error::Unavailable { .. } | Error::NotNow(_) | Error::OutcomeUnknown { .. })
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

fn own_failure(fault: Fault) -> Fault {
    fault.exit(Exit::RUN_FAILED)
}

#[cfg(test)]
mod tests {
    use quorla_client::{Error, ErrorBody, ErrorCode, JobId};

    use super::{Exit, Fault, Output, own_failure, patiently};

    #[test]
    fn own_failures_end_with_125() {
        assert_eq!(own_failure(Fault::usage("x")).exit, Exit(125));
    }

    #[tokio::test]
    async fn an_outage_is_waited_through_and_a_refusal_is_not() {
        let job = JobId::from_parts(1, 1);
        let outage = || Error::Unavailable { attempted: "wait", addresses: String::new(), reason: String::new() };
        let quorum = || Error::NotNow(Box::new(ErrorBody::new(ErrorCode::NoQuorum, "no majority")));
        let answers = std::cell::RefCell::new(vec![Ok(7), Err(quorum()), Err(outage())]);
        let ask = async || answers.borrow_mut().pop().unwrap();
        assert_eq!(patiently(&Output::new(None), job, ask).await.unwrap(), 7);

        let gone = async || Err::<(), _>(ErrorBody::new(ErrorCode::NotFound, "no such job").into());
        assert!(matches!(patiently(&Output::new(None), job, gone).await, Err(Error::Refused(_))));
    }

    #[test]
    fn a_failure_names_its_job_once() {
        let job = JobId::from_parts(1, 1);
        assert_eq!(Fault::usage("x").about(job).details, [format!("job {job}")]);
        assert_eq!(Fault::usage(format!("wait for {job}")).about(job).details, Vec::<String>::new());
    }
}
