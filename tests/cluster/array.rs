//! Arrays on real clusters: one result for each task whoever dies, and the command line as a person uses it.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;

use futures::StreamExt as _;
use quorla_client::{ArrayRequest, JobId, JobRequest, JobState, ListQuery};
use quorla_tests::command::Shell;
use quorla_tests::eventually::eventually_holds;
use quorla_tests::http;
use quorla_tests::trial::{Trial, results, settings, with_short_leases};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;

const TASKS: u32 = 2_000;
const LOOKS_IN_FLIGHT: usize = 64;

#[tokio::test]
async fn every_task_has_one_result_though_the_leader_dies() {
    let mut trial = Trial::start(with_short_leases(settings(3))).await;
    let request = ArrayRequest::range(JobRequest::new(["true"]), 0, TASKS - 1);
    let array = trial.client.submit_array(request).await.unwrap().job_id;
    let ended = async |trial: &Trial| trial.client.array_status(array).await.map_or(0, |array| array.tasks.ended());
    eventually_holds("some have ended", async || ended(&trial).await > TASKS / 10).await;
    let leader = trial.leader().await;
    trial.node(leader).kill().await.unwrap();
    trial.cluster.restart(leader).await.unwrap();
    eventually_holds("all have ended", async || ended(&trial).await == TASKS).await;

    let tasks = trial.client.array_status(array).await.unwrap().tasks;
    assert_eq!((tasks.succeeded, tasks.all()), (TASKS, TASKS), "{tasks:?}");
    let mut views = futures::stream::iter(0..TASKS)
        .map(|index| trial.client.info(array.task(index).unwrap()))
        .buffer_unordered(LOOKS_IN_FLIGHT);
    let mut fences = BTreeSet::new();
    while let Some(view) = views.next().await {
        let view = view.unwrap();
        assert_eq!((view.state, results(&view)), (JobState::Succeeded, 1), "{view:?}");
        let fresh = view.attempts.iter().all(|attempt| fences.insert(attempt.fence));
        assert!(fresh, "a fence is one attempt's: {view:?}");
    }
    drop(views);
    trial.replicas_agree().await;
    trial.stop().await;
}

#[tokio::test]
async fn every_file_of_a_tree_is_compressed_by_an_array() {
    let trial = Trial::start(settings(3)).await;
    let shell = Shell::of(&trial);
    let tree = tempfile::tempdir().unwrap();
    let files: Vec<_> = (0..40).map(|number| tree.path().join(format!("file {number}.log"))).collect();
    for file in &files {
        std::fs::write(file, "a line\n".repeat(100)).unwrap();
    }
    let list: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    let submit =
        ["array", "submit", "--from-file", "-", "--max-running", "8", "--wait", "-o", "json", "--", "gzip", "{}"];
    let shown = json(&shell, &submit, &list.join("\n")).await;
    assert_eq!(shown["tasks"]["succeeded"], 40, "{shown}");
    for file in &list {
        assert!(!Path::new(file).exists() && Path::new(&format!("{file}.gz")).exists(), "{file}");
    }
    trial.stop().await;
}

#[tokio::test]
async fn tasks_are_jobs_to_every_command() {
    let trial = Trial::start(settings(1)).await;
    let shell = Shell::of(&trial);
    let script = "echo item {} index $QUORLA_ARRAY_INDEX; test $QUORLA_ARRAY_INDEX -ne 1";
    let submit = ["array", "submit", "--from-file", "-", "-o", "json", "--", "sh", "-c", script];
    let accepted = json(&shell, &submit, "one\ntwo\nthree\n").await;
    let array: JobId = accepted["array_id"].as_str().unwrap().parse().unwrap();
    let ended = trial.ended(array).await;
    assert_eq!((ended.state, ended.tasks.unwrap().failed), (JobState::Failed, 1), "{ended:?}");

    let logs = shell.run(&["job", "logs", "last/2"]).output().await.unwrap();
    assert_eq!(String::from_utf8_lossy(&logs.stdout), "item three index 2\n", "{logs:?}");
    let prefix = format!("{}/0", array.short());
    let info = json(&shell, &["job", "info", &prefix, "-o", "json"], "").await;
    assert_eq!((info["state"].as_str(), info["id"].as_str()), (Some("succeeded"), Some(&*format!("{array}/0"))));
    assert_eq!(info["command"][2], script.replace("{}", "one"));
    for command in ["wait", "history", "explain"] {
        let output = shell.run(&["job", command, "last/0"]).output().await.unwrap();
        assert!(output.status.success(), "{command}: {output:?}");
    }
    let failed = json(&shell, &["job", "list", "--array", "last", "--state", "failed", "-o", "json"], "").await;
    assert_eq!(failed["jobs"].as_array().unwrap().len(), 1, "{failed}");
    assert_eq!(failed["jobs"][0]["id"], format!("{array}/1"));
    let jobs = trial.client.list(ListQuery::default()).await.unwrap().jobs;
    assert_eq!(jobs.len(), 1, "an array is one row: {jobs:?}");

    let missing = shell.run(&["job", "info", "last/3"]).output().await.unwrap();
    assert_eq!(missing.status.code(), Some(3), "{missing:?}");
    let vague = shell.run(&["job", "logs", "last"]).output().await.unwrap();
    assert!(String::from_utf8_lossy(&vague.stderr).contains("is an array"), "{vague:?}");
    let retried = shell.run(&["array", "retry", "last", "--wait", "-o", "json"]).output().await.unwrap();
    assert_eq!(retried.status.code(), Some(10), "it fails again: {retried:?}");
    let retried: Value = serde_json::from_slice(&retried.stdout).unwrap();
    assert_eq!((&retried["tasks"]["failed"], &retried["retry_of"]), (&1.into(), &array.to_string().into()));
    let task = json(&shell, &["job", "retry", "last/1", "-o", "json"], "").await;
    let again = trial.ended(task["job_id"].as_str().unwrap().parse().unwrap()).await;
    assert_eq!(again.state, JobState::Failed, "its index went with it: {again:?}");
    trial.stop().await;
}

#[tokio::test]
async fn a_cancelled_array_stops_what_runs_and_starts_nothing_more() {
    let trial = Trial::start(settings(1)).await;
    let shell = Shell::of(&trial);
    let submit = ["array", "submit", "--tasks", "0-999999", "--max-running", "2", "-o", "id", "--", "sleep", "600"];
    let id = shell.run(&submit).output().await.unwrap();
    let array: JobId = String::from_utf8(id.stdout).unwrap().trim().parse().unwrap();
    let status = async || trial.client.array_status(array).await.unwrap().tasks;
    eventually_holds("two run", async || status().await.running == 2).await;
    let explained = shell.run(&["job", "explain", "last/999999"]).output().await.unwrap();
    assert!(String::from_utf8_lossy(&explained.stdout).contains("at most 2 tasks at once"), "{explained:?}");
    let dry = json(&shell, &["array", "cancel", "last", "--dry-run", "-o", "json"], "").await;
    assert_eq!(dry["tasks"], 1_000_000);
    let mut watch = shell.run(&["array", "status", "last", "--watch=10ms", "-o", "jsonl"]);
    let watch = watch.stdout(Stdio::piped()).spawn().unwrap();
    let cancelled = shell.run(&["array", "cancel", "last", "--reason", "enough"]).output().await.unwrap();
    assert!(cancelled.status.success(), "{cancelled:?}");
    let ended = trial.ended(array).await;
    assert_eq!((ended.state, ended.reason.as_deref()), (JobState::Cancelled, Some("enough")), "{ended:?}");
    assert_eq!(ended.tasks.unwrap().cancelled, 1_000_000);
    let watched = watch.wait_with_output().await.unwrap();
    let last = String::from_utf8(watched.stdout).unwrap().lines().last().map(str::to_owned).unwrap();
    assert!(watched.status.success() && last.contains("\"cancelled\""), "it ends with the array: {last}");
    eventually_holds("each task that ended is counted", async || ended_tasks(&trial).await == 1_000_000).await;
    let wait = shell.run(&["job", "wait", "last/5"]).output().await.unwrap();
    assert_eq!(wait.status.code(), Some(11), "{wait:?}");
    trial.stop().await;
}

/// Jobs that were cancelled, as the node counts them.
async fn ended_tasks(trial: &Trial) -> u64 {
    let http = &trial.cluster.nodes()[0].ready().expect("the node was ready").http;
    let metrics = http::get(http, "/metrics").await.map_or_else(String::new, |answer| answer.body);
    let value = metrics.lines().find_map(|line| line.strip_prefix("quorla_jobs_ended_total{state=\"cancelled\"} "));
    value.map_or(0, |value| value.parse().unwrap())
}

/// Runs a command that must succeed, with this input, and reads what it prints.
async fn json(shell: &Shell, arguments: &[&str], input: &str) -> Value {
    let mut command = shell.run(arguments).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = command.stdin.take().unwrap();
    // A command that reads none has closed it.
    stdin.write_all(input.as_bytes()).await.ok();
    drop(stdin);
    let output = command.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}
