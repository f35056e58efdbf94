//! What ends a node is said with its reason, and nothing is acknowledged from then on (R8, R14, R22).

use quorla_consensus::failpoints::{self, Action};
use quorla_consensus::{Fatal, Lane};
use quorla_ledger::codec::encode_command;
use quorla_ledger::command::{COMMAND_VERSION, Command};
use quorla_ledger::ids::ChainHash;

use crate::cluster::{Cluster, Node, PATIENCE, fast};
use crate::commands;

/// Proposes what the node does not survive, and returns why it ended.
async fn end(node: &Node, command: Vec<u8>) -> Fatal {
    let mut fatal = node.consensus.fatal();
    let proposed = node.consensus.propose(Lane::Client, command);
    let reported = fatal.wait_for(Option::is_some);
    let (proposed, reported) = tokio::time::timeout(PATIENCE, futures::future::join(proposed, reported)).await.unwrap();
    assert!(proposed.is_err(), "R22: {proposed:?}");
    reported.unwrap().clone().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_write_of_the_log_is_not_acknowledged() {
    let cluster = Cluster::of(1, fast()).await;
    cluster.do_at(0, commands::register(1)).await;
    failpoints::arm("log.append", &cluster.path(0), Action::Error, 1);
    let fatal = end(cluster.node(0), commands::register(2)).await;
    assert!(matches!(fatal, Fatal::Log { .. }), "{fatal}");
    assert!(!cluster.node(0).has(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_of_an_unknown_version_ends_the_node() {
    let cluster = Cluster::of(1, fast()).await;
    let version = COMMAND_VERSION + 1;
    let fatal = end(cluster.node(0), vec![version, 7]).await;
    assert!(matches!(fatal, Fatal::UnknownVersion { version: found, .. } if found == version), "{fatal}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_differs_ends_and_names_both_hashes() {
    let cluster = Cluster::of(1, fast()).await;
    let node = cluster.node(0);
    while node.consensus.inspect(|ledger| ledger.meta().kept_link.0) == 0 {
        cluster.do_at(0, commands::noise(2)).await;
    }
    let (index, actual) = node.consensus.inspect(|ledger| ledger.meta().kept_link);
    let expected = ChainHash([0xEE; 32]);
    let fatal = end(node, encode_command(&Command::AssertHash { index, hash: expected })).await;
    assert_eq!(fatal, Fatal::Diverged { index, expected, actual });
}
