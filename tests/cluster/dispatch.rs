//! An assignment is a record, and the message that tells of it only a hint: it may be lost, alone or with its leader (R15).

use quorla_tests::eventually::eventually;
use quorla_tests::gate::Gate;
use quorla_tests::trial::{Trial, settings, with};

#[tokio::test]
async fn a_job_assigned_by_a_leader_that_died_before_sending_it_runs_once() {
    // Every node ends when it is about to send a start for the first time, so each successor dies there as well.
    let armed = with(settings(3), "QUORLA_FAILPOINTS", "dispatch.start=abort");
    let mut trial = Trial::start(armed).await;
    for position in 0..3 {
        trial.node(position).environment(Vec::new());
    }
    let gate = Gate::closed();
    gate.open();
    let job = trial.client.submit(gate.job()).await.unwrap().job_id;
    let mut deaths = 0;
    let view = eventually("the job ends", async || {
        deaths += restart_the_dead(&mut trial).await;
        trial.client.wait(job, Some(100)).await.ok()
    })
    .await;
    // One may have died while the client waited, and the job have ended by the next leader.
    deaths += restart_the_dead(&mut trial).await;
    assert!(deaths >= 1, "no leader died: {view:?}");
    assert_eq!(gate.began().len(), 1, "nothing was sent before the deaths: {:?}", gate.began());
    trial.all_have_one_result(&[job]).await;
    trial.replicas_agree().await;
    trial.stop().await;
}

/// Starts the nodes again that have died, and says how many.
async fn restart_the_dead(trial: &mut Trial) -> usize {
    let mut dead = 0;
    for position in 0..3 {
        if !trial.node(position).runs() {
            dead += 1;
            trial.cluster.restart(position).await.unwrap();
        }
    }
    dead
}

#[tokio::test]
async fn a_job_whose_start_was_lost_on_its_way_runs_once() {
    let trial = Trial::start(with(settings(3), "QUORLA_FAILPOINTS", "dispatch.start=error")).await;
    let gate = Gate::closed();
    gate.open();
    let jobs = [trial.client.submit(gate.job()).await.unwrap().job_id];
    trial.all_have_one_result(&jobs).await;
    assert_eq!(gate.began().len(), 1, "{:?}", gate.began());
    trial.stop().await;
}
