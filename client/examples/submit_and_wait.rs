//! Submits one job, waits for its end and prints its output.
//!
//! Start a cluster with `quorla dev`, then: `cargo run -p quorla-client --example submit_and_wait`

use quorla_client::{Client, Error, JobRequest, Options};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let client = Client::connect(Options::from_env()?).await?;
    let job = JobRequest::new(["sh", "-c", "echo hello from $(hostname)"]).name("hello");
    let submitted = client.submit(job).await?;
    println!("submitted {}", submitted.job_id);

    let job = client.wait(submitted.job_id, Some(60_000)).await?;
    let logs = client.logs(job.id, None).await?;
    println!("{} on {}", job.state, job.node.unwrap_or_default());
    print!("{}", String::from_utf8_lossy(logs.stdout.bytes.as_bytes()));
    Ok(())
}
