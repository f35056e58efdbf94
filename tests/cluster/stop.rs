//! Nodes that are asked to stop (SIGTERM): leadership moves, jobs go on elsewhere, nothing acknowledged is lost.

use quorla_client::{AttemptOutcome, JobRequest};
use quorla_tests::children;
use quorla_tests::eventually::eventually_holds;
use quorla_tests::gate::Gate;
use quorla_tests::load::Load;
use quorla_tests::trial::{Trial, settings};

#[tokio::test]
async fn a_leader_that_stops_hands_over_and_its_jobs_run_elsewhere() {
    // Leases as long as they are by default: nobody waits for one to run out.
    let mut trial = Trial::start(settings(3)).await;
    let leader = trial.leader().await;
    let name = trial.cluster.nodes()[leader].name.clone();
    let gate = Gate::closed();
    let job = loop {
        let job = trial.client.submit(gate.job()).await.unwrap().job_id;
        if trial.running(job).await.node.as_ref() == Some(&name) {
            break job;
        }
    };
    eventually_holds("its child runs", async || !children::of_attempt(job, 1).is_empty()).await;
    trial.node(leader).stop().await.unwrap();
    assert_eq!(children::of_attempt(job, 1), Vec::<u32>::new(), "a stopped node has no children");
    let successor = trial.leader().await;
    assert_ne!(successor, leader);
    eventually_holds("the job runs again", async || !children::of_job(job).is_empty()).await;
    gate.open();
    let view = trial.ended(job).await;
    assert_ne!(view.node.as_ref(), Some(&name), "{view:?}");
    assert_ne!(view.attempts[0].outcome, AttemptOutcome::Failed, "stopping a node fails no job: {view:?}");
    trial.all_have_one_result(&[job]).await;
    trial.cluster.restart(leader).await.unwrap();
    trial.replicas_agree().await;
    trial.stop().await;
}

#[tokio::test]
async fn a_rolling_restart_under_load_loses_nothing() {
    let mut trial = Trial::start(settings(3)).await;
    let load = Load::start(&trial.client, 12, &JobRequest::new(["sh", "-c", "sleep 0.1; echo done"]));
    load.so_many_more(20).await;
    for position in 0..3 {
        trial.node(position).stop().await.unwrap();
        load.so_many_more(10).await;
        trial.cluster.restart(position).await.unwrap();
        load.so_many_more(10).await;
    }
    let (acknowledged, errors) = load.stop().await;
    assert!(errors.is_empty(), "a patient client gets through: {errors:?}");
    trial.all_have_one_result(&acknowledged).await;
    trial.replicas_agree().await;
    trial.stop().await;
}
