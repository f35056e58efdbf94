//! Nodes in the hands of operators: drained by a deadline, labelled, looked at, and let go.

use quorla_cli::local::Settings;
use quorla_client::{AttemptOutcome, DrainTerms, JobRequest, JobState};
use quorla_tests::command::Shell;
use quorla_tests::eventually::eventually_holds;
use quorla_tests::gate::Gate;
use quorla_tests::trial::{Trial, results, settings, with_short_leases};
use serde_json::{Value, json};

/// Runs a command that exits like this, and gives what it printed, on both streams.
async fn told(shell: &Shell, words: &[&str], code: i32) -> String {
    let output = shell.run(words).output().await.unwrap();
    assert_eq!(output.status.code(), Some(code), "{words:?}: {output:?}");
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

async fn info(shell: &Shell, node: &str) -> Value {
    serde_json::from_str(&told(shell, &["node", "info", node, "-o", "json"], 0).await).unwrap()
}

/// A job that only nodes take whose label `here` an operator set.
fn bound(gate: &Gate) -> JobRequest {
    let mut job = gate.job();
    job.constraints = vec!["here=yes".parse().unwrap()];
    job
}

#[tokio::test]
async fn a_deadline_moves_what_runs_though_the_leader_dies() {
    // With leases as they are: a short one would run out before there is another leader.
    let mut trial = Trial::start(settings(3)).await;
    let (shell, gate) = (Shell::of(&trial), Gate::closed());
    let leader = trial.leader().await;
    let names: Vec<String> = trial.cluster.nodes().iter().map(|node| node.name.clone()).collect();
    for name in names.iter().filter(|name| **name != names[leader]) {
        told(&shell, &["node", "label", name, "here=yes"], 0).await;
    }
    let job = trial.client.submit(bound(&gate)).await.unwrap().job_id;
    let node = trial.running(job).await.node.unwrap();
    let drain = ["node", "drain", &node, "--deadline", "2s", "--reason", "new disks"];
    let drained = told(&shell, &drain, 0).await;
    assert!(drained.contains("moves what runs at ") && drained.contains("new disks"), "{drained}");
    trial.node(leader).kill().await.unwrap();

    eventually_holds("it runs elsewhere", async || {
        let view = trial.client.info(job).await.unwrap();
        view.state == JobState::Running && view.node.as_ref() != Some(&node)
    })
    .await;
    let work = trial.client.node_work(&node).await.unwrap();
    assert_eq!((work.draining, work.attempts), (true, 0), "{work:?}");
    gate.open();
    let ended = trial.ended(job).await;
    assert_eq!((ended.state, results(&ended)), (JobState::Succeeded, 1), "one attempt was allowed: {ended:?}");
    assert_eq!(ended.attempts[0].outcome, AttemptOutcome::Moved, "{ended:?}");
    let list = told(&shell, &["node", "list"], 0).await;
    assert!(list.contains("draining since ") && list.contains(": new disks"), "{list}");
    trial.cluster.restart(leader).await.unwrap();
    trial.replicas_agree().await;
    trial.stop().await;
}

#[tokio::test]
async fn deadline_nought_moves_at_once_and_undrain_takes_a_deadline_back() {
    let trial = Trial::start(settings(1)).await;
    let (shell, gate) = (Shell::of(&trial), Gate::closed());
    let name = trial.cluster.nodes()[0].name.clone();
    let job = trial.client.submit(gate.job()).await.unwrap().job_id;
    trial.running(job).await;
    told(&shell, &["node", "drain", &name, "--deadline", "1h"], 0).await;
    told(&shell, &["node", "undrain", &name], 0).await;
    assert_eq!(info(&shell, &name).await["node"]["drain"], Value::Null);
    told(&shell, &["node", "drain", &name, "--deadline", "0", "--wait"], 0).await;
    let waits = trial.client.info(job).await.unwrap();
    assert_eq!((waits.state, waits.attempts_total), (JobState::Queued, 1), "{waits:?}");
    let explained = told(&shell, &["job", "explain", &job.to_string()], 0).await;
    assert!(
        explained.contains("it is drained since ") && explained.contains("; what ran there is moved"),
        "{explained}"
    );
    told(&shell, &["node", "undrain", &name], 0).await;
    gate.open();
    assert_eq!(trial.ended(job).await.attempts_total, 2);
    trial.stop().await;
}

#[tokio::test]
async fn a_label_lets_a_waiting_job_start_and_survives_a_restart() {
    let mut trial = Trial::start(with_short_leases(settings(1))).await;
    let (shell, gate) = (Shell::of(&trial), Gate::closed());
    gate.open();
    let name = trial.cluster.nodes()[0].name.clone();
    let job = trial.client.submit(bound(&gate)).await.unwrap().job_id;
    assert_eq!(trial.client.info(job).await.unwrap().state, JobState::Queued);
    let labels = told(&shell, &["node", "label", &name, "here=yes", "rack=7"], 0).await;
    assert!(labels.contains("here\tyes\toperator\n"), "{labels}");
    assert_eq!(trial.ended(job).await.state, JobState::Succeeded);

    trial.cluster.restart(0).await.unwrap();
    let again = trial.client.submit(bound(&gate)).await.unwrap().job_id;
    assert_eq!(trial.ended(again).await.state, JobState::Succeeded);
    assert_eq!(info(&shell, &name).await["operator_labels"], json!({"here": "yes", "rack": "7"}));
    let labels = told(&shell, &["node", "label", &name, "rack-", "-o", "json"], 0).await;
    assert_eq!(serde_json::from_str::<Value>(&labels).unwrap()["operator_labels"], json!({"here": "yes"}));
    let refused = told(&shell, &["node", "label", &name, "quorla.run-as=any"], 2).await;
    assert!(refused.contains("only nodes themselves set"), "{refused}");
    let unknown = told(&shell, &["node", "label", "nobody", "a=b"], 3).await;
    assert!(unknown.contains("there is no node \"nobody\""), "{unknown}");
    trial.stop().await;
}

#[tokio::test]
async fn one_node_is_shown_with_what_runs_there_and_what_it_could_take() {
    let trial = Trial::start(settings(1)).await;
    let (shell, gate) = (Shell::of(&trial), Gate::closed());
    let name = trial.cluster.nodes()[0].name.clone();
    let mut job = gate.job().name("wide");
    job.resources.slots = 3;
    let job = trial.client.submit(job).await.unwrap().job_id;
    trial.running(job).await;
    let shown = info(&shell, &name).await;
    assert_eq!((&shown["state"], &shown["lease"], &shown["attempts"]), (&json!("up"), &json!(true), &json!(1)));
    let slots = |of: &str| shown[of]["slots"].as_u64();
    assert_eq!(["capacity", "used", "free", "fits"].map(slots), [Some(4), Some(3), Some(1), Some(1)], "{shown}");
    let running = &shown["running"][0];
    assert_eq!((&running["job"], &running["name"]), (&json!(job.to_string()), &json!("wide")), "{shown}");
    assert_eq!(running["resources"]["slots"], 3);
    let words = told(&shell, &["node", "info", &name], 0).await;
    for row in ["state\tup\n", "lease\tholds\n", "used\t3 slots, ", "largest job now\t1 slot, ", "\twide\t1\t"] {
        assert!(words.contains(row), "{row:?} is not in {words}");
    }
    trial.client.drain_node(&name, None).await.unwrap();
    let words = told(&shell, &["node", "info", &name], 0).await;
    assert!(words.contains("largest job now\tnone: it is draining\n"), "{words}");
    gate.open();
    trial.ended(job).await;
    let near = told(&shell, &["node", "info", &format!("{name}x")], 3).await;
    assert!(near.contains(&format!("Did you mean {name}?")), "{near}");
    trial.stop().await;
}

#[tokio::test]
async fn a_node_that_left_is_forgotten_and_a_voter_stays() {
    let two = Settings { voters: Some(1), ..with_short_leases(settings(2)) };
    let mut trial = Trial::start(two).await;
    let (shell, gate) = (Shell::of(&trial), Gate::closed());
    let voter = trial.leader().await;
    let leaver = 1 - voter;
    let names: Vec<String> = trial.cluster.nodes().iter().map(|node| node.name.clone()).collect();
    let refused = told(&shell, &["node", "leave", &names[voter]], 5).await;
    assert!(refused.contains("votes on the ledger") && refused.contains("code: node_votes"), "{refused}");

    told(&shell, &["node", "label", &names[leaver], "here=yes"], 0).await;
    let job = trial.client.submit(bound(&gate)).await.unwrap().job_id;
    assert_eq!(trial.running(job).await.node.as_ref(), Some(&names[leaver]));
    told(&shell, &["node", "label", &names[voter], "here=yes"], 0).await;
    let left = told(&shell, &["node", "leave", &names[leaver], "--deadline", "0", "--wait"], 0).await;
    assert!(left.contains("is forgotten once nothing runs there and its process has stopped"), "{left}");
    assert_eq!(info(&shell, &names[leaver]).await["state"], "leaving", "its process has not stopped");
    trial.node(leaver).stop().await.unwrap();
    eventually_holds("it is forgotten", async || {
        let nodes = trial.client.nodes().await.unwrap();
        nodes.iter().all(|node| node.name != names[leaver])
    })
    .await;
    told(&shell, &["node", "info", &names[leaver]], 3).await;
    gate.open();
    let ended = trial.ended(job).await;
    assert_eq!((ended.attempts_total, results(&ended)), (2, 1), "its history stays: {ended:?}");
    let terms = DrainTerms { leaves: true, ..DrainTerms::default() };
    assert_eq!(trial.client.drain_node_on(&names[leaver], terms, None).await.unwrap_err().code(), "not_found");
    trial.stop().await;
}
