//! Submits a thousand jobs in a pipeline, waits for all of them and counts how they ended.
//!
//! Start a cluster with `quorla dev`, then: `cargo run -p quorla-client --example submit_many`

use std::collections::BTreeMap;

use futures::StreamExt as _;
use quorla_client::{Client, Error, JobRequest, Options};

const JOBS: usize = 1_000;
const WAITS_IN_FLIGHT: usize = 256;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let client = Client::connect(Options::from_env()?).await?;
    // An idempotency key makes a second run of this program submit nothing new.
    let jobs = (0..JOBS).map(|n| JobRequest::new(["true"]).idempotency_key(format!("example-{n}")));
    let submitted: Vec<_> = client.submit_many(jobs).await.into_iter().collect::<Result<_, _>>()?;
    println!("{} jobs are accepted", submitted.len());

    let waits = submitted.into_iter().map(|submitted| client.wait(submitted.job_id, None));
    let mut ended = futures::stream::iter(waits).buffer_unordered(WAITS_IN_FLIGHT);
    let mut counts = BTreeMap::new();
    while let Some(job) = ended.next().await {
        *counts.entry(job?.state).or_insert(0_u32) += 1;
    }
    for (state, count) in counts {
        println!("{state}: {count}");
    }
    Ok(())
}
