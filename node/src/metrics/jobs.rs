//! What jobs went through, recorded by whoever leads at the time: the sum over all nodes is the cluster's.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};
use quorla_ledger::{
    record::{Course, JobRecord, JobState},
    units::Millis,
};

const SUBMITTED: &str = "quorla_jobs_submitted_total";
const ENDED: &str = "quorla_jobs_ended_total";
const QUEUED_TIME: &str = "quorla_job_queued_seconds";
const RUN_TIME: &str = "quorla_job_run_seconds";
const WHOLE_TIME: &str = "quorla_job_seconds";
const STATES: [&str; 4] = ["succeeded", "failed", "cancelled", "deadline_exceeded"];

pub(super) fn describe() {
    describe_counter!(SUBMITTED, "Jobs accepted while this node led, each task of an array one of them.");
    describe_counter!(ENDED, "Jobs that ended while this node led, by how, each task of an array one of them.");
    let seconds = |name: &'static str, help: &'static str| describe_histogram!(name, Unit::Seconds, help);
    seconds(QUEUED_TIME, "From the submit of a job that ended to its first assignment, a wanted delay included.");
    seconds(RUN_TIME, "From the last assignment of a job that ended to its end.");
    seconds(WHOLE_TIME, "From the submit of a job to its end.");
    counter!(SUBMITTED).absolute(0);
    for state in STATES {
        counter!(ENDED, "state" => state).absolute(0);
    }
}

/// Counts so many jobs that were accepted.
pub fn jobs_submitted(jobs: u64) {
    counter!(SUBMITTED).increment(jobs);
}

/// Counts tasks that ended all together, without having run.
pub fn tasks_closed(tasks: u32, by_deadline: bool) {
    let state = if by_deadline { STATES[3] } else { STATES[2] };
    counter!(ENDED, "state" => state).increment(tasks.into());
}

/// Records how a job ended and how long it took; nothing for one that has not.
pub fn job_ended(job: &JobRecord) {
    let (state, at) = match &job.state {
        JobState::Succeeded { at } => (STATES[0], *at),
        JobState::Failed { at, .. } => (STATES[1], *at),
        JobState::Cancelled { at } => (STATES[2], *at),
        JobState::DeadlineExceeded { at, .. } => (STATES[3], *at),
        _ => return,
    };
    counter!(ENDED, "state" => state).increment(1);
    histogram!(WHOLE_TIME).record(between(job.submitted_at, at));
    // Only the last attempts are kept: the first of those is the first of all where nothing was dropped.
    if let Some(first) = job.attempts.first().filter(|first| first.number == 1) {
        histogram!(QUEUED_TIME).record(between(job.submitted_at, first.placed.at));
    }
    if let Some(last) = job.attempts.last()
        && let Course::Ended { at, .. } = last.course
    {
        histogram!(RUN_TIME).record(between(last.placed.at, at));
    }
}

fn between(from: Millis, to: Millis) -> Duration {
    Duration::from_millis(to.since(from).0)
}
