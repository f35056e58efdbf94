//! Snapshots that can't be written, and snapshots that lie damaged on the disk of whoever sends them.

use std::fs;
use std::path::{Path, PathBuf};

use quorla_client::{JobId, JobRequest, ListQuery};
use quorla_tests::disk::lines_with;
use quorla_tests::eventually::eventually_holds;
use quorla_tests::trial::{Trial, settings, with};

/// More entries than a log keeps below a snapshot, and so many bytes that there are several snapshots.
const JOBS: usize = 2_600;
const PAYLOAD_BYTES: usize = 2 << 10;
/// Later than any test runs.
const IN_A_DAY_MS: u64 = 86_400_000;

#[tokio::test]
async fn a_snapshot_that_fails_costs_nothing_and_a_damaged_one_is_never_installed() {
    let settings = with(settings(3), "QUORLA__RAFT__SNAPSHOT_EVERY", "1MiB");
    let mut trial = Trial::start(with(settings, "QUORLA_FAILPOINTS", "snapshot.build=error@1")).await;
    let jobs = fill(&trial).await;
    for node in trial.cluster.nodes() {
        eventually_holds("a snapshot failed, and the node went on", async || {
            lines_with(&node.log, "a snapshot failed, the log is kept") > 0
        })
        .await;
        eventually_holds("later ones are there", async || !snapshots(&node.data_dir).is_empty()).await;
    }
    damaged_ones_are_not_installed(&mut trial).await;
    assert_eq!(known(&trial).await, jobs.len(), "nothing is lost");
    trial.stop().await;
}

/// Jobs that wait until tomorrow: each an entry, and no process.
async fn fill(trial: &Trial) -> Vec<JobId> {
    let not_before_ms = Some(quorla_client::clock::wall_ms() + IN_A_DAY_MS);
    let job = |_| {
        let job = JobRequest::new(["true"]).stdin(vec![b'x'; PAYLOAD_BYTES]);
        let submit = trial.client.submit(JobRequest { not_before_ms, ..job });
        async move { submit.await.unwrap().job_id }
    };
    let mut jobs = Vec::new();
    for _ in 0..JOBS / 2 {
        // Two at once are hardly ever one entry.
        let (one, other) = futures::join!(job(()), job(()));
        jobs.extend([one, other]);
    }
    jobs
}

async fn known(trial: &Trial) -> usize {
    let mut known = 0;
    let mut query = ListQuery::default();
    loop {
        let page = trial.client.list(query.clone()).await.unwrap();
        known += page.jobs.len();
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return known,
        }
    }
}

async fn damaged_ones_are_not_installed(trial: &mut Trial) {
    let follower = (trial.leader().await + 1) % 3;
    let former = trial.view_of(follower).await.raft_id;
    trial.node(follower).kill().await.unwrap();
    let others: Vec<usize> = (0..3).filter(|position| *position != follower).collect();
    for position in &others {
        for snapshot in snapshots(&trial.cluster.nodes()[*position].data_dir) {
            damage(&snapshot);
        }
    }
    fs::remove_dir_all(&trial.cluster.nodes()[follower].data_dir).unwrap();
    trial.cluster.restart(follower).await.unwrap();
    // A mark that came with the snapshot is not hashed: it is set when the node votes again.
    trial.comes_back_anew(follower, former).await;
    trial.replicas_agree().await;
    let noticed = |position: &usize| {
        let log = &trial.cluster.nodes()[*position].log;
        lines_with(log, "a snapshot is damaged on this disk, another one is built") > 0
    };
    assert!(others.iter().any(noticed), "the damage was met");
}

fn snapshots(data: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(data.join("state/0/snapshots")).into_iter().flatten().flatten();
    let finished = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("snapshot-"));
    finished.map(|entry| entry.path()).collect()
}

/// One bit of one table file, and not of the state, which shares the file.
fn damage(snapshot: &Path) {
    let files = fs::read_dir(snapshot).unwrap().flatten().map(|entry| entry.path());
    let table = files.filter(|path| path.extension().is_some_and(|ending| ending == "sst")).max().unwrap();
    let mut bytes = fs::read(&table).unwrap();
    bytes[50] ^= 1;
    fs::remove_file(&table).unwrap();
    fs::write(&table, bytes).unwrap();
}
