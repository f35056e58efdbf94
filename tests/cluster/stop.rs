//! Nodes that are asked to stop (SIGTERM): leadership moves, jobs go on elsewhere, nothing acknowledged is lost.

use futures::StreamExt as _;
use quorla_cli::local::{Cluster, Settings};
use quorla_client::{AttemptOutcome, JobRequest, JobState};
use quorla_tests::children;
use quorla_tests::eventually::eventually_holds;
use quorla_tests::gate::Gate;
use quorla_tests::http;
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

#[tokio::test]
async fn a_node_that_stops_is_not_ready_again() {
    let mut trial = Trial::start(settings(3)).await;
    let leader = trial.leader().await;
    let http = trial.cluster.nodes()[leader].ready().expect("the node is ready").http.clone();
    let gate = Gate::closed();
    let job = trial.client.submit(gate.job()).await.unwrap().job_id;
    // Somebody waits there, so that the node drains for a while.
    let pinned = trial.impatient(leader).await;
    let waits = tokio::spawn(async move { pinned.wait(job, None).await });
    let load = Load::start(&trial.client, 4, &JobRequest::new(["true"]));
    load.so_many_more(10).await;
    assert_eq!(readiness(&http).await, Some(200));
    let watched = futures::stream::unfold(http, |http| async { Some((readiness(&http).await?, http)) });
    let (stopped, seen) = tokio::join!(trial.node(leader).stop(), watched.collect::<Vec<u16>>());
    stopped.unwrap();
    let changes: Vec<u16> = seen.chunk_by(|one, next| one == next).map(|same| same[0]).collect();
    assert!(
        matches!(changes.as_slice(), [200, 503] | [503]),
        "it is ready, says that it stops, and is gone: {changes:?}"
    );
    // It was cut off with its node; what it waited for goes on.
    waits.abort();
    gate.open();
    let (acknowledged, errors) = load.stop().await;
    assert!(errors.is_empty(), "a patient client gets through: {errors:?}");
    trial.all_have_one_result(&acknowledged).await;
    trial.all_have_one_result(&[job]).await;
    trial.stop().await;
}

#[tokio::test]
async fn a_cluster_that_stops_as_a_whole_leaves_no_child_and_runs_its_jobs_when_it_is_back() {
    let directory = tempfile::tempdir().unwrap();
    let settings = Settings { directory: Some(directory.path().to_owned()), ..settings(3) };
    let gate = Gate::closed();
    let cluster = Cluster::start(settings.clone()).await.unwrap();
    let job = cluster.client().await.unwrap().submit(gate.job()).await.unwrap().job_id;
    eventually_holds("its child runs", async || !children::of_job(job).is_empty()).await;
    cluster.stop().await.unwrap();
    assert_eq!(children::of_job(job), Vec::<u32>::new(), "stopped nodes have no children");

    gate.open();
    let cluster = Cluster::start(settings).await.unwrap();
    let view = cluster.client().await.unwrap().wait(job, None).await.unwrap();
    assert_eq!(view.state, JobState::Succeeded, "{view:?}");
    assert!(view.attempts_total > 1, "the attempt that was cut off counts for nothing: {view:?}");
    cluster.stop().await.unwrap();
}

/// The status of `/readyz`; nothing when nobody answers any more.
async fn readiness(address: &str) -> Option<u16> {
    Some(http::get(address, "/readyz").await?.status)
}
