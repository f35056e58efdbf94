//! Storages come and go; the node is its key, the Raft id its storage (R1).

use std::collections::BTreeSet;

use quorla_consensus::{MembershipError, request_admission};

use crate::cluster::{Cluster, Node, PATIENCE, fast, key};
use crate::commands;

async fn wait_for_voters(cluster: &Cluster, wanted: &BTreeSet<u64>) {
    for node in cluster.all() {
        let mut status = node.consensus.status();
        let waiting = status.wait_for(|status| {
            !status.is_joint && status.voters.iter().map(|peer| peer.raft_id).collect::<BTreeSet<u64>>() == *wanted
        });
        tokio::time::timeout(PATIENCE, waiting).await.expect("these voters").unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emptied_node_comes_back_as_a_new_storage_and_can_replace_the_old_one() {
    let mut cluster = Cluster::of(3, fast()).await;
    for number in 0..20 {
        cluster.do_at(0, commands::register(number)).await;
    }
    let leader = cluster.position_of(cluster.leader().await);
    let emptied = (leader + 1) % 3;
    let old = cluster.node(emptied).raft_id();
    cluster.stop(emptied).await;
    std::fs::remove_dir_all(cluster.path(emptied)).unwrap();
    cluster.join(emptied, 1).await;
    let new = cluster.node(emptied).raft_id();
    assert_ne!(old, new, "a storage id is never used again");
    cluster.replace(old, new).await;
    let wanted = cluster.all().map(Node::raft_id).collect();
    wait_for_voters(&cluster, &wanted).await;
    cluster.assert_agreement().await;
    assert!((0..20).all(|number| cluster.node(emptied).has(number)));
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asking_for_admission_again_gives_the_same_id() {
    let cluster = Cluster::of(2, fast()).await;
    let (transport, _incoming) = cluster.network.join([0x77; 32]);
    let storage = quorla_ledger::ids::StorageId(77);
    let mut ids = BTreeSet::new();
    for position in [0, 1, 0] {
        let member = cluster.node(position).peer();
        let group = cluster.node(position).consensus.group();
        let admission = request_admission(&transport, &member, group, storage, String::new()).await.unwrap();
        ids.insert(admission.raft_id);
    }
    assert_eq!(ids.len(), 1);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_caught_up_learners_are_promoted_and_only_by_the_leader() {
    let cluster = Cluster::of(3, fast()).await;
    let leader = cluster.leader().await;
    let stranger = leader.consensus.promote(BTreeSet::from([12_345])).await;
    assert!(matches!(stranger, Err(MembershipError::NotCaughtUp { raft_id: 12_345 })));
    let follower = cluster.all().find(|node| node.key != leader.key).unwrap();
    let refused = follower.consensus.promote(BTreeSet::from([follower.raft_id()])).await;
    assert!(matches!(refused, Err(MembershipError::NotLeader { leader: Some(_) })));
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_voter_can_be_removed() {
    let cluster = Cluster::of(3, fast()).await;
    let leader = cluster.leader().await;
    let removed = cluster.all().find(|node| node.key != leader.key).unwrap();
    leader.consensus.remove(removed.raft_id()).await.unwrap();
    let remaining: BTreeSet<u64> = cluster.all().map(Node::raft_id).filter(|id| *id != removed.raft_id()).collect();
    let voters = |node: &Node| node.status().voters.iter().map(|peer| peer.raft_id).collect::<BTreeSet<u64>>();
    let mut status = leader.consensus.status();
    let waiting = status.wait_for(|status| status.voters.len() == 2 && !status.is_joint);
    tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap();
    assert_eq!(voters(leader), remaining);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_with_a_members_id_is_not_answered() {
    let cluster = Cluster::of(3, fast()).await;
    let leader = cluster.leader().await;
    let follower = cluster.all().find(|node| node.key != leader.key).unwrap();
    let before = follower.status().term;
    // Random bytes on every channel of an accepted stream end that stream and nothing else.
    let (transport, _incoming) = cluster.network.join(key(9));
    for channel in 0..4 {
        let channel = quorla_consensus::Channel::from_number(channel).unwrap();
        let peer = follower.peer();
        let opened = quorla_consensus::Transport::open(&transport, &peer, 0, channel).await;
        let mut duplex = opened.unwrap();
        duplex.sink.send(bytes::Bytes::from_static(&[0x5A; 300])).await.unwrap();
        assert!(!matches!(duplex.source.recv().await, Ok(Some(_))));
    }
    cluster.do_at(0, commands::register(1)).await;
    assert_eq!(follower.status().term, before);
    cluster.stop_all().await;
}
