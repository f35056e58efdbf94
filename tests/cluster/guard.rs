//! A disk that gets full: no new work for its node, no output, no new jobs where it leads; what runs ends all the same (R22).
//!
//! Each node has a small file system in memory of its own, from which the test takes room. That needs root or user namespaces.

use futures::StreamExt as _;
use quorla_cli::local::Settings;
use quorla_client::{
    FollowFrom, Followed, GapReason, JobId, JobRequest, JobState, NodeDisk, OutputGap, RejectionReason,
};
use quorla_tests::eventually::{eventually, eventually_holds};
use quorla_tests::http;
use quorla_tests::left_out::{Needs, leave_out};
use quorla_tests::small_disk::{leave_free, may_mount, with_small_disk};
use quorla_tests::trial::{Trial, settings, with};
use tempfile::TempDir;

/// Where each node has a disk of its own.
const STATE: &str = "state";
/// Of each node's disk: below a half it is low, below a quarter critical.
const DISK_MIB: u32 = 128;
const FINE_MIB: u64 = 100;
const LOW_MIB: u64 = 48;
const CRITICAL_MIB: u64 = 20;
const SCRIPT: &str = "for word in one two three; do echo $word; until [ -e $GATE/$word ]; do sleep 0.02; done; done";

/// Nodes with small disks; nothing where that can't be.
async fn on_small_disks() -> Option<(Trial, TempDir)> {
    if !may_mount() {
        leave_out(Needs::Namespaces, "mounting a small disk");
        return None;
    }
    let directory = tempfile::tempdir().unwrap();
    let binary = Some(with_small_disk(directory.path(), "*", STATE, DISK_MIB));
    let mut small = Settings { binary, ..settings(3) };
    for (variable, value) in [("LOW_PERCENT", "50"), ("CRITICAL_PERCENT", "25"), ("CHECK_EVERY", "100ms")] {
        small = with(small, &format!("QUORLA__DISK__{variable}"), value);
    }
    Some((Trial::start(small).await, directory))
}

async fn disk_is(trial: &Trial, position: usize, disk: NodeDisk) {
    eventually_holds(&format!("the disk of node {position} is {disk:?}"), async || {
        trial.view_of(position).await.disk == disk
    })
    .await;
}

fn leave(trial: &Trial, position: usize, mebibytes: u64) {
    leave_free(&trial.cluster.nodes()[position], STATE, mebibytes);
}

async fn metric(trial: &Trial, position: usize, name: &str) -> f64 {
    let ready = trial.cluster.nodes()[position].ready().unwrap();
    let text = http::get(&ready.http, "/metrics").await.unwrap().body;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} in {text}")).parse().unwrap()
}

async fn told(trial: &Trial, job: JobId) -> (String, Vec<OutputGap>) {
    let (mut text, mut gaps) = (String::new(), Vec::new());
    let mut following = trial.client.follow(job, FollowFrom::default());
    while let Some(followed) = following.next().await {
        match followed.unwrap() {
            Followed::Record(record) => text.push_str(&String::from_utf8_lossy(record.bytes.as_bytes())),
            Followed::Gap(gap) => gaps.push(gap),
            Followed::AttemptEnded { .. } | Followed::CaughtUp | Followed::Ended(_) => {}
        }
    }
    (text, gaps)
}

#[tokio::test]
async fn a_node_short_of_disk_gets_no_new_work_and_its_output_has_a_gap() {
    let Some((trial, directory)) = on_small_disks().await else { return };
    let victim = 2;
    for position in [0, 1] {
        trial.client.drain_node(&trial.cluster.nodes()[position].name, None).await.unwrap();
    }
    let go_on = |word: &str| std::fs::write(directory.path().join(word), "").unwrap();
    let request = JobRequest::new(["sh", "-c", SCRIPT]).env("GATE", directory.path().display().to_string());
    let prints = trial.client.submit(request).await.unwrap().job_id;
    trial.running(prints).await;
    eventually_holds("the first word is recorded", async || {
        metric(&trial, victim, "quorla_output_records_total").await >= 1.0
    })
    .await;

    leave(&trial, victim, LOW_MIB);
    disk_is(&trial, victim, NodeDisk::Low).await;
    let waits = trial.client.submit(JobRequest::new(["true"])).await.unwrap().job_id;
    let explained = trial.client.explain(waits).await.unwrap();
    let why = explained.nodes.iter().find(|node| node.node == trial.cluster.nodes()[victim].name).unwrap();
    assert_eq!((explained.job.state, why.reason), (JobState::Queued, RejectionReason::DiskLow), "{explained:?}");
    assert!(explained.why.contains("disk nearly full (1)"), "{}", explained.why);
    go_on("one");
    eventually_holds("the second word is withheld", async || {
        metric(&trial, victim, "quorla_output_withheld_bytes_total").await >= 4.0
    })
    .await;

    leave(&trial, victim, FINE_MIB);
    disk_is(&trial, victim, NodeDisk::Fine).await;
    assert_eq!(trial.ended(waits).await.state, JobState::Succeeded);
    ["two", "three"].into_iter().for_each(go_on);
    assert_eq!(trial.ended(prints).await.state, JobState::Succeeded, "what is not recorded is no error of the job");
    let (text, gaps) = told(&trial, prints).await;
    assert_eq!(text, "one\nthree\n");
    assert!(
        matches!(gaps.as_slice(), [OutputGap { from: 2, until: Some(3), reason: GapReason::DiskLow, .. }]),
        "{gaps:?}"
    );
    trial.stop().await;
}

#[tokio::test]
async fn a_leader_without_room_gives_up_and_a_majority_without_room_refuses_jobs_and_nothing_else() {
    let Some((trial, _directory)) = on_small_disks().await else { return };
    let sleeps = trial.client.submit(JobRequest::new(["sleep", "600"])).await.unwrap().job_id;
    trial.running(sleeps).await;
    let former = trial.leader().await;
    leave(&trial, former, CRITICAL_MIB);
    let leader = eventually("somebody with room leads", async || {
        let leader = trial.leader().await;
        (leader != former).then_some(leader)
    })
    .await;
    disk_is(&trial, former, NodeDisk::Critical).await;
    trial.client.submit(JobRequest::new(["true"])).await.expect("a leader with room takes jobs");

    leave(&trial, leader, CRITICAL_MIB);
    disk_is(&trial, leader, NodeDisk::Critical).await;
    assert_eq!(metric(&trial, leader, "quorla_disk_guard_level").await, 2.0);
    for position in 0..3 {
        let client = trial.impatient(position).await;
        let refused =
            eventually("each node refuses", async || client.submit(JobRequest::new(["true"])).await.err()).await;
        assert_eq!(refused.code(), "disk_is_low", "{refused}");
        assert!(refused.hint().is_some_and(|hint| hint.contains("Free space")), "{refused}");
    }
    trial.client.cancel(sleeps).await.expect("what makes room is never refused");
    assert_eq!(trial.ended(sleeps).await.state, JobState::Cancelled);

    leave(&trial, leader, FINE_MIB);
    disk_is(&trial, leader, NodeDisk::Fine).await;
    let job = trial.client.submit(JobRequest::new(["true"])).await.expect("there is a majority with room again").job_id;
    assert_eq!(trial.ended(job).await.state, JobState::Succeeded);
    leave(&trial, former, FINE_MIB);
    trial.stop().await;
}
