//! Node processes frozen past their lease (SIGSTOP) and thawed: their attempts end, and what they say later counts nothing.

use quorla_client::{AttemptOutcome, JobId, JobState};
use quorla_tests::children;
use quorla_tests::eventually::eventually_holds;
use quorla_tests::gate::Gate;
use quorla_tests::trial::{Trial, settings, with_short_leases};

#[tokio::test]
async fn a_frozen_follower_is_replaced_and_its_late_results_are_refused() {
    frozen_past_its_lease(Who::Follower).await;
}

#[tokio::test]
async fn a_frozen_leader_is_replaced_and_its_late_results_are_refused() {
    frozen_past_its_lease(Who::Leader).await;
}

#[derive(PartialEq)]
enum Who {
    Leader,
    Follower,
}

/// Two jobs on the node: one whose child never ends by itself, and one whose child ends well while its node is frozen.
async fn frozen_past_its_lease(who: Who) {
    let mut settings = with_short_leases(settings(3));
    settings.slots = Some(2);
    let mut trial = Trial::start(settings).await;
    let (kept, ending) = (Gate::closed(), Gate::closed());
    let frozen = match who {
        Who::Leader => trial.leader().await,
        Who::Follower => (trial.leader().await + 1) % 3,
    };
    let endless = on_node(&trial, &kept, frozen).await;
    let late = on_node(&trial, &ending, frozen).await;

    trial.node(frozen).freeze().unwrap();
    ending.open();
    eventually_holds("the warden kills what outlives its lease", async || children::of_attempt(endless, 1).is_empty())
        .await;
    eventually_holds("both run elsewhere", async || ran_again(&ending, late, 2) && ran_again(&kept, endless, 2)).await;
    kept.open();
    let before = [trial.ended(endless).await, trial.ended(late).await];

    trial.node(frozen).thaw().unwrap();
    eventually_holds("the node is back in a new epoch", async || {
        let view = trial.view_of(frozen).await;
        view.slots_used == 0 && !matches!(view.role, quorla_client::NodeRole::Gone)
    })
    .await;
    // A whole round through the node: what it had to say before is said.
    let after = Gate::closed();
    let fresh = on_node(&trial, &after, frozen).await;
    after.open();
    trial.ended(fresh).await;
    for before in before {
        let view = trial.client.info(before.id).await.unwrap();
        assert_eq!(view, before, "its return changes nothing");
        assert_eq!(view.state, JobState::Succeeded);
        let outcomes: Vec<_> = view.attempts.iter().map(|attempt| attempt.outcome).collect();
        assert_eq!(outcomes, [AttemptOutcome::Lost, AttemptOutcome::Succeeded], "{view:?}");
        assert_ne!(view.node, view.attempts.first().map(|attempt| attempt.node.clone()));
        let logs = trial.client.logs(view.id, None).await.unwrap();
        assert_eq!(logs.stdout.bytes.as_bytes(), b"attempt 2\n", "the result is the second attempt's");
    }
    trial.replicas_agree().await;
    trial.stop().await;
}

fn ran_again(gate: &Gate, job: JobId, attempt: u32) -> bool {
    gate.began().iter().any(|line| line.starts_with(&format!("{job} {attempt} ")))
}

/// Submits jobs of this gate until one runs on that node; the others are cancelled.
async fn on_node(trial: &Trial, gate: &Gate, position: usize) -> JobId {
    let name = trial.cluster.nodes()[position].name.clone();
    let mut elsewhere = Vec::new();
    let found = loop {
        let job = trial.client.submit(gate.job()).await.unwrap().job_id;
        eventually_holds("it begins", async || !gate.began().iter().all(|line| !line.starts_with(&job.to_string())))
            .await;
        let view = trial.client.info(job).await.unwrap();
        if view.attempts.first().map(|attempt| &attempt.node) == Some(&name) {
            break job;
        }
        elsewhere.push(job);
    };
    for job in elsewhere {
        // One that has ended meanwhile is as good.
        trial.client.cancel(job).await.ok();
        trial.ended(job).await;
    }
    found
}
