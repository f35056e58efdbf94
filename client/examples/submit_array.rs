//! Submits an array of a hundred tasks, waits for the last of them, and retries what failed.
//!
//! Start a cluster with `quorla dev`, then: `cargo run -p quorla-client --example submit_array`

use quorla_client::{ArrayRequest, Client, Error, JobRequest, Options};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let client = Client::connect(Options::from_env()?).await?;
    // Every tenth task fails, to have something to retry.
    let job = JobRequest::new(["sh", "-c", "test $(({} % 10)) -ne 3"]).name("not-three");
    let submitted = client.submit_array(ArrayRequest::range(job, 0, 99).running_max(16)).await?;
    println!("submitted {}", submitted.job_id);

    client.wait(submitted.job_id, Some(60_000)).await?;
    let array = client.array_status(submitted.job_id).await?;
    println!("{}: {} succeeded, {} failed", array.state, array.tasks.succeeded, array.tasks.failed);

    let third = client.resolve(&format!("{}/3", submitted.job_id)).await?;
    println!("task {third}: {}", client.info(third).await?.state);
    if array.tasks.failed > 0 {
        let again = client.retry_array(submitted.job_id, None).await?;
        println!("retried as {}", again.job_id);
        client.cancel_array(again.job_id, Some("only an example".to_owned())).await?;
    }
    Ok(())
}
