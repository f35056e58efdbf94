//! How long nobody could submit: one small submit after the other, and the longest time between two that were accepted.
//!
//! The probes are jobs that would run tomorrow, so that only submitting is measured; they are cancelled at the end.

use std::time::Duration;

use futures::StreamExt as _;
use quorla_client::clock::Stopwatch;
use quorla_client::{Client, Error, JobId, JobRequest};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::fault::Fault;

const PAUSE: Duration = Duration::from_millis(10);
const TOMORROW_MS: u64 = 24 * 60 * 60 * 1000;
const CANCELS_IN_FLIGHT: usize = 64;

/// What the probes saw.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outages {
    pub(super) longest_ms: u64,
    pub(super) accepted: u32,
}

/// Probes that go on until they are stopped.
pub(super) struct Probe {
    task: JoinHandle<Result<Outages, Error>>,
    stop: watch::Sender<bool>,
}

impl Probe {
    pub(super) fn start(client: Client) -> Self {
        let (stop, stopped) = watch::channel(false);
        Self { task: tokio::spawn(probe(client, stopped)), stop }
    }

    pub(super) async fn stop(self) -> Result<Outages, Fault> {
        self.stop.send_replace(true);
        Ok(self.task.await.map_err(|error| Fault::other("probe the cluster", error))??)
    }
}

async fn probe(client: Client, stopped: watch::Receiver<bool>) -> Result<Outages, Error> {
    let mut jobs = Vec::new();
    let mut longest_ms = 0;
    let mut since = Stopwatch::start();
    while !*stopped.borrow() {
        jobs.push(client.submit(job(client.server_ms())).await?.job_id);
        longest_ms = longest_ms.max(since.elapsed_ms());
        since = Stopwatch::start();
        tokio::time::sleep(PAUSE).await;
    }
    let accepted = u32::try_from(jobs.len()).unwrap_or(u32::MAX);
    cancel(&client, jobs).await?;
    Ok(Outages { longest_ms, accepted })
}

fn job(now_ms: u64) -> JobRequest {
    let mut job = JobRequest::new(["true"]).name("drill-probe").queue("drill");
    job.not_before_ms = Some(now_ms.saturating_add(TOMORROW_MS));
    job
}

async fn cancel(client: &Client, jobs: Vec<JobId>) -> Result<(), Error> {
    let cancels = jobs.into_iter().map(|job| client.cancel(job));
    let mut cancelled = futures::stream::iter(cancels).buffer_unordered(CANCELS_IN_FLIGHT);
    while let Some(outcome) = cancelled.next().await {
        outcome?;
    }
    Ok(())
}
