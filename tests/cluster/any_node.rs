//! Any node answers any client: a follower shows what was written through it, and every node knows of the others.

use quorla_client::{Client, JobRequest, JobState, ReadLevel};
use quorla_tests::eventually::{eventually, eventually_holds};
use quorla_tests::trial::{Trial, settings};

/// Writes through one follower; each would be seen too early without a word from the leader.
const WRITES: usize = 10;

#[tokio::test]
async fn a_follower_answers_as_well_as_the_leader() {
    let trial = Trial::start(settings(3)).await;
    let leader = trial.leader().await;
    let follower = trial.pinned((leader + 1) % 3).await;
    a_write_through_a_follower_is_there_once_it_is_answered(&follower).await;
    a_queued_job_says_what_it_waits_for(&follower).await;
    every_node_tells_of_itself(&trial, &follower).await;
    trial.replicas_agree().await;
    trial.stop().await;
}

async fn a_write_through_a_follower_is_there_once_it_is_answered(follower: &Client) {
    let here = follower.reading(ReadLevel::Stale);
    let delayed = JobRequest { not_before_ms: Some(follower.server_ms() + 3_600_000), ..JobRequest::new(["true"]) };
    for _ in 0..WRITES {
        let job = follower.submit(delayed.clone()).await.unwrap().job_id;
        let view = here.info(job).await.expect("the follower has applied what it has answered");
        assert_eq!(view.state, JobState::Delayed);
        let cancelled = follower.cancel(job).await.unwrap();
        assert_eq!(cancelled.state, JobState::Cancelled, "nothing has to be stopped");
        assert_eq!(here.info(job).await.unwrap().state, JobState::Cancelled);
    }
}

async fn a_queued_job_says_what_it_waits_for(follower: &Client) {
    let mut nowhere = JobRequest::new(["true"]);
    nowhere.constraints = vec!["zone=nowhere".parse().unwrap()];
    let job = follower.submit(nowhere).await.unwrap().job_id;
    let view = follower.info(job).await.unwrap();
    assert_eq!(view.state, JobState::Queued);
    let reason = view.reason.expect("a queued job has a reason");
    assert_eq!(reason, "no node can take it now: label zone does not fit (3)");
    follower.cancel(job).await.unwrap();
}

async fn every_node_tells_of_itself(trial: &Trial, follower: &Client) {
    let nodes = eventually("all nodes are linked", async || {
        let nodes = follower.nodes().await.ok()?;
        nodes.iter().all(|node| node.rss_bytes.is_some()).then_some(nodes)
    })
    .await;
    for (node, process) in nodes.iter().zip(trial.cluster.nodes()) {
        let ready = process.ready().expect("the node was ready once");
        assert_eq!((&node.name, node.http_address.as_ref()), (&ready.name, Some(&ready.http)));
    }
    eventually_holds("the status knows as much", async || {
        follower.status().await.is_ok_and(|status| status.nodes.iter().all(|node| node.rss_bytes.is_some()))
    })
    .await;
}
