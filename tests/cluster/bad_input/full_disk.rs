//! A disk that is full or fails under log or state: the node says so and stops, the others go on, and it comes back.
//!
//! A real full disk is a small file system in memory, mounted in a mount namespace of the one node; that needs root or
//! user namespaces. The same by failpoints needs nothing.

use quorla_cli::local::Settings;
use quorla_client::{AttemptOutcome, JobId, JobRequest, JobState};
use quorla_tests::disk::lines_with;
use quorla_tests::eventually::eventually_holds;
use quorla_tests::left_out::{Needs, leave_out};
use quorla_tests::small_disk::{may_mount, with_small_disk};
use quorla_tests::trial::{Trial, settings, with};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

const VICTIM: usize = 2;
/// Of one job's input; more than a memtable of the state in a few dozen jobs.
const PAYLOAD_BYTES: usize = 1 << 20;
const JOBS_MAX: usize = 64;
const SEED: u64 = 20_811;
const STOPS: &str = "  code: node_cannot_go_on";

#[tokio::test]
async fn a_write_that_fails_stops_the_node_and_no_other() {
    let mut trial = Trial::start(settings(3)).await;
    for (point, words) in [("log.append", "write the log"), ("state.apply", "apply an entry to the state")] {
        // Stopped in order, it has little to do when it starts: what fails is of a job.
        trial.node(VICTIM).stop().await.unwrap();
        let variable = ("QUORLA_FAILPOINTS".to_owned(), format!("{point}=error@20"));
        trial.node(VICTIM).environment(vec![variable]);
        trial.cluster.restart(VICTIM).await.unwrap();
        let before = says(&trial, STOPS);
        let jobs = submit_until_it_stops(&mut trial, 16).await;
        assert_eq!(says(&trial, STOPS), before + 1, "{point}: it says that it stops");
        assert!(says(&trial, &format!("{words}: failpoint {point}")) > 0, "{point}: it says why");
        trial.node(VICTIM).environment(Vec::new());
        comes_back(&mut trial, &jobs).await;
    }
    trial.stop().await;
}

#[tokio::test]
async fn a_full_disk_under_the_log_or_the_state_stops_the_node_and_no_other() {
    if !may_mount() {
        return leave_out(Needs::Namespaces, "mounting a small disk; the failpoints show the same");
    }
    for (folder, mebibytes, words) in [("log", 6, "the log"), ("state", 12, "the state")] {
        let directory = tempfile::tempdir().unwrap();
        let mut small = unguarded(settings(3));
        small.binary = Some(with_small_disk(directory.path(), "n3", folder, mebibytes));
        let mut trial = Trial::start(small).await;
        let jobs = submit_until_it_stops(&mut trial, PAYLOAD_BYTES).await;
        assert_eq!(says(&trial, STOPS), 1, "{folder}: it says that it stops");
        assert!(says(&trial, "No space left on device") > 0 && says(&trial, words) > 0, "{folder}: it says why");
        assert!(says(&trial, "Look at the disk") > 0, "{folder}: it says what to try");
        // The small disk was the process's and is gone with it: there is room now, and nothing on it.
        std::fs::write(directory.path().join("is-healed"), "").unwrap();
        comes_back(&mut trial, &jobs).await;
        trial.stop().await;
    }
}

#[tokio::test]
async fn a_full_disk_under_output_ends_the_job_that_prints_and_no_node() {
    if !may_mount() {
        return leave_out(Needs::Namespaces, "mounting a small disk; the failpoints show the same");
    }
    let directory = tempfile::tempdir().unwrap();
    let mut small = unguarded(settings(3));
    small.binary = Some(with_small_disk(directory.path(), "n3", "output", 2));
    let mut trial = Trial::start(small).await;
    for position in [0, 1] {
        let name = trial.cluster.nodes()[position].name.clone();
        trial.client.drain_node(&name, None).await.unwrap();
    }
    let prints = |bytes: u32| JobRequest::new(["head", "-c", &bytes.to_string(), "/dev/zero"]);
    let job = trial.client.submit(prints(16 << 20)).await.unwrap().job_id;
    let view = trial.ended(job).await;
    assert_eq!((view.state, view.attempts[0].outcome), (JobState::Failed, AttemptOutcome::OutputFailed), "{view:?}");
    assert!(view.reason.as_ref().is_some_and(|reason| reason.contains("No space left on device")), "{view:?}");
    assert!(trial.node(VICTIM).runs());
    let silent = trial.client.submit(prints(0)).await.unwrap().job_id;
    trial.all_have_one_result(&[silent]).await;
    trial.stop().await;
}

/// Without the guard, which would keep the disk from getting full.
fn unguarded(settings: Settings) -> Settings {
    with(with(settings, "QUORLA__DISK__LOW_PERCENT", "0"), "QUORLA__DISK__CRITICAL_PERCENT", "0")
}

/// Submits, to whoever leads, until the node has ended by itself. Every accepted job counts.
async fn submit_until_it_stops(trial: &mut Trial, payload_bytes: usize) -> Vec<JobId> {
    // What can be compressed fills no disk.
    let mut payload = vec![0; payload_bytes];
    StdRng::seed_from_u64(SEED).fill_bytes(&mut payload);
    let mut jobs = Vec::new();
    while jobs.len() < JOBS_MAX && trial.node(VICTIM).runs() {
        let job = JobRequest::new(["true"]).stdin(payload.clone());
        jobs.push(trial.client.submit(job).await.unwrap().job_id);
    }
    eventually_holds("the node stops by itself", async || !trial.node(VICTIM).runs()).await;
    trial.all_have_one_result(&jobs).await;
    jobs
}

async fn comes_back(trial: &mut Trial, jobs: &[JobId]) {
    trial.cluster.restart(VICTIM).await.unwrap();
    trial.cluster.wait_formed().await.unwrap();
    trial.all_have_one_result(jobs).await;
    trial.replicas_agree().await;
}

/// How many lines of the victim's log have these words.
fn says(trial: &Trial, words: &str) -> usize {
    lines_with(&trial.cluster.nodes()[VICTIM].log, words)
}
