//! Snapshots: built, purged behind, sent, refused when damaged, installed, found again after a restart.

use std::path::{Path, PathBuf};

use quorla_consensus::failpoints::{self, Action};
use quorla_consensus::{ReadLevel, Tuning};
use quorla_ledger::Ledger;
use quorla_ledger::defect::Defect;

use crate::cluster::{Cluster, Node, PATIENCE, fast};
use crate::commands;

fn small_logs() -> Tuning {
    Tuning { log_entries_kept: 4, snapshot_log_bytes: u64::MAX, ..fast() }
}

async fn fill(cluster: &Cluster, position: usize, numbers: std::ops::Range<u64>) {
    for number in numbers {
        cluster.do_at(position, commands::register(number)).await;
    }
}

/// Builds a snapshot on a node and waits until its log is purged behind it.
async fn snapshot_and_purge(cluster: &Cluster, position: usize) {
    let node = cluster.node(position);
    let before = node.status().purged_index;
    node.consensus.snapshot().await.unwrap();
    let mut status = node.consensus.status();
    let purged = status.wait_for(|status| status.purged_index > before);
    tokio::time::timeout(PATIENCE, purged).await.expect("the log is purged").unwrap();
}

/// Two nodes go on without the third until their logs no longer reach back to it.
async fn leave_one_behind(cluster: &mut Cluster) -> usize {
    fill(cluster, 0, 0..10).await;
    let leader = cluster.position_of(cluster.leader().await);
    let behind = (leader + 1) % 3;
    cluster.assert_agreement().await;
    cluster.stop(behind).await;
    fill(cluster, leader, 10..60).await;
    for position in (0..3).filter(|position| *position != behind) {
        snapshot_and_purge(cluster, position).await;
    }
    behind
}

async fn wait_for_snapshot(cluster: &Cluster, position: usize) {
    let mut status = cluster.node(position).consensus.status();
    let shelved = status.wait_for(|status| status.snapshot_index.is_some());
    tokio::time::timeout(PATIENCE, shelved).await.expect("a snapshot was installed").unwrap();
}

/// R5: what is in memory is what the tables say.
async fn assert_hot_state_is_rebuilt(node: &Node) {
    let view = node.consensus.read(ReadLevel::Stale).await.unwrap();
    let rebuilt = Ledger::rebuild_with(&view, Defect::None).unwrap();
    assert!(node.consensus.inspect(|hot| *hot == rebuilt), "R5: the hot state is not what its tables say");
}

fn snapshots_in(path: &Path) -> Vec<PathBuf> {
    let directory = path.join("state").join("0").join("snapshots");
    std::fs::read_dir(directory).unwrap().map(|file| file.unwrap().path()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_behind_the_purged_log_gets_a_snapshot_while_the_cluster_is_idle() {
    let mut cluster = Cluster::of(3, small_logs()).await;
    let behind = leave_one_behind(&mut cluster).await;
    cluster.restart(behind).await;
    cluster.assert_agreement().await;
    assert!((0..60).all(|number| cluster.node(behind).has(number)));
    wait_for_snapshot(&cluster, behind).await;
    assert_hot_state_is_rebuilt(cluster.node(behind)).await;
    fill(&cluster, behind, 60..70).await;
    cluster.assert_agreement().await;
    cluster.stop(behind).await;
    cluster.restart(behind).await;
    cluster.assert_agreement().await;
    assert!((0..70).all(|number| cluster.node(behind).has(number)));
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_follower_swaps_its_state_while_a_view_is_open() {
    let mut cluster = Cluster::of(3, small_logs()).await;
    let leader = cluster.position_of(cluster.leader().await);
    let behind = (leader + 1) % 3;
    fill(&cluster, leader, 0..10).await;
    cluster.assert_agreement().await;
    let view = cluster.node(behind).consensus.read(ReadLevel::Stale).await.unwrap();
    let seen = view.applied_index();
    let others: Vec<_> =
        cluster.all().filter(|node| node.key != cluster.node(behind).key).map(|node| node.key).collect();
    cluster.network.partition(&[cluster.node(behind).key], &others);
    fill(&cluster, leader, 10..40).await;
    for position in (0..3).filter(|position| *position != behind) {
        snapshot_and_purge(&cluster, position).await;
    }
    cluster.network.heal();
    cluster.assert_agreement().await;
    assert_eq!(view.applied_index(), seen);
    assert!(view.read(&quorla_ledger::tables::CLUSTER).unwrap().is_some(), "the former state is readable");
    assert!(cluster.node(behind).has(39));
    assert_hot_state_is_rebuilt(cluster.node(behind)).await;
    drop(view);
    cluster.stop(behind).await;
    cluster.restart(behind).await;
    cluster.assert_agreement().await;
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_of_log_trigger_snapshots_and_at_most_two_are_kept() {
    let tuning = Tuning { snapshot_log_bytes: 200_000, log_entries_kept: 8, ..fast() };
    let cluster = Cluster::of(1, tuning).await;
    let mut status = cluster.node(0).consensus.status();
    let mut last = 0;
    for _ in 0..4 {
        for _ in 0..25 {
            cluster.do_at(0, commands::noise(10_000)).await;
        }
        let newer = status.wait_for(|status| status.snapshot_index.unwrap_or(0) > last);
        last = tokio::time::timeout(PATIENCE, newer).await.expect("a snapshot").unwrap().snapshot_index.unwrap();
    }
    assert!(snapshots_in(&cluster.path(0)).len() <= 2);
    assert!(cluster.node(0).status().purged_index.unwrap_or(0) > 0);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_log_holds_at_a_start_counts_towards_the_next_snapshot() {
    let tuning = Tuning { snapshot_log_bytes: 200_000, log_entries_kept: 8, ..fast() };
    let mut cluster = Cluster::of(1, tuning).await;
    for _ in 0..15 {
        cluster.do_at(0, commands::noise(10_000)).await;
    }
    assert_eq!(cluster.node(0).status().snapshot_index, None);
    cluster.stop(0).await;
    cluster.restart(0).await;
    for _ in 0..10 {
        cluster.do_at(0, commands::noise(10_000)).await;
    }
    wait_for_snapshot(&cluster, 0).await;
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_snapshot_is_never_installed_as_it_is() {
    let mut cluster = Cluster::of(3, small_logs()).await;
    let behind = leave_one_behind(&mut cluster).await;
    let leader = cluster.position_of(cluster.leader().await);
    let newest = snapshots_in(&cluster.path(leader)).into_iter().max().unwrap();
    let table = std::fs::read_dir(&newest)
        .unwrap()
        .map(|file| file.unwrap().path())
        .find(|path| path.extension().is_some_and(|kind| kind == "sst"))
        .unwrap();
    // The table is a hard link of the live state's: a copy is damaged, so that only the snapshot is.
    let mut bytes = std::fs::read(&table).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::remove_file(&table).unwrap();
    std::fs::write(&table, &bytes).unwrap();
    cluster.restart(behind).await;
    fill(&cluster, leader, 60..70).await;
    cluster.node(leader).consensus.snapshot().await.unwrap();
    cluster.assert_agreement().await;
    assert!((0..70).all(|number| cluster.node(behind).has(number)));
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_build_costs_only_the_snapshot() {
    let cluster = Cluster::of(1, small_logs()).await;
    for point in ["snapshot.build", "snapshot.built"] {
        let path = cluster.path(0);
        failpoints::arm(point, &path, Action::Error, 1);
        assert!(cluster.node(0).consensus.snapshot().await.is_err());
        assert!(failpoints::fired(point, &path));
    }
    fill(&cluster, 0, 0..20).await;
    snapshot_and_purge(&cluster, 0).await;
    assert_eq!(snapshots_in(&cluster.path(0)).len(), 1);
    assert!(cluster.node(0).consensus.fatal().borrow().is_none());
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_that_breaks_is_begun_again() {
    let mut cluster = Cluster::of(3, small_logs()).await;
    let behind = leave_one_behind(&mut cluster).await;
    let leader = cluster.position_of(cluster.leader().await);
    let (sending, receiving) = (cluster.path(leader), cluster.path(behind));
    failpoints::arm("snapshot.send", &sending, Action::Error, 2);
    failpoints::arm("snapshot.receive", &receiving, Action::Error, 3);
    cluster.restart(behind).await;
    cluster.assert_agreement().await;
    assert!(failpoints::fired("snapshot.send", &sending) && failpoints::fired("snapshot.receive", &receiving));
    assert!((0..60).all(|number| cluster.node(behind).has(number)));
    cluster.stop_all().await;
}

/// Fails one step of an install, which ends the node, and starts it again.
async fn check_install_step(point: &'static str) {
    let mut cluster = Cluster::of(3, small_logs()).await;
    let behind = leave_one_behind(&mut cluster).await;
    let path = cluster.path(behind);
    failpoints::arm(point, &path, Action::Error, 1);
    cluster.restart(behind).await;
    let mut fatal = cluster.node(behind).consensus.fatal();
    let reported = tokio::time::timeout(PATIENCE, fatal.wait_for(Option::is_some)).await.is_ok();
    assert!(reported && failpoints::fired(point, &path), "{point} ends the node");
    cluster.stop(behind).await;
    failpoints::disarm(point, &path);
    cluster.restart(behind).await;
    cluster.assert_agreement().await;
    assert!((0..60).all(|number| cluster.node(behind).has(number)), "{point}");
    let generations = std::fs::read_dir(path.join("state").join("0")).unwrap();
    let generations =
        generations.filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().starts_with("generation-"));
    assert!(generations.count() <= 2, "orphans stay after {point}");
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_install_that_fails_before_the_switch_leaves_the_old_state() {
    check_install_step("install.verified").await;
    check_install_step("install.linked").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_install_that_fails_after_the_switch_leaves_the_new_state() {
    check_install_step("install.switched").await;
    check_install_step("install.opened").await;
    check_install_step("install.done").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_hash_their_content_at_one_index() {
    let cluster = Cluster::of(3, fast()).await;
    fill(&cluster, 0, 0..25).await;
    let mark = quorla_ledger::codec::encode_command(&quorla_ledger::command::Command::MarkContentHash);
    cluster.do_at(1, mark).await;
    let mut hashes = Vec::new();
    for node in cluster.all() {
        let mut status = node.consensus.status();
        let hashed = status.wait_for(|status| status.content_hash.is_some());
        let status = tokio::time::timeout(PATIENCE, hashed).await.expect("a content hash").unwrap();
        hashes.push(status.content_hash.clone().unwrap());
    }
    assert!(hashes.windows(2).all(|pair| pair[0] == pair[1]), "{hashes:?}");
    assert!(hashes[0].records > 25);
    cluster.stop_all().await;
}
