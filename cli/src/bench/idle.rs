//! The idle workload: how soon a fresh cluster has run its first job, and what its nodes take when there is nothing to do.

use std::time::Duration;

use quorla_client::JobRequest;
use quorla_client::clock::Stopwatch;
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::fault::Fault;
use crate::local::{Cluster, usage};
use crate::output::{Document, Output, Table};

/// Until a start is forgotten.
const SETTLES: Duration = Duration::from_secs(60);
const FIRST_JOB_MS_GOAL: u64 = 2_000;
const RSS_MIB_GOAL: u64 = 64;
const CPU_PERCENT_GOAL: f64 = 1.0;
const MIB: u64 = 1 << 20;

/// What a run of it gave; of the nodes the one that takes most.
pub(super) struct Run {
    nodes: u8,
    first_job: Duration,
    rss_bytes: u64,
    cpu_percent: f64,
}

/// Looks at a cluster that was asked to start so long ago.
pub(super) async fn measure(cluster: &Cluster, since: Stopwatch, seconds: u32, output: &Output) -> Result<Run, Fault> {
    let client = cluster.client().await?;
    let job = client.submit(JobRequest::new(["echo", "hi"])).await?.job_id;
    client.wait(job, None).await?;
    let first_job = since.elapsed();
    drop(client);
    output.say(format!("letting it rest for {} s, then looking for {seconds} s", SETTLES.as_secs()));
    tokio::time::sleep(SETTLES).await;
    let (before, window) = (processor_times(cluster)?, Stopwatch::start());
    tokio::time::sleep(Duration::from_secs(u64::from(seconds))).await;
    let (after, elapsed) = (processor_times(cluster)?, window.elapsed());
    let taken =
        before.iter().zip(&after).map(|(before, after)| after.saturating_sub(*before)).max().unwrap_or_default();
    let mut rss_bytes = 0;
    for pid in pids(cluster)? {
        rss_bytes = rss_bytes.max(usage::resident_bytes(pid).map_err(|error| Fault::other("look at a node", error))?);
    }
    let cpu_percent = taken.as_secs_f64() / elapsed.as_secs_f64() * 100.0;
    Ok(Run { nodes: u8::try_from(after.len()).unwrap_or(u8::MAX), first_job, rss_bytes, cpu_percent })
}

fn processor_times(cluster: &Cluster) -> Result<Vec<Duration>, Fault> {
    let time = |pid| usage::processor_time(pid).map_err(|error| Fault::other("look at a node", error));
    pids(cluster)?.into_iter().map(time).collect()
}

fn pids(cluster: &Cluster) -> Result<Vec<u32>, Fault> {
    let ended =
        |name: &str| Fault::new(Exit::OTHER, "node_ended", format!("look at the idle node {name}: it has ended"));
    cluster.nodes().iter().map(|node| node.pid().ok_or_else(|| ended(&node.name))).collect()
}

impl Run {
    fn first_job_ms(&self) -> u64 {
        u64::try_from(self.first_job.as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn document(&self) -> Document {
        Document { json: self.json(), table: self.table(), ids: vec!["idle".to_owned()] }
    }

    fn json(&self) -> Value {
        json!({
            "workload": "idle",
            "nodes": self.nodes,
            "first_job_ms": self.first_job_ms(),
            "rss_mib": self.rss_bytes / MIB,
            "cpu_percent": (self.cpu_percent * 100.0).round() / 100.0,
        })
    }

    fn table(&self) -> Table {
        let mut table = Table::new(["WHAT", "IS", "MUST BE"]);
        let mut row = |what: &str, is: String, must_be: String| table.row([what.to_owned(), is, must_be]);
        row("nodes", self.nodes.to_string(), "as asked for".to_owned());
        row(
            "first job done, from nothing",
            format!("{} ms", self.first_job_ms()),
            format!("goal: {FIRST_JOB_MS_GOAL} ms"),
        );
        let rss = format!("{} MiB", self.rss_bytes / MIB);
        row("largest node with its warden", rss, format!("goal: under {RSS_MIB_GOAL} MiB"));
        let cpu = format!("{:.2} %", self.cpu_percent);
        row("busiest node, of one core", cpu, format!("goal: {CPU_PERCENT_GOAL:.0} %"));
        table
    }
}
