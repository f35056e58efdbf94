//! The submit workload: N submits in flight, each one job, each answered when it is durable.

use std::time::Duration;

use futures::future::try_join_all;
use quorla_client::clock::Stopwatch;
use quorla_client::{Client, JobRequest};

use super::figures::{Figures, Latencies};
use crate::fault::Fault;

const WARM_UP: Duration = Duration::from_secs(1);
const TOMORROW_MS: u64 = 24 * 60 * 60 * 1000;

/// What one submitter saw.
struct Seen {
    latencies: Latencies,
    errors: u64,
}

pub(super) async fn measure(client: &Client, in_flight: u32, seconds: u32) -> Result<Figures, Fault> {
    let lasts = Duration::from_secs(u64::from(seconds));
    load(client, in_flight, WARM_UP).await?;
    let since = Stopwatch::start();
    let seen = load(client, in_flight, lasts).await?;
    let elapsed = since.elapsed();
    let mut latencies = Latencies::new();
    seen.iter().for_each(|seen| latencies.add(&seen.latencies));
    let errors = seen.iter().map(|seen| seen.errors).sum();
    Ok(Figures { workload: "submit", in_flight, elapsed, latencies, errors })
}

async fn load(client: &Client, in_flight: u32, lasts: Duration) -> Result<Vec<Seen>, Fault> {
    let since = Stopwatch::start();
    let submitters = (0..in_flight).map(|_| tokio::spawn(submit_until(client.clone(), since, lasts)));
    try_join_all(submitters).await.map_err(|error| Fault::other("submit", error))
}

/// One after the other; only what was accepted is counted.
async fn submit_until(client: Client, since: Stopwatch, lasts: Duration) -> Seen {
    let mut seen = Seen { latencies: Latencies::new(), errors: 0 };
    let mut job = JobRequest::new(["true"]).name("bench").queue("bench");
    job.not_before_ms = Some(client.server_ms().saturating_add(TOMORROW_MS));
    while since.elapsed() < lasts {
        let one = Stopwatch::start();
        match client.submit(job.clone()).await {
            Ok(_) => seen.latencies.record(one.elapsed()),
            Err(_) => seen.errors += 1,
        }
    }
    seen
}
