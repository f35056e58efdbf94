//! The array workload: many short tasks, the leader killed now and then, held against the machine's own rate of starting
//! processes in the same run.

use std::time::Duration;

use quorla_client::clock::Stopwatch;
use quorla_client::{ArrayRequest, ArrayView, Client, Error, JobId, JobRequest};
use serde_json::{Value, json};

use super::results::Results;
use super::spawn::{self, PROGRAM};
use crate::fault::Fault;
use crate::local::Cluster;
use crate::output::{Document, Output, Table};

/// What beanstalkd, the fastest of the others, reaches of the machine's rate is 40 %.
const RATIO_GOAL: f64 = 0.6;
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// No task may end for so long before that is told as a fault.
const QUIET_MAX: Duration = Duration::from_secs(60);
const MIB: u64 = 1 << 20;

/// What a run of it gave.
pub(super) struct Run {
    tasks: u32,
    kills: u32,
    killed: Vec<String>,
    elapsed: Duration,
    floor_per_s: f64,
    rss_mib: Rss,
    results: Results,
}

/// The largest resident memory of a node, when a tenth of the tasks had ended and at the end.
#[derive(Clone, Copy, Debug, Default)]
struct Rss {
    begin: u64,
    end: u64,
}

/// Runs it on a fresh cluster.
pub(super) async fn measure(cluster: &mut Cluster, tasks: u32, kills: u32, output: &Output) -> Result<Run, Fault> {
    let before_per_s = spawn::measure_telling(output).await?;
    let client = cluster.client().await?;
    let since = Stopwatch::start();
    let array =
        client.submit_array(ArrayRequest::range(JobRequest::new([PROGRAM]).queue("bench"), 0, tasks - 1)).await?;
    output.say(format!("{tasks} tasks submitted as {}", array.job_id));
    let mut watch = Watch { cluster, client: &client, array: array.job_id, kills, output, killed: Vec::new() };
    let rss_mib = watch.until_ended(tasks).await?;
    let (killed, elapsed) = (watch.killed, since.elapsed());
    // A shared machine is not as fast at the end as at the beginning.
    let floor_per_s = f64::midpoint(before_per_s, spawn::measure_telling(output).await?);
    output.say("reading every task once more");
    let results = Results::read(&client, (0..tasks).filter_map(|index| array.job_id.task(index))).await?;
    Ok(Run { tasks, kills, killed, elapsed, floor_per_s, rss_mib, results })
}

/// The array while it runs.
struct Watch<'a> {
    cluster: &'a mut Cluster,
    client: &'a Client,
    array: JobId,
    kills: u32,
    output: &'a Output,
    killed: Vec<String>,
}

impl Watch<'_> {
    async fn until_ended(&mut self, tasks: u32) -> Result<Rss, Fault> {
        let (mut rss, mut ended_last, mut quiet) = (Rss::default(), 0, Stopwatch::start());
        loop {
            if quiet.elapsed() > QUIET_MAX {
                let why = format!("no task has ended for a minute, {ended_last} before");
                return Err(Fault::other("run the array", why));
            }
            let Some(view) = self.look().await? else { continue };
            let ended = view.tasks.ended();
            if ended != ended_last {
                (ended_last, quiet) = (ended, Stopwatch::start());
            }
            if rss.begin == 0 && ended >= tasks / 10 {
                rss.begin = self.rss_mib().await?;
            }
            if view.state.is_ended() {
                rss.end = self.rss_mib().await?;
                return Ok(rss);
            }
            if self.kill_is_due(ended, tasks) {
                self.kill(ended).await?;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The kills part the tasks evenly.
    fn kill_is_due(&self, ended: u32, tasks: u32) -> bool {
        let done = u64::try_from(self.killed.len()).unwrap_or(u64::MAX);
        done < u64::from(self.kills) && u64::from(ended) * (u64::from(self.kills) + 1) >= u64::from(tasks) * (done + 1)
    }

    async fn kill(&mut self, ended: u32) -> Result<(), Fault> {
        let leader = self.cluster.leader().await?;
        let name = self.cluster.nodes()[leader].name.clone();
        self.cluster.node(leader).kill().await?;
        self.output.say(format!("killed the leader {name} after {ended} tasks, and start it again"));
        self.cluster.restart(leader).await?;
        self.killed.push(name);
        Ok(())
    }

    /// None in an outage, which is waited through.
    async fn look(&self) -> Result<Option<ArrayView>, Fault> {
        match self.client.array_status(self.array).await {
            Err(Error::Unavailable { .. } | Error::NotNow(_)) => Ok(None),
            looked => Ok(Some(looked?)),
        }
    }

    async fn rss_mib(&self) -> Result<u64, Fault> {
        let status = self.client.status().await?;
        Ok(status.nodes.iter().filter_map(|node| node.rss_bytes).max().unwrap_or(0) / MIB)
    }
}

impl Run {
    /// Whether each task succeeded, with exactly one result, and every kill really happened.
    pub(super) fn holds(&self) -> bool {
        self.results.are_complete(self.tasks) && self.killed.len() == usize::try_from(self.kills).unwrap_or(usize::MAX)
    }

    fn per_s(&self) -> f64 {
        f64::from(self.tasks) / self.elapsed.as_secs_f64()
    }

    fn ratio(&self) -> f64 {
        self.per_s() / self.floor_per_s
    }

    pub(super) fn document(&self) -> Document {
        Document { json: self.json(), table: self.table(), ids: vec!["array".to_owned()] }
    }

    fn json(&self) -> Value {
        json!({
            "workload": "array",
            "tasks": self.tasks,
            "per_s": self.per_s().round(),
            "floor": self.floor_per_s.round(),
            "ratio": (self.ratio() * 1_000.0).round() / 1_000.0,
            "succeeded": self.results.succeeded,
            "one_result": self.results.one_result,
            "attempts": self.results.attempts,
            "killed": self.killed,
            "rss_mib_begin": self.rss_mib.begin,
            "rss_mib_end": self.rss_mib.end,
        })
    }

    fn table(&self) -> Table {
        let mut table = Table::new(["WHAT", "IS", "MUST BE"]);
        let mut row = |what: &str, is: String, must_be: &str| table.row([what.to_owned(), is, must_be.to_owned()]);
        let tasks = self.tasks.to_string();
        row("tasks succeeded", self.results.succeeded.to_string(), &tasks);
        row("tasks with exactly one result", self.results.one_result.to_string(), &tasks);
        row("attempts", self.results.attempts.to_string(), "any");
        row("leaders killed", self.killed.len().to_string(), &self.kills.to_string());
        row("tasks per second", format!("{:.0}", self.per_s()), "");
        row("the machine's own, two threads", format!("{:.0}", self.floor_per_s), "");
        row("ratio", format!("{:.2}", self.ratio()), &format!("goal: {RATIO_GOAL:.2}"));
        row("largest node, a tenth done", format!("{} MiB", self.rss_mib.begin), "");
        row("largest node at the end", format!("{} MiB", self.rss_mib.end), "goal: as before");
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> Run {
        Run {
            tasks: 10,
            kills: 1,
            killed: vec!["n1".into()],
            elapsed: Duration::from_secs(2),
            floor_per_s: 10.0,
            rss_mib: Rss { begin: 50, end: 51 },
            results: Results { succeeded: 10, one_result: 10, attempts: 11 },
        }
    }

    #[test]
    fn a_kill_that_did_not_happen_spoils_it() {
        assert!(run().holds());
        assert!(!Run { killed: Vec::new(), ..run() }.holds());
    }

    #[test]
    fn the_ratio_is_to_what_the_machine_does_alone() {
        let json = run().json();
        assert_eq!((&json["per_s"], &json["floor"], &json["ratio"]), (&json!(5.0), &json!(10.0), &json!(0.5)));
    }
}
