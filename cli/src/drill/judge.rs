//! The facts: every accepted job is read again from the healed cluster and its digest compared.

use futures::StreamExt as _;
use quorla_client::{AttemptOutcome, Client, Error, JobId, JobState};

use super::files::Hashed;
use super::load::Load;
use crate::fault::Fault;

const READS_IN_FLIGHT: usize = 64;
const TOLD_MAX: usize = 10;

/// What became of the jobs.
#[derive(Debug, Default)]
pub(super) struct Judged {
    pub(super) wanted: usize,
    pub(super) accepted: usize,
    pub(super) completed: usize,
    pub(super) with_one_result: usize,
    pub(super) digests_equal: usize,
    pub(super) attempts_again: u32,
    /// Some of what is wrong, in words.
    pub(super) wrong: Vec<String>,
}

/// One job as it is now.
struct Read {
    state: JobState,
    results: usize,
    attempts: u32,
    digest: String,
}

pub(super) async fn judge(client: &Client, files: &[Hashed], load: Load) -> Result<Judged, Fault> {
    let mut judged = Judged { wanted: files.len(), ..Judged::default() };
    for error in load.refused {
        judged.tell(format!("a submit was not accepted: {error}"));
    }
    let accepted = files.iter().zip(load.jobs).filter_map(|(file, job)| job.map(|job| (file, job)));
    let reads = accepted.map(|(file, job)| async move { (file, job, read(client, job).await) });
    let mut reads = futures::stream::iter(reads).buffer_unordered(READS_IN_FLIGHT);
    while let Some((file, job, read)) = reads.next().await {
        judged.count(file, job, &read?);
    }
    Ok(judged)
}

async fn read(client: &Client, job: JobId) -> Result<Read, Error> {
    let (view, logs) = tokio::try_join!(client.info(job), client.logs(job, None))?;
    let results = view.attempts.iter().filter(|attempt| attempt.outcome == AttemptOutcome::Succeeded).count();
    let digest = String::from_utf8_lossy(logs.stdout.bytes.as_bytes());
    let digest = digest.split_whitespace().next().unwrap_or_default().to_owned();
    Ok(Read { state: view.state, results, attempts: view.attempts_total, digest })
}

impl Judged {
    fn count(&mut self, file: &Hashed, job: JobId, read: &Read) {
        self.accepted += 1;
        self.attempts_again += read.attempts.saturating_sub(1);
        match read.state {
            JobState::Succeeded => self.completed += 1,
            state => self.tell(format!("{job} for {} is {state}", file.path)),
        }
        match read.results {
            1 => self.with_one_result += 1,
            results => self.tell(format!("{job} for {} has {results} results", file.path)),
        }
        match read.digest == file.digest {
            true => self.digests_equal += 1,
            false => self.tell(format!("{job}: {} is {}, not {:?}", file.path, file.digest, read.digest)),
        }
    }

    fn tell(&mut self, words: String) {
        if self.wrong.len() < TOLD_MAX {
            self.wrong.push(words);
        }
    }
}
