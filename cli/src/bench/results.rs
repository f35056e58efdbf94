//! Every job of a run, read once more: exactly one result each.

use futures::StreamExt as _;
use quorla_client::{AttemptOutcome, Client, JobId, JobState};

use crate::fault::Fault;

const READS_IN_FLIGHT: usize = 64;

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Results {
    pub(super) succeeded: u32,
    pub(super) one_result: u32,
    pub(super) attempts: u64,
}

impl Results {
    pub(super) async fn read(client: &Client, jobs: impl Iterator<Item = JobId>) -> Result<Self, Fault> {
        let mut reads = futures::stream::iter(jobs.map(|job| client.info(job))).buffer_unordered(READS_IN_FLIGHT);
        let mut found = Self::default();
        while let Some(job) = reads.next().await {
            let job = job?;
            let results = job.attempts.iter().filter(|attempt| attempt.outcome == AttemptOutcome::Succeeded).count();
            found.succeeded += u32::from(job.state == JobState::Succeeded);
            found.one_result += u32::from(results == 1);
            found.attempts += u64::from(job.attempts_total);
        }
        Ok(found)
    }

    /// Whether so many jobs each succeeded with exactly one result.
    pub(super) fn are_complete(&self, jobs: u32) -> bool {
        (self.succeeded, self.one_result) == (jobs, jobs)
    }
}

#[cfg(test)]
mod tests {
    use super::Results;

    #[test]
    fn a_job_that_failed_or_has_no_single_result_is_missing() {
        let complete = Results { succeeded: 10, one_result: 10, attempts: 11 };
        assert!(complete.are_complete(10));
        assert!(!Results { succeeded: 9, ..complete }.are_complete(10));
        assert!(!Results { one_result: 9, ..complete }.are_complete(10));
    }
}
