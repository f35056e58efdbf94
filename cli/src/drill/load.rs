//! The load: one `sha256sum` for each file, half of them submitted before the kill and half right after it.

use futures::StreamExt as _;
use quorla_client::{Client, Error, JobId, JobRequest};

use super::files::Hashed;
use super::progress::Progress;
use crate::fault::Fault;

const WAITS_IN_FLIGHT: usize = 512;
const ATTEMPTS_MAX: u32 = 5;

/// The jobs, in the order of the files; none where a submit was refused.
pub(super) struct Load {
    pub(super) jobs: Vec<Option<JobId>>,
    pub(super) refused: Vec<Error>,
}

pub(super) async fn run(client: &Client, files: &[Hashed], progress: &Progress) -> Result<Load, Fault> {
    let (before, after) = files.split_at(files.len() / 2);
    let first = async {
        let first = submit_and_wait(client, before, progress).await;
        progress.first_half_is_over();
        first
    };
    let second = async {
        progress.until_kill_is_over().await;
        submit_and_wait(client, after, progress).await
    };
    let (mut first, second) = tokio::try_join!(first, second)?;
    first.jobs.extend(second.jobs);
    first.refused.extend(second.refused);
    Ok(first)
}

async fn submit_and_wait(client: &Client, files: &[Hashed], progress: &Progress) -> Result<Load, Fault> {
    let mut load = Load { jobs: Vec::with_capacity(files.len()), refused: Vec::new() };
    for outcome in client.submit_many(files.iter().map(job)).await {
        match outcome {
            Ok(submitted) => load.jobs.push(Some(submitted.job_id)),
            Err(error) => {
                load.jobs.push(None);
                load.refused.push(error);
            }
        }
    }
    let waits = load.jobs.iter().flatten().map(|job| client.wait(*job, None));
    let mut ended = futures::stream::iter(waits).buffer_unordered(WAITS_IN_FLIGHT);
    while let Some(job) = ended.next().await {
        job?;
        progress.ended();
    }
    drop(ended);
    Ok(load)
}

fn job(file: &Hashed) -> JobRequest {
    let mut job = JobRequest::new(["sha256sum", "--", &file.path]).name("drill").queue("drill");
    job.retry.attempts_max = ATTEMPTS_MAX;
    job
}
