//! Why a job does not run: every node is named with its reason, as is who comes first, where it runs and how it ended.

use quorla_client::{Client, JobId, JobRequest};
use quorla_tests::command::Shell;
use quorla_tests::gate::Gate;
use quorla_tests::trial::{Trial, settings};
use serde_json::{Value, json};

#[tokio::test]
async fn a_job_that_waits_names_every_node_with_its_reason() {
    let trial = Trial::start(settings(3)).await;
    let shell = Shell::of(&trial);
    let names: Vec<&str> = trial.cluster.nodes().iter().map(|node| node.name.as_str()).collect();
    let labelled = submit(&trial.client, labelled()).await;
    no_node_has_the_label(&shell, labelled, &names).await;
    no_node_is_large_enough(&shell, submit(&trial.client, wide(JobRequest::new(["true"]), 5)).await).await;

    let gate = Gate::closed();
    let mut filling = Vec::new();
    for _ in &names {
        filling.push(submit(&trial.client, wide(gate.job(), 4)).await);
    }
    for job in &filling {
        trial.running(*job).await;
    }
    runs_somewhere(&shell, filling[0], &names).await;
    no_node_has_room(&shell, submit(&trial.client, wide(gate.job(), 2)).await, &names).await;
    gate.open();
    trial.ended(filling[0]).await;
    has_ended(&shell, filling[0]).await;
    for job in [labelled, filling[1], filling[2]] {
        // What has ended meanwhile can't be cancelled.
        trial.client.cancel(job).await.ok();
    }
    trial.stop().await;
}

async fn submit(client: &Client, job: JobRequest) -> JobId {
    client.submit(job).await.unwrap().job_id
}

fn labelled() -> JobRequest {
    let mut job = JobRequest::new(["true"]);
    job.constraints = vec!["gpu=a100".parse().unwrap()];
    job.timeouts.queue_ms = Some(3_600_000);
    job
}

fn wide(mut job: JobRequest, slots: u32) -> JobRequest {
    job.resources.slots = slots;
    job
}

async fn explained(shell: &Shell, job: JobId) -> Value {
    let output = shell.run(&["job", "explain", &job.to_string(), "-o", "json"]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn nodes(explanation: &Value) -> &[Value] {
    explanation["nodes"].as_array().unwrap()
}

async fn no_node_has_the_label(shell: &Shell, job: JobId, names: &[&str]) {
    let explanation = explained(shell, job).await;
    let rejecting: Vec<&str> = nodes(&explanation).iter().filter_map(|node| node["node"].as_str()).collect();
    assert_eq!(rejecting.len(), names.len(), "{explanation}");
    assert!(names.iter().all(|name| rejecting.contains(name)), "{explanation}");
    for node in nodes(&explanation) {
        assert_eq!((&node["reason"], &node["constraint"]), (&json!("label_differs"), &json!("gpu=a100")), "{node}");
    }
    assert_eq!(explanation["ahead"], json!({"jobs": 0, "more": false}));
    let since = explanation["since_ms"].as_u64().unwrap();
    assert_eq!(explanation["deadlines"], json!([{"timeout": "queue", "at_ms": since + 3_600_000}]));

    let output = shell.run(&["job", "explain", &job.to_string()]).output().await.unwrap();
    let words = String::from_utf8(output.stdout).unwrap();
    for name in names {
        let row = format!("{name}\tlabel_differs\tneeds gpu=a100; it has no label gpu\n");
        assert!(words.contains(&row), "{words}");
    }
}

async fn no_node_is_large_enough(shell: &Shell, job: JobId) {
    let explanation = explained(shell, job).await;
    for node in nodes(&explanation) {
        assert_eq!((&node["reason"], &node["shortage"]["total"]), (&json!("too_small"), &json!(4)), "{node}");
    }
    assert_eq!(explanation["ahead"]["jobs"], 1, "the labelled job is older: {explanation}");
}

async fn no_node_has_room(shell: &Shell, job: JobId, names: &[&str]) {
    let explanation = explained(shell, job).await;
    assert_eq!(nodes(&explanation).len(), names.len(), "{explanation}");
    for node in nodes(&explanation) {
        let shortage = json!({"resource": "slots", "needs": 2, "free": 0, "total": 4});
        assert_eq!((&node["reason"], &node["shortage"]), (&json!("too_busy"), &shortage), "{node}");
        assert_eq!(node["detail"], "slots: needs 2, free 0 of 4");
    }
}

async fn runs_somewhere(shell: &Shell, job: JobId, names: &[&str]) {
    let explanation = explained(shell, job).await;
    let node = explanation["job"]["node"].as_str().unwrap();
    assert!(names.contains(&node), "{explanation}");
    assert_eq!(explanation["why"], format!("attempt 1 runs on {node}"));
    assert_eq!(explanation["since_ms"], explanation["job"]["started_ms"]);
    assert_eq!((&explanation["ahead"], nodes(&explanation).len()), (&Value::Null, 0));
}

async fn has_ended(shell: &Shell, job: JobId) {
    let explanation = explained(shell, job).await;
    assert_eq!(explanation["job"]["state"], "succeeded");
    assert_eq!(explanation["since_ms"], explanation["job"]["ended_ms"]);
    assert_eq!(explanation["job"]["attempts"].as_array().unwrap().len(), 1);
}
