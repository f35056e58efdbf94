//! What works when nothing fails.

use quorla_consensus::{Lane, ReadLevel};
use quorla_ledger::reply::Reply;
use quorla_ledger::tables;

use crate::cluster::{Cluster, fast};
use crate::commands;

fn is_registered(reply: &Reply) -> bool {
    matches!(reply, Reply::NodeRegistered { .. })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_single_node_founds_proposes_and_reads() {
    let cluster = Cluster::of(1, fast()).await;
    let node = cluster.node(0);
    let reply = node.consensus.propose(Lane::Client, commands::register(1)).await.unwrap();
    assert!(is_registered(&reply), "{reply:?}");
    let view = node.consensus.read(ReadLevel::Linearizable).await.unwrap();
    assert!(view.read(&tables::CLUSTER).unwrap().is_some());
    assert!(node.has(1));
    assert!(node.consensus.quorum_round().await.is_ok());
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_agree_whoever_is_asked() {
    let cluster = Cluster::of(3, fast()).await;
    for number in 0..30 {
        let reply = cluster.do_at(usize::try_from(number % 3).unwrap(), commands::register(number)).await;
        assert!(is_registered(&reply), "{reply:?}");
    }
    cluster.assert_agreement().await;
    for node in cluster.all() {
        assert!((0..30).all(|number| node.has(number)));
        let view = node.consensus.read(ReadLevel::Linearizable).await.unwrap();
        assert!(view.applied_index() > 30);
    }
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_of_one_call_get_their_replies_in_order() {
    let cluster = Cluster::of(3, fast()).await;
    let commands = vec![commands::register(1), commands::noise(40), commands::register(2)];
    for position in 0..3 {
        let replies = cluster.node(position).consensus.propose_many(Lane::Owner, commands.clone()).await.unwrap();
        assert_eq!(replies.len(), 3);
        assert!(is_registered(&replies[0]) && is_registered(&replies[2]), "{replies:?}");
        assert!(matches!(replies[1], Reply::Refused(_)));
    }
    cluster.stop_all().await;
}
