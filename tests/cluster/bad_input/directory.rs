//! Data directories that a node may not open: in use, of another cluster, of a newer version. None of them is touched.

use std::path::Path;
use std::process::Stdio;

use quorla_client::JobRequest;
use quorla_tests::trial::{Trial, program, settings};
use tokio::process::Command;

use super::said::Said;

#[tokio::test]
async fn a_directory_that_is_not_this_nodes_to_open_is_refused_and_left_alone() {
    let mut trial = Trial::start(settings(1)).await;
    in_use(&trial).await;
    trial.node(0).stop().await.unwrap();
    of_another_cluster(&trial).await;
    of_a_newer_format(&trial).await;
    trial.cluster.restart(0).await.unwrap();
    goes_on(&trial).await;
    trial.stop().await;
}

/// Starts the node once more, on other ports, and waits for its end.
async fn start(trial: &Trial, data_dir: &Path) -> Said {
    let node = &trial.cluster.nodes()[0];
    let mut command = Command::new(program());
    command.args(["node", "start", "--config"]).arg(&node.config);
    command.args(["--parent", &std::process::id().to_string()]);
    command.args(["--set", "node.bind=127.0.0.1:0", "--set", "http.bind=127.0.0.1:0"]);
    command.args(["--set", &format!("node.data_dir={}", data_dir.display())]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    Said::by(&mut command, b"").await
}

async fn goes_on(trial: &Trial) {
    let job = trial.client.submit(JobRequest::new(["true"])).await.unwrap().job_id;
    trial.all_have_one_result(&[job]).await;
}

async fn in_use(trial: &Trial) {
    let directory = &trial.cluster.nodes()[0].data_dir;
    let said = start(trial, directory).await;
    said.refused(
        1,
        "data_dir_locked",
        &[&directory.display().to_string(), "another process has it open", "node.data_dir"],
    );
    assert!(!said.stdout.contains("gossip") && !said.stderr.contains("gossip"), "nobody hears of it: {said:?}");
    goes_on(trial).await;
}

async fn of_another_cluster(trial: &Trial) {
    let elsewhere = tempfile::tempdir().unwrap();
    let mut other = settings(1);
    other.directory = Some(elsewhere.path().to_path_buf());
    Trial::start(other).await.stop().await;
    let directory = elsewhere.path().join("n1").join("data");
    let before = files(&directory);
    let said = start(trial, &directory).await;
    said.refused(1, "data_dir_of_another_cluster", &[&directory.display().to_string(), "belongs to cluster"]);
    assert_eq!(files(&directory), before);
    assert_eq!(files(directory.parent().unwrap()).iter().filter(|name| name.contains("refused")).count(), 0);
}

async fn of_a_newer_format(trial: &Trial) {
    let directory = &trial.cluster.nodes()[0].data_dir;
    let format = directory.join("format");
    let ours = std::fs::read_to_string(&format).unwrap();
    std::fs::write(&format, "quorla-data 99\n").unwrap();
    let before = files(directory);
    let said = start(trial, directory).await;
    said.refused(1, "data_dir_is_newer", &["its format is 99", "Start the newer version"]);
    assert_eq!(files(directory), before);
    std::fs::write(&format, ours).unwrap();
}

/// The names in a directory.
fn files(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
