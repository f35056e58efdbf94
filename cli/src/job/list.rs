//! `quorla job list`.

use clap::Args;
use quorla_client::{JobState, ListQuery, ReadLevel, nearest};

use super::rows;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::{Output, printed};
use crate::session::Session;
use crate::watch::Watch;

pub(super) const EXAMPLES: &str = "Examples:\n  quorla job list --state running,queued\n  \
    quorla job list --watch --state running\n  \
    quorla job list --array g7k2 --state failed,running\n  \
    quorla job list --queue hashes --name sha -o id | xargs -n1 quorla job cancel\n\n\
    AGE counts from the submit; RUN is how long the latest attempt has run, or ran. With -o json, `next` is the --cursor\n\
    of the next page, or null.";

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only these states: delayed, queued, running, stopping, backing_off, succeeded, failed, cancelled,
    /// deadline_exceeded
    #[arg(short, long, value_delimiter = ',', value_parser = state)]
    state: Vec<JobState>,
    /// Only this queue
    #[arg(short, long)]
    queue: Option<String>,
    /// Only names that begin with this
    #[arg(short, long, value_name = "PREFIX")]
    name: Option<String>,
    /// Rows at most, 1 to 1000
    #[arg(short, long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Where the page before ended: its `next`
    #[arg(long)]
    cursor: Option<String>,
    /// The tasks of this array, by index, in the place of jobs and arrays
    #[arg(long, value_name = "ARRAY")]
    array: Option<String>,
    /// Take whatever the answering node has, without asking a quorum
    #[arg(long)]
    stale: bool,
    #[command(flatten)]
    watch: Watch,
}

pub(super) async fn run(arguments: List, session: &Session, output: &Output) -> Result<Exit, Fault> {
    let connected = session.connect().await?;
    let read = if arguments.stale { ReadLevel::Stale } else { ReadLevel::Linearizable };
    let array = match &arguments.array {
        Some(text) => Some(connected.job(text).await?),
        None => None,
    };
    let query = ListQuery {
        states: arguments.state,
        queue: arguments.queue,
        name_prefix: arguments.name,
        limit: Some(arguments.limit),
        cursor: arguments.cursor,
        array,
        read,
    };
    let client = connected.client.reading(read);
    let look = async |output: &Output| {
        let page = client.list(query.clone()).await?;
        output.screen()?;
        let exit = printed(output, &rows::page(&page, client.server_ms(), output.is_lines()), Exit::OK)?;
        if let Some(next) = page.next {
            output.say(format!("there are more: --cursor {next}"));
        }
        Ok(exit)
    };
    arguments.watch.run(output, look).await
}

fn state(text: &str) -> Result<JobState, String> {
    let known = JobState::ALL.map(JobState::as_str);
    JobState::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| match nearest(text, known) {
        Some(near) => format!("there is no such state; did you mean {near}?"),
        None => format!("there is no such state; there are {}", known.join(", ")),
    })
}

#[cfg(test)]
mod tests {
    use super::{JobState, state};

    #[test]
    fn a_misspelt_state_is_refused_with_the_nearest_one() {
        assert_eq!(state("queued"), Ok(JobState::Queued));
        assert!(state("runing").unwrap_err().contains("did you mean running?"));
    }
}
