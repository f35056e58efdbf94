//! A network that delays and breaks streams, with commands going on: safety under faults, then everything converges.

use std::time::Duration;

use futures::future::join_all;
use quorla_consensus::Lane;
use quorla_ledger::reply::Reply;

use crate::cluster::{Cluster, fast, key};
use crate::commands;

/// Proposes numbers from one node, once each; returns those that were acknowledged.
async fn propose_from(cluster: &Cluster, position: usize, numbers: std::ops::Range<u64>) -> Vec<u64> {
    let mut acknowledged = Vec::new();
    for number in numbers {
        let proposed = cluster.node(position).consensus.propose(Lane::Client, commands::register(number)).await;
        if matches!(proposed, Ok(Reply::NodeRegistered { .. })) {
            acknowledged.push(number);
        }
    }
    acknowledged
}

async fn check_under_faults(count: usize, per_node: u64) {
    let mut tuning = fast();
    tuning.propose_timeout_ms = 2_000;
    let cluster = Cluster::of(count, tuning).await;
    cluster.network.delay(Duration::from_millis(2));
    cluster.network.drop_per_mille(5);
    let flapping = async {
        for round in 0..6 {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let cut = round % count;
            cluster.network.cut_one_way(key(cut), key((cut + 1) % count));
            tokio::time::sleep(Duration::from_millis(300)).await;
            cluster.network.mend_links();
        }
    };
    let clients = (0..count).map(|position| {
        let first = u64::try_from(position).unwrap() * 1_000;
        propose_from(&cluster, position, first..first + per_node)
    });
    let (_, acknowledged) = tokio::join!(flapping, join_all(clients));
    let harm = cluster.network.harm();
    assert!(harm.lost > 0 && harm.held > 0 && harm.delayed > harm.lost, "the network was too good: {harm:?}");
    cluster.network.heal();
    cluster.do_at(0, commands::register(9_999)).await;
    cluster.assert_agreement().await;
    let acknowledged: Vec<u64> = acknowledged.into_iter().flatten().collect();
    assert!(acknowledged.len() > 20, "too few commands succeeded to say anything: {}", acknowledged.len());
    for node in cluster.all() {
        assert!(acknowledged.iter().all(|number| node.has(*number)), "I1");
    }
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_keep_what_they_acknowledged_over_a_bad_network() {
    check_under_faults(3, 60).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_nodes_keep_what_they_acknowledged_over_a_bad_network() {
    check_under_faults(5, 30).await;
}
