//! The process ends at each failpoint, in a child of this test, and what it had acknowledged is there afterwards
//! (R2, R3, I1, I13).
//!
//! The child proposes one number after the other and writes each to a file once it was acknowledged.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use quorla_consensus::transport::memory::MemoryNetwork;
use quorla_consensus::{DataDirectory, FOUNDING_RAFT_ID, Identity, Lane, Tuning};
use quorla_ledger::ids::StorageId;

use crate::cluster::{Node, fast, key};
use crate::commands;

const CHILD: &str = "QUORLA_TEST_CRASH_CHILD";

fn tuning() -> Tuning {
    Tuning { log_entries_kept: 4, snapshot_log_bytes: u64::MAX, ..fast() }
}

async fn start(path: &Path) -> Node {
    let directory = DataDirectory::open(path).unwrap();
    let identity = Identity { cluster: commands::CLUSTER, storage: StorageId(1), raft_id: FOUNDING_RAFT_ID };
    directory.adopt(identity).unwrap();
    drop(directory);
    let node = Node::start(&MemoryNetwork::new(1), key(0), path, tuning()).await;
    node.consensus.found(commands::found(key(0), StorageId(1))).await.unwrap();
    node
}

/// What the child does until its failpoint ends it.
async fn child(path: &Path) {
    let node = start(&path.join("data")).await;
    let mut acknowledged =
        std::fs::OpenOptions::new().create(true).append(true).open(path.join("acknowledged")).unwrap();
    for number in 0..400_u64 {
        node.consensus.propose(Lane::Client, commands::register(number)).await.unwrap();
        acknowledged.write_all(&number.to_le_bytes()).unwrap();
        if number % 40 == 39 {
            node.consensus.snapshot().await.unwrap();
        }
        if number % 100 == 99 {
            // The mark is due once a second.
            tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_of_crash_tests() {
    if let Some(path) = std::env::var_os(CHILD) {
        child(&PathBuf::from(path)).await;
    }
}

fn run_child(path: &Path, failpoint: &str) -> std::process::ExitStatus {
    let binary = std::env::current_exe().unwrap();
    let mut command = Command::new(binary);
    command.args(["--exact", "crashes::child_of_crash_tests", "--nocapture"]);
    command.env(CHILD, path).env("QUORLA_FAILPOINTS", failpoint);
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    command.status().unwrap()
}

fn acknowledged(path: &Path) -> Vec<u64> {
    let bytes = std::fs::read(path.join("acknowledged")).unwrap_or_default();
    bytes.chunks_exact(8).map(|chunk| u64::from_le_bytes(chunk.try_into().unwrap())).collect()
}

/// Ends a process at the failpoint, several times on one directory, and looks for what it had acknowledged.
async fn check(point: &str, passes: &[u64]) {
    let root = tempfile::tempdir().unwrap();
    for pass in passes {
        let status = run_child(root.path(), &format!("{point}=abort@{pass}"));
        assert!(!status.success(), "the child was to end at {point} ({pass})");
        let node = start(&root.path().join("data")).await;
        let known = acknowledged(root.path());
        let lost: Vec<&u64> = known.iter().filter(|number| !node.has(**number)).collect();
        assert!(lost.is_empty(), "I1: {lost:?} were acknowledged before {point} ({pass})");
        node.stop().await;
    }
    assert!(!acknowledged(root.path()).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_before_a_log_write_loses_nothing() {
    check("log.append", &[30, 55]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_after_a_log_write_loses_nothing() {
    check("log.appended", &[33, 60]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_at_a_vote_loses_nothing() {
    let root = tempfile::tempdir().unwrap();
    assert!(!run_child(root.path(), "log.appended=abort@40").success());
    assert!(!run_child(root.path(), "log.vote=abort@1").success());
    let node = start(&root.path().join("data")).await;
    assert!(acknowledged(root.path()).iter().all(|number| node.has(*number)));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_at_the_mark_loses_nothing() {
    check("log.mark", &[1, 2]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_at_a_purge_loses_nothing() {
    check("log.purge", &[1, 2]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_before_or_after_apply_loses_nothing() {
    check("state.apply", &[35, 50]).await;
    check("state.applied", &[35, 50]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_while_a_snapshot_is_built_loses_nothing() {
    check("snapshot.build", &[1, 1]).await;
    check("snapshot.built", &[2, 1]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failpoint_that_is_misspelt_ends_the_process() {
    for misspelt in ["log.apend=abort@30", "log.append=abrot@30", "log.append=abort@thirty"] {
        let root = tempfile::tempdir().unwrap();
        assert!(!run_child(root.path(), misspelt).success(), "{misspelt}");
        assert!(acknowledged(root.path()).is_empty(), "{misspelt}");
    }
}

fn sources(directory: &Path, text: &mut String) {
    for file in std::fs::read_dir(directory).unwrap() {
        let path = file.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.file_name().is_some_and(|name| name != "failpoints.rs") {
            text.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_failpoint_stands_in_the_source() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut text = String::new();
    sources(&here.join("src"), &mut text);
    sources(&here.join("../actors/src"), &mut text);
    for point in quorla_consensus::failpoints::POINTS {
        assert!(text.contains(&format!("\"{point}\"")), "{point} fails nothing");
    }
}
