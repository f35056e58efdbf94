//! Node processes killed at once (SIGKILL), one and all (I1, I3, I13).

use quorla_client::{AttemptOutcome, JobRequest};
use quorla_tests::children;
use quorla_tests::eventually::eventually_holds;
use quorla_tests::gate::Gate;
use quorla_tests::load::Load;
use quorla_tests::trial::{Trial, settings, with_short_leases};

fn short_job() -> JobRequest {
    JobRequest::new(["sh", "-c", "sleep 0.1; echo done"])
}

#[tokio::test]
async fn a_killed_leader_costs_no_acknowledged_job() {
    let mut trial = Trial::start(with_short_leases(settings(3))).await;
    let load = Load::start(&trial.client, 12, &short_job());
    load.so_many_more(50).await;
    let leader = trial.leader().await;
    // The fault happens in the middle: with attempts on the very node.
    eventually_holds("the leader runs attempts", async || trial.view_of(leader).await.slots_used > 0).await;
    trial.node(leader).kill().await.unwrap();
    load.so_many_more(50).await;
    trial.cluster.restart(leader).await.unwrap();
    load.so_many_more(20).await;
    let (acknowledged, errors) = load.stop().await;
    assert!(errors.is_empty(), "a patient client gets through: {errors:?}");
    trial.all_have_one_result(&acknowledged).await;
    trial.replicas_agree().await;
    trial.stop().await;
}

#[tokio::test]
async fn all_nodes_killed_at_once_lose_nothing_acknowledged() {
    let mut trial = Trial::start(settings(3)).await;
    let load = Load::start(&trial.client, 12, &short_job());
    load.so_many_more(100).await;
    for position in 0..3 {
        trial.node(position).kill().await.unwrap();
    }
    for position in 0..3 {
        trial.cluster.restart(position).await.unwrap();
    }
    load.so_many_more(20).await;
    let (acknowledged, _) = load.stop().await;
    trial.all_have_one_result(&acknowledged).await;
    trial.replicas_agree().await;
    trial.stop().await;
}

#[tokio::test]
async fn children_of_a_killed_node_are_gone_and_their_jobs_run_elsewhere() {
    let mut trial = Trial::start(with_short_leases(settings(3))).await;
    let gate = Gate::closed();
    let job = trial.client.submit(gate.job()).await.unwrap().job_id;
    let victim = trial.running(job).await.node.unwrap();
    eventually_holds("its child runs", async || !children::of_attempt(job, 1).is_empty()).await;

    let position = trial.position(&victim);
    trial.node(position).kill().await.unwrap();
    eventually_holds("its child is gone", async || children::of_attempt(job, 1).is_empty()).await;
    eventually_holds("it runs again", async || !children::of_attempt(job, 2).is_empty()).await;
    gate.open();
    let view = trial.ended(job).await;
    trial.all_have_one_result(&[job]).await;
    assert_eq!(view.attempts[0].outcome, AttemptOutcome::Lost, "{view:?}");
    assert_ne!(view.node.as_ref(), Some(&victim), "{view:?}");
    trial.stop().await;
}
