//! A node that dies at any step of installing a snapshot: it starts again from what it had or what it got, never from less (I1, I13).

use quorla_client::{JobId, JobRequest};
use quorla_tests::disk::lines_with;
use quorla_tests::eventually::eventually_holds;
use quorla_tests::trial::{Trial, settings, with};

const SNAPSHOT_EVERY: (&str, &str) = ("QUORLA__RAFT__SNAPSHOT_EVERY", "1MiB");
const PAYLOAD_BYTES: usize = 256 << 10;
/// More entries than a log keeps below a snapshot.
const ENTRIES: usize = 1_100;
const STEPS: [&str; 5] = ["install.verified", "install.linked", "install.switched", "install.opened", "install.done"];

#[tokio::test]
async fn a_node_killed_at_any_step_of_an_install_comes_back_with_all_of_it() {
    let mut trial = Trial::start(with(settings(3), SNAPSHOT_EVERY.0, SNAPSHOT_EVERY.1)).await;
    let jobs = more_than_a_log_keeps(&trial).await;
    for step in STEPS {
        let follower = (trial.leader().await + 1) % 3;
        let before = trial.view_of(follower).await.raft_id;
        trial.node(follower).kill().await.unwrap();
        std::fs::remove_dir_all(&trial.cluster.nodes()[follower].data_dir).unwrap();
        trial.node(follower).environment(vec![
            (SNAPSHOT_EVERY.0.to_owned(), SNAPSHOT_EVERY.1.to_owned()),
            ("QUORLA_FAILPOINTS".to_owned(), format!("{step}=abort")),
        ]);
        let log = trial.cluster.nodes()[follower].log.clone();
        let died = format!("failpoint {step} ends this process");
        // One that dies before it is ready is started a second time at once, and need not die again.
        let _ = trial.cluster.restart(follower).await;
        eventually_holds("it died at that step", async || lines_with(&log, &died) > 0).await;
        trial.node(follower).environment(vec![(SNAPSHOT_EVERY.0.to_owned(), SNAPSHOT_EVERY.1.to_owned())]);
        trial.cluster.restart(follower).await.unwrap();
        trial.comes_back_anew(follower, before).await;
        trial.replicas_agree().await;
    }
    trial.all_have_one_result(&jobs).await;
    trial.stop().await;
}

/// Jobs whose entries are gone from every log, so that only a snapshot tells of them.
async fn more_than_a_log_keeps(trial: &Trial) -> Vec<JobId> {
    let mut jobs = Vec::new();
    for _ in 0..ENTRIES {
        let again = JobRequest::new(["true"]).idempotency_key("again");
        jobs.push(trial.client.submit(again).await.unwrap().job_id);
    }
    jobs.truncate(1);
    for _ in 0..16 {
        let job = JobRequest::new(["wc", "-c"]).stdin(vec![b'x'; PAYLOAD_BYTES]);
        jobs.push(trial.client.submit(job).await.unwrap().job_id);
    }
    jobs
}
