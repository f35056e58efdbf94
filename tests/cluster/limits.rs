//! Limits of jobs as a user meets them: `oom` and what was used, and a limit that no node can enforce.

use quorla_client::{AttemptOutcome, JobRequest};
use quorla_tests::command::Shell;
use quorla_tests::gate::Gate;
use quorla_tests::left_out::{Needs, leave_out};
use quorla_tests::trial::{Trial, settings, with};
use serde_json::{Value, json};

async fn told(shell: &Shell, arguments: &[&str]) -> String {
    let output = shell.run(arguments).output().await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn over_its_memory_a_job_is_oom_and_its_neighbour_is_not() {
    let trial = Trial::start(settings(1)).await;
    if !trial.view_of(0).await.labels.contains_key("quorla.limits.memory") {
        trial.stop().await;
        return leave_out(Needs::Cgroup, "a memory limit takes a cgroup that this user may write to");
    }
    let (shell, gate) = (Shell::of(&trial), Gate::closed());
    let mut beside = gate.job();
    beside.limits.memory_bytes = Some(64 << 20);
    let beside = trial.client.submit(beside).await.unwrap().job_id;
    trial.running(beside).await;
    let ran = shell.run(&["job", "run", "--memory-limit", "16MiB", "--", "tail", "/dev/zero"]).output().await.unwrap();
    assert_eq!(ran.status.code(), Some(137), "{ran:?}");
    let info: Value = serde_json::from_str(&told(&shell, &["job", "info", "last", "-o", "json"]).await).unwrap();
    let attempt = &info["attempts"][0];
    assert_eq!((&attempt["outcome"], &attempt["signal"]), (&json!("oom"), &json!(9)), "{info}");
    assert_eq!(info["reason"], "oom: it needed more memory than limits.memory_bytes");
    assert!(attempt["usage"]["memory_bytes_max"].as_u64().unwrap() > 8 << 20, "{info}");
    assert_eq!(info["terms"]["limits"]["memory_bytes"], 16 << 20);
    let words = told(&shell, &["job", "info", "last"]).await;
    assert!(words.contains("memory limit\t16777216 bytes\n") && words.contains("\toom on "), "{words}");
    let history = told(&shell, &["job", "history", "last"]).await;
    assert!(history.contains("oom on "), "{history}");
    gate.open();
    assert_eq!(trial.ended(beside).await.attempts[0].outcome, AttemptOutcome::Succeeded);
    trial.stop().await;
}

#[tokio::test]
async fn a_limit_that_no_node_can_enforce_is_explained() {
    // Below a file no group can be made.
    let trial = Trial::start(with(settings(1), "QUORLA__RESOURCES__CGROUP", "/cgroup.procs")).await;
    let shell = Shell::of(&trial);
    let mut job = JobRequest::new(["true"]);
    job.limits.memory_bytes = Some(64 << 20);
    let job = trial.client.submit(job).await.unwrap().job_id;
    let words = told(&shell, &["job", "explain", &job.to_string()]).await;
    assert!(words.contains("needs quorla.limits.memory exists; it has no label quorla.limits.memory"), "{words}");
    let plain = trial.client.submit(JobRequest::new(["true"])).await.unwrap().job_id;
    assert_eq!(trial.ended(plain).await.attempts[0].outcome, AttemptOutcome::Succeeded);
    trial.client.cancel(job).await.unwrap();
    trial.stop().await;
}
