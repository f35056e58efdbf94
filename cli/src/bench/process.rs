//! The process workload: single jobs through their whole life, submitted in batches, while somebody lists jobs all the time.

use std::time::Duration;

use futures::StreamExt as _;
use quorla_client::clock::Stopwatch;
use quorla_client::{Client, JobRequest, ListQuery};
use serde_json::{Value, json};

use super::figures::Latencies;
use super::results::Results;
use super::spawn::{self, PROGRAM};
use crate::fault::Fault;
use crate::local::Cluster;
use crate::output::{Document, Output, Table};

const WAITS_IN_FLIGHT: usize = 512;
const LIST_PAUSE: Duration = Duration::from_millis(20);
const LIST_ROWS: u32 = 100;
const LIST_P99_MS_GOAL: u32 = 100;

/// What a run of it gave.
pub(super) struct Run {
    jobs: u32,
    accepted_in: Duration,
    ended_in: Duration,
    floor_per_s: f64,
    lists: Latencies,
    results: Results,
}

/// Runs it on a fresh cluster.
pub(super) async fn measure(cluster: &Cluster, jobs: u32, output: &Output) -> Result<Run, Fault> {
    let before_per_s = spawn::measure_telling(output).await?;
    let (client, since) = (cluster.client().await?, Stopwatch::start());
    let requests = (0..jobs).map(|_| JobRequest::new([PROGRAM]).queue("bench"));
    let accepted = client.submit_many(requests).await.into_iter().map(|one| one.map(|submitted| submitted.job_id));
    let accepted: Vec<_> = accepted.collect::<Result<_, _>>()?;
    let accepted_in = since.elapsed();
    output.say(format!("{jobs} jobs accepted"));
    let mut lists = Latencies::new();
    let all_ended = async {
        let mut waits =
            futures::stream::iter(accepted.iter().map(|job| client.wait(*job, None))).buffer_unordered(WAITS_IN_FLIGHT);
        while let Some(ended) = waits.next().await {
            ended?;
        }
        Ok::<_, Fault>(since.elapsed())
    };
    let ended_in = tokio::select! {
        ended = all_ended => ended?,
        listed = list_again_and_again(&client, &mut lists) => return Err(listed),
    };
    let floor_per_s = f64::midpoint(before_per_s, spawn::measure_telling(output).await?);
    output.say("reading every job once more");
    let results = Results::read(&client, accepted.into_iter()).await?;
    Ok(Run { jobs, accepted_in, ended_in, floor_per_s, lists, results })
}

/// Ends only with a fault.
async fn list_again_and_again(client: &Client, latencies: &mut Latencies) -> Fault {
    loop {
        let one = Stopwatch::start();
        if let Err(error) = client.list(ListQuery { limit: Some(LIST_ROWS), ..ListQuery::default() }).await {
            return error.into();
        }
        latencies.record(one.elapsed());
        tokio::time::sleep(LIST_PAUSE).await;
    }
}

impl Run {
    pub(super) fn holds(&self) -> bool {
        self.results.are_complete(self.jobs)
    }

    fn per_s(&self) -> f64 {
        f64::from(self.jobs) / self.ended_in.as_secs_f64()
    }

    pub(super) fn document(&self) -> Document {
        Document { json: self.json(), table: self.table(), ids: vec!["process".to_owned()] }
    }

    fn json(&self) -> Value {
        json!({
            "workload": "process",
            "count": self.jobs,
            "per_s": self.per_s().round(),
            "floor": self.floor_per_s.round(),
            "ratio": (self.per_s() / self.floor_per_s * 1_000.0).round() / 1_000.0,
            "accepted_ms": self.accepted_in.as_millis(),
            "succeeded": self.results.succeeded,
            "one_result": self.results.one_result,
            "attempts": self.results.attempts,
            "list_count": self.lists.count(),
            "list_p50_ms": self.lists.ms(0.5),
            "list_p99_ms": self.lists.ms(0.99),
        })
    }

    fn table(&self) -> Table {
        let mut table = Table::new(["WHAT", "IS", "MUST BE"]);
        let mut row = |what: &str, is: String, must_be: &str| table.row([what.to_owned(), is, must_be.to_owned()]);
        let jobs = self.jobs.to_string();
        row("jobs succeeded", self.results.succeeded.to_string(), &jobs);
        row("jobs with exactly one result", self.results.one_result.to_string(), &jobs);
        row("all accepted after", format!("{} ms", self.accepted_in.as_millis()), "");
        row("jobs per second", format!("{:.0}", self.per_s()), "");
        row("the machine's own, two threads", format!("{:.0}", self.floor_per_s), "");
        row("ratio", format!("{:.2}", self.per_s() / self.floor_per_s), "");
        row("lists meanwhile", self.lists.count().to_string(), "");
        row("a list, p50", format!("{:.1} ms", self.lists.ms(0.5)), "");
        row("a list, p99", format!("{:.1} ms", self.lists.ms(0.99)), &format!("goal: {LIST_P99_MS_GOAL} ms"));
        table
    }
}
