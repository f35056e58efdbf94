//! A drained node gets nothing new while what runs there ends there; given back, it works again.

use quorla_client::{Client, JobId};
use quorla_tests::command::Shell;
use quorla_tests::gate::Gate;
use quorla_tests::trial::{Trial, settings};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};

#[tokio::test]
async fn a_drained_node_gets_nothing_new_until_it_is_given_back() {
    let trial = Trial::start(settings(1)).await;
    let shell = Shell::of(&trial);
    let name = trial.cluster.nodes()[0].name.clone();
    let (first_gate, second_gate) = (Gate::closed(), Gate::closed());
    let running = submit(&trial.client, &first_gate).await;
    trial.running(running).await;

    let drained = command(&shell, &["node", "drain", &name], 0).await;
    assert_eq!((&drained["draining"], &drained["attempts"]), (&Value::Bool(true), &Value::from(1)), "{drained}");
    command_fails(&shell, &["node", "drain", &name, "--wait", "--timeout", "1ms"], 7, "wait_timed_out").await;
    is_told_that_it_was_given_back(&trial.client, &shell, &name).await;
    command(&shell, &["node", "drain", &name], 0).await;
    let waiting = submit(&trial.client, &second_gate).await;
    let explanation = trial.client.explain(waiting).await.unwrap();
    assert_eq!(explanation.nodes[0].reason, quorla_client::RejectionReason::Draining, "{explanation:?}");

    first_gate.open();
    let idle = command(&shell, &["node", "drain", &name, "--wait"], 0).await;
    assert_eq!(idle["attempts"], 0, "{idle}");
    trial.all_have_one_result(&[running]).await;
    assert_eq!(second_gate.began(), Vec::<String>::new(), "a node that has room and drains takes nothing");

    for _ in 0..2 {
        let given_back = command(&shell, &["node", "undrain", &name], 0).await;
        assert_eq!(given_back["draining"], false, "{given_back}");
    }
    second_gate.open();
    trial.all_have_one_result(&[waiting]).await;
    command_fails(&shell, &["node", "drain", &format!("{name}x")], 3, &format!("Did you mean {name}?")).await;
    trial.stop().await;
}

async fn is_told_that_it_was_given_back(client: &Client, shell: &Shell, name: &str) {
    let mut waits = shell.run(&["node", "drain", name, "--wait"]).spawn().unwrap();
    // It says so once it waits.
    let mut said = BufReader::new(waits.stderr.take().unwrap()).lines();
    assert!(said.next_line().await.unwrap().unwrap().contains("takes no new work"));
    client.undrain_node(name, None).await.unwrap();
    assert_eq!(waits.wait().await.unwrap().code(), Some(5), "what another gave back is a conflict");
}

async fn submit(client: &Client, gate: &Gate) -> JobId {
    client.submit(gate.job()).await.unwrap().job_id
}

async fn command(shell: &Shell, words: &[&str], code: i32) -> Value {
    let output = shell.run(&[words, &["-o", "json"]].concat()).output().await.unwrap();
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

async fn command_fails(shell: &Shell, words: &[&str], code: i32, says: &str) {
    let output = shell.run(words).output().await.unwrap();
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains(says), "{output:?}");
}
