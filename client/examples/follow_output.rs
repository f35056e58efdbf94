//! Submits a job that prints for a while and follows its output as it comes, whatever happens to nodes meanwhile.
//!
//! Start a cluster with `quorla dev --nodes 3`, then: `cargo run -p quorla-client --example follow_output`

use futures::StreamExt as _;
use quorla_client::{Client, Error, FollowFrom, Followed, JobRequest, Options};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let client = Client::connect(Options::from_env()?).await?;
    let job = JobRequest::new(["sh", "-c", "for n in 1 2 3 4 5; do echo tick $n; sleep 1; done; echo done >&2"]);
    let submitted = client.submit(job).await?;

    let mut output = client.follow(submitted.job_id, FollowFrom::default());
    while let Some(followed) = output.next().await {
        match followed {
            Ok(Followed::Record(record)) => {
                let stream = record.stream.as_str();
                print!("{stream} {}: {}", record.sequence, String::from_utf8_lossy(record.bytes.as_bytes()));
            }
            Ok(Followed::Gap(gap)) => println!("missing: {gap:?}"),
            Ok(Followed::AttemptEnded { attempt }) => println!("attempt {attempt} is over"),
            Ok(Followed::CaughtUp) => {}
            Ok(Followed::Ended(job)) => println!("{}", job.state),
            // An outage; the stream goes on where it was once it is over.
            Err(error @ (Error::Unavailable { .. } | Error::NotNow(_))) => eprintln!("{error}"),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
