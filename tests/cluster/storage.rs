//! Storages that were emptied or shortened: noticed, set aside, and begun anew as another incarnation (R1, R2).

use std::path::{Path, PathBuf};

use quorla_client::JobRequest;
use quorla_tests::disk::set_aside;
use quorla_tests::eventually::eventually_holds;
use quorla_tests::trial::{Trial, settings, with};
use quorla_tests::write_ahead_log;

/// Where the state of the one group is.
const STATE: &str = "state/0";
const SNAPSHOT_EVERY: &str = "QUORLA__RAFT__SNAPSHOT_EVERY";
const PAYLOAD_BYTES: usize = 256 << 10;
/// More entries than a log keeps below a snapshot.
const ENTRIES: usize = 1_100;

#[tokio::test]
async fn a_follower_with_an_emptied_directory_comes_back_by_snapshot_as_a_new_incarnation() {
    let mut trial = Trial::start(with(settings(3), SNAPSHOT_EVERY, "1MiB")).await;
    let follower = (trial.leader().await + 1) % 3;
    let before = trial.view_of(follower).await.raft_id;
    trial.node(follower).kill().await.unwrap();
    let mut jobs = Vec::new();
    // So many entries and so many bytes that the beginning of the log is gone everywhere: only a snapshot tells of it.
    for _ in 0..ENTRIES {
        let again = JobRequest::new(["true"]).idempotency_key("again");
        jobs.push(trial.client.submit(again).await.unwrap().job_id);
    }
    jobs.truncate(1);
    for _ in 0..16 {
        let job = JobRequest::new(["wc", "-c"]).stdin(vec![b'x'; PAYLOAD_BYTES]);
        jobs.push(trial.client.submit(job).await.unwrap().job_id);
    }
    for survivor in (0..3).filter(|position| *position != follower) {
        let directory = trial.cluster.nodes()[survivor].data_dir.clone();
        eventually_holds("it has a snapshot", async || {
            count(&directory.join(STATE).join("snapshots"), "snapshot-") > 0
        })
        .await;
    }

    let directory = trial.cluster.nodes()[follower].data_dir.clone();
    std::fs::remove_dir_all(&directory).unwrap();
    trial.cluster.restart(follower).await.unwrap();
    trial.comes_back_anew(follower, before).await;
    eventually_holds("an installed state replaced its first one", async || {
        !directory.join(STATE).join("generation-1").exists() && count(&directory.join(STATE), "generation-") == 1
    })
    .await;
    trial.all_have_one_result(&jobs).await;
    trial.replicas_agree().await;
    trial.stop().await;
}

#[tokio::test]
async fn a_log_cut_short_by_one_record_is_noticed() {
    let mut trial = Trial::start(settings(3)).await;
    let jobs = trial.client.submit_many((0..20).map(|_| JobRequest::new(["true"]))).await;
    let jobs: Vec<_> = jobs.into_iter().map(|outcome| outcome.unwrap().job_id).collect();
    trial.all_have_one_result(&jobs).await;
    let follower = (trial.leader().await + 1) % 3;
    let before = trial.view_of(follower).await.raft_id;
    trial.node(follower).stop().await.unwrap();

    let directory = trial.cluster.nodes()[follower].data_dir.clone();
    assert_eq!(set_aside(&directory), Vec::<PathBuf>::new());
    write_ahead_log::cut_last_record(&directory.join("log").join("rocks"));
    trial.cluster.restart(follower).await.unwrap();
    trial.comes_back_anew(follower, before).await;
    let kept = set_aside(&directory);
    assert_eq!(kept.len(), 1, "the damaged directory is kept");
    assert!(kept[0].join("log").is_dir(), "with all that is in it");
    trial.all_have_one_result(&jobs).await;
    trial.replicas_agree().await;
    trial.stop().await;
}

/// Entries of a directory whose names begin so.
fn count(directory: &Path, prefix: &str) -> usize {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix)).count()
}
