//! `quorla job logs`: a job's output from the nodes that keep it, up to now or as it comes.

use clap::{Args, ValueEnum};
use futures::StreamExt as _;
use quorla_client::{
    Client, Error, FollowFrom, Followed, JobId, JobState, OutputGap, OutputPiece, OutputPlace, OutputRecord,
    OutputStream,
};

use super::Which;
use super::duration::span_ms;
use super::printing::{Last, Look, Printer};
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::{Document, Output, Table, json, moment_ms};
use crate::session::{Connected, Session};

pub(super) const EXAMPLES: &str = "Examples:\n  quorla job logs last\n  quorla job logs last -f\n  \
    quorla job logs 3f2k --tail 20 --stream stderr\n  quorla job logs 3f2k --attempt 1 --since 10m --timestamps\n\n\
    On a terminal, escape sequences and control characters of the job are not passed on; --raw passes every byte, as a\n\
    pipe or a file gets them. What a node does not keep any more is said to be missing. With -o jsonl each record and gap\n\
    is a line; the other forms show the end of the output that is recorded with the job.";

#[derive(Debug, Args)]
pub(crate) struct Logs {
    #[command(flatten)]
    which: Which,
    /// Go on with what is printed from now on, and with the attempts that follow, until the job has ended
    #[arg(short, long)]
    follow: bool,
    /// Only what was printed since then: a span (10m) or a time (2026-11-21T16:35:04Z)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only so many of the last lines
    #[arg(long, value_name = "N")]
    tail: Option<usize>,
    /// The streams
    #[arg(long, value_enum, default_value_t = Streams::Both)]
    stream: Streams,
    /// Only this attempt [default: the latest, with -f those that follow as well]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    attempt: Option<u32>,
    /// Put the time in front of each line
    #[arg(short, long)]
    timestamps: bool,
    /// Pass every byte to a terminal, too
    #[arg(long)]
    raw: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Streams {
    Stdout,
    Stderr,
    Both,
}

pub(super) async fn run(arguments: &Logs, session: &Session, output: &Output) -> Result<Exit, Fault> {
    let connected = session.connect().await?;
    let job = connected.job(&arguments.which.job).await?;
    if output.is_structured() && !output.is_lines() {
        return recorded(arguments, &connected.client, job, output).await;
    }
    let from = arguments.from(&connected, job).await?;
    let look = Look { raw: arguments.raw, timestamps: arguments.timestamps, stream: from.stream };
    let mut telling = Telling {
        client: &connected.client,
        job,
        output,
        printer: Printer::new(*output, look),
        last: arguments.tail.map(Last::new),
    };
    let mut following = connected.client.follow(job, from);
    while let Some(followed) = following.next().await {
        match followed {
            Ok(followed @ Followed::CaughtUp) if !arguments.follow => {
                telling.tell(followed).await?;
                break;
            }
            Ok(followed) => telling.tell(followed).await?,
            Err(error) if arguments.follow && passes_by_waiting(&error) => telling.wait(&error),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Exit::OK)
}

impl Logs {
    /// Where to begin: with the latest attempt, or the only one.
    async fn from(&self, connected: &Connected, job: JobId) -> Result<FollowFrom, Fault> {
        let client = &connected.client;
        let since_ms = self.since.as_deref().map(|text| since(text, client.server_ms())).transpose()?.unwrap_or(0);
        let stream = match self.stream {
            Streams::Stdout => Some(OutputStream::Stdout),
            Streams::Stderr => Some(OutputStream::Stderr),
            Streams::Both => None,
        };
        let (latest, attempt) = match self.attempt {
            Some(attempt) => (attempt, Some(attempt)),
            None => (client.info(job).await?.attempts_total.max(1), None),
        };
        Ok(FollowFrom { place: OutputPlace::of_attempt(latest), attempt, stream, since_ms })
    }
}

/// Passes on what is told, the last lines first where only those are wanted.
struct Telling<'a> {
    client: &'a Client,
    job: JobId,
    output: &'a Output,
    printer: Printer,
    last: Option<Last>,
}

impl Telling<'_> {
    async fn tell(&mut self, followed: Followed) -> Result<(), Fault> {
        match followed {
            Followed::Record(record) => match &mut self.last {
                Some(last) => last.push(record),
                None => self.record(record).await?,
            },
            Followed::Gap(gap) => self.gap(gap).await?,
            // What went before it may still be held for the last lines.
            Followed::AttemptEnded { .. } if self.last.is_some() => {}
            Followed::AttemptEnded { attempt } => self.line(&OutputPiece::AttemptEnded { attempt })?,
            Followed::CaughtUp => self.tell_last().await?,
            Followed::Ended(view) => {
                self.tell_last().await?;
                if self.output.is_lines() {
                    self.output.line(serde_json::json!({"ended": json(&*view)}))?;
                } else if view.attempts_total == 0 && view.state != JobState::Succeeded {
                    self.output.say(format!("quorla: job {} never ran", self.job));
                }
            }
        }
        Ok(())
    }

    async fn tell_last(&mut self) -> Result<(), Fault> {
        let records = self.last.take().map(|mut last| last.take()).unwrap_or_default();
        for record in records {
            self.record(record).await?;
        }
        Ok(())
    }

    async fn record(&mut self, record: OutputRecord) -> Result<(), Fault> {
        match self.output.is_lines() {
            true => self.line(&OutputPiece::Record(record)),
            false => self.printer.record(&record).await,
        }
    }

    async fn gap(&mut self, gap: OutputGap) -> Result<(), Fault> {
        match self.output.is_lines() {
            true => self.line(&OutputPiece::Gap(gap)),
            false => self.printer.gap(self.client, self.job, &gap).await,
        }
    }

    fn line(&self, piece: &OutputPiece) -> Result<(), Fault> {
        if self.output.is_lines() { self.output.line(json(piece)) } else { Ok(()) }
    }

    fn wait(&self, error: &Error) {
        self.output.say(format!("quorla: still following job {}: {error}", self.job));
    }
}

/// The end of an attempt's output as the ledger has it.
async fn recorded(arguments: &Logs, client: &Client, job: JobId, output: &Output) -> Result<Exit, Fault> {
    if arguments.follow {
        return Err(Fault::usage("follow a job's output: -o jsonl is the form for that"));
    }
    let logs = client.logs(job, arguments.attempt).await?;
    let document = Document { json: json(&logs), table: Table::pairs(), ids: vec![job.to_string()] };
    output.document(&document).map(|()| Exit::OK)
}

const fn passes_by_waiting(error: &Error) -> bool {
    matches!(error, Error::Unavailable { .. } | Error::NotNow(_) | Error::OutcomeUnknown { .. })
}

/// A time, or a span before now, in milliseconds since 1970.
fn since(text: &str, now_ms: u64) -> Result<u64, Fault> {
    let span = span_ms(text).ok().map(|span| now_ms.saturating_sub(span));
    span.or_else(|| moment_ms(text)).ok_or_else(|| {
        Fault::usage(format!("print a job's output: {text:?} is no time: write 10m, or 2026-11-21T16:35:04Z"))
    })
}

#[cfg(test)]
mod tests {
    use super::since;

    #[test]
    fn a_time_is_a_span_ago_or_a_date() {
        assert_eq!(since("10m", 700_000).unwrap(), 100_000);
        assert_eq!(since("2023-11-14T22:13:20Z", 0).unwrap(), 1_700_000_000_000);
        assert!(since("yesterday", 0).is_err());
    }
}
