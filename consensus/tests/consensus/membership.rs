//! Storages come and go; the node is its key, the Raft id its storage (R1).

use std::collections::BTreeSet;

use quorla_consensus::transport::memory::MemoryTransport;
use quorla_consensus::{Channel, MembershipError, Peer, Transport, request_admission};

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
    let mut cluster = Cluster::of(3, fast()).await;
    let leader = cluster.position_of(cluster.leader().await);
    let (asked, member) = ((leader + 1) % 3, (leader + 2) % 3);
    let (peer, members_id) = (cluster.node(asked).peer(), cluster.node(member).raft_id());
    let before = cluster.node(asked).status().term;
    let vote = vote_frame(members_id, peer.raft_id, before + 1_000);
    let (stranger, _incoming) = cluster.network.join(key(9));
    assert_eq!(ask(&stranger, &peer, vote.clone()).await, None);
    cluster.do_at(leader, commands::register(1)).await;
    assert_eq!(cluster.node(asked).status().term, before);
    // The same frame over the member's own key is answered: it was well-formed.
    cluster.stop(member).await;
    let (itself, _incoming) = cluster.network.join(key(member));
    assert!(ask(&itself, &peer, vote).await.is_some());
    cluster.stop_all().await;
}

/// A request for a vote as a member writes it: the envelope, then openraft's request.
fn vote_frame(from: u64, to: u64, term: u64) -> bytes::Bytes {
    let (version, vote_kind) = (1, 3);
    let mut frame = vec![version, vote_kind];
    for number in [from, to, 0] {
        frame.extend_from_slice(&number.to_le_bytes());
    }
    let (vote, last_log_id, leadership_transfer) = (((term, from), false), None::<((u64, u64), u64)>, false);
    frame.extend(quorla_consensus::codec::encode(&(vote, last_log_id, leadership_transfer)).unwrap());
    frame.into()
}

/// Sends one frame on the vote channel; the answer, or nothing when the stream was ended.
async fn ask(transport: &MemoryTransport, peer: &Peer, frame: bytes::Bytes) -> Option<bytes::Bytes> {
    let mut duplex = transport.open(peer, 0, Channel::VOTE).await.unwrap();
    duplex.sink.send(frame).await.unwrap();
    tokio::time::timeout(PATIENCE, duplex.source.recv()).await.expect("an answer or an end").ok().flatten()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_without_a_meaning_end_their_stream_and_nothing_else() {
    let cluster = Cluster::of(3, fast()).await;
    let leader = cluster.leader().await;
    let follower = cluster.all().find(|node| node.key != leader.key).unwrap();
    let before = follower.status().term;
    let (transport, _incoming) = cluster.network.join(key(9));
    for channel in 0..4 {
        let channel = Channel::from_number(channel).unwrap();
        let mut duplex = transport.open(&follower.peer(), 0, channel).await.unwrap();
        duplex.sink.send(bytes::Bytes::from_static(&[0x5A; 300])).await.unwrap();
        assert!(!matches!(duplex.source.recv().await, Ok(Some(_))));
    }
    cluster.do_at(0, commands::register(1)).await;
    assert_eq!(follower.status().term, before);
    cluster.stop_all().await;
}
