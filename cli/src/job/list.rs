//! `quorla job list`.

use clap::Args;
use quorla_client::{Client, JobPage, JobState, ListOrder, ListQuery, ReadLevel, nearest};

use super::duration::{pair, span_ms};
use super::rows;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::{Output, moment_ms, printed};
use crate::session::Session;
use crate::watch::Watch;

pub(super) const EXAMPLES: &str = "Examples:\n  quorla job list --state running,queued\n  \
    quorla job list --watch --state running\n  \
    quorla job list --array g7k2 --state failed,running\n  \
    quorla job list --label team=search --since 2h --state failed\n  \
    quorla job list --node n2 --oldest\n  \
    quorla job list --queue hashes --name sha -o id | xargs -n1 quorla job cancel\n\n\
    AGE counts from the submit; RUN is how long the latest attempt has run, or ran. With -o json, `next` is the --cursor\n\
    of the next page, or null.\n\n\
    --since, --until, the order, and whether the states are of jobs that have ended are found by an index. The others are\n\
    asked of one record after another, --label with one look-up more, 20000 records a request; the list goes on by itself\n\
    until it has its rows or has seen all.";

/// Rows that one request asks for at the most.
const PAGE_ROWS_MAX: u32 = 1_000;

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
    /// Only with this label; repeatable, all must fit
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    label: Vec<(String, String)>,
    /// Only submitted at this time or later: so long ago (90s, 2h), or 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = Moment::read)]
    since: Option<Moment>,
    /// Only submitted before this time
    #[arg(long, value_name = "TIME", value_parser = Moment::read)]
    until: Option<Moment>,
    /// Only those whose latest attempt is or was on this node
    #[arg(long, value_name = "NODE")]
    node: Option<String>,
    /// The first submitted first
    #[arg(long)]
    oldest: bool,
    /// Rows at most, 1 to 100000
    #[arg(short, long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
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

/// A time, or how long ago it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    Ago(u64),
    At(u64),
}

impl Moment {
    fn read(text: &str) -> Result<Self, String> {
        let ago = span_ms(text).ok().map(Self::Ago);
        ago.or_else(|| moment_ms(text).map(Self::At))
            .ok_or_else(|| "this is no time: 90s or 2h ago, or a moment such as 2026-11-21T10:24:11Z".to_owned())
    }

    fn at_ms(self, now_ms: u64) -> u64 {
        match self {
            Self::Ago(span_ms) => now_ms.saturating_sub(span_ms),
            Self::At(at_ms) => at_ms,
        }
    }
}

pub(super) async fn run(arguments: List, session: &Session, output: &Output) -> Result<Exit, Fault> {
    let connected = session.connect().await?;
    let read = if arguments.stale { ReadLevel::Stale } else { ReadLevel::Linearizable };
    let array = match &arguments.array {
        Some(text) => Some(connected.job(text).await?),
        None => None,
    };
    let client = connected.client.reading(read);
    let (since, until) = (arguments.since, arguments.until);
    let query = ListQuery {
        states: arguments.state,
        queue: arguments.queue,
        name_prefix: arguments.name,
        limit: None,
        cursor: arguments.cursor,
        array,
        read,
        labels: arguments.label.into_iter().collect(),
        since_ms: None,
        until_ms: None,
        node: arguments.node,
        order: if arguments.oldest { ListOrder::Oldest } else { ListOrder::Newest },
    };
    let look = async |output: &Output| {
        let at = |moment: Option<Moment>| moment.map(|moment| moment.at_ms(client.server_ms()));
        let query = ListQuery { since_ms: at(since), until_ms: at(until), ..query.clone() };
        let (page, requests) = gather(&client, query, arguments.limit).await?;
        output.screen()?;
        let exit = printed(output, &rows::page(&page, client.server_ms(), output.is_lines()), Exit::OK)?;
        if requests > 1 && page.jobs.len() < usize::try_from(arguments.limit).unwrap_or(usize::MAX) {
            output.say(format!("looked through {} records in {requests} requests", page.examined));
        }
        if let Some(next) = page.next {
            output.say(format!("there are more: --cursor {next}"));
        }
        Ok(exit)
    };
    arguments.watch.run(output, look).await
}

/// Goes on from page to page until there are so many rows, or no page is left; and says how many requests that took.
async fn gather(client: &Client, mut query: ListQuery, limit: u32) -> Result<(JobPage, u32), Fault> {
    let limit = usize::try_from(limit).expect("a bounded number of rows");
    let mut all = JobPage { jobs: Vec::new(), next: None, examined: 0 };
    for requests in 1.. {
        let left = u32::try_from(limit - all.jobs.len()).unwrap_or(u32::MAX);
        query.limit = Some(left.min(PAGE_ROWS_MAX));
        let page = client.list(query.clone()).await?;
        all.jobs.extend(page.jobs);
        all.examined += page.examined;
        all.next = page.next;
        if all.next.is_none() || all.jobs.len() >= limit {
            return Ok((all, requests));
        }
        query.cursor.clone_from(&all.next);
    }
    unreachable!("every page is nearer to the end")
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
    use super::{JobState, Moment, state};

    #[test]
    fn a_moment_is_a_time_or_how_long_ago_it_was() {
        assert_eq!(Moment::read("2h").map(|moment| moment.at_ms(7_200_500)), Ok(500));
        assert_eq!(Moment::read("1970-01-01T00:00:01Z").map(|moment| moment.at_ms(9)), Ok(1_000));
        assert!(Moment::read("yesterday").is_err());
    }

    #[test]
    fn a_misspelt_state_is_refused_with_the_nearest_one() {
        assert_eq!(state("queued"), Ok(JobState::Queued));
        assert!(state("runing").unwrap_err().contains("did you mean running?"));
    }
}
