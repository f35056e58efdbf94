//! The processes of jobs, found by what their agents put into their environment.

use std::fs;

use quorla_client::JobId;

/// The processes of one attempt that run now, its shells and their children alike.
#[must_use]
pub fn of_attempt(job: JobId, attempt: u32) -> Vec<u32> {
    having(&[format!("QUORLA_JOB_ID={job}"), format!("QUORLA_ATTEMPT={attempt}")])
}

/// The processes of a job that run now, of whichever attempt.
#[must_use]
pub fn of_job(job: JobId) -> Vec<u32> {
    having(&[format!("QUORLA_JOB_ID={job}")])
}

/// The processes whose environment holds all of these variables. One that has ended and was not reaped has none.
#[must_use]
pub fn having(variables: &[String]) -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("Linux has /proc").flatten();
    let processes = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    processes.filter(|process| has(*process, variables)).collect()
}

fn has(process: u32, variables: &[String]) -> bool {
    // A process that ends while it is looked at is not there.
    let environment = fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
    let has = |wanted: &String| environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes());
    variables.iter().all(has)
}
