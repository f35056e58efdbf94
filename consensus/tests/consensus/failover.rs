//! Leaders go, minorities are cut off, nodes restart.

use std::time::Duration;

use quorla_consensus::{Lane, ProposeError, ReadError, ReadLevel, Tuning};
use quorla_ledger::reply::Reply;

use crate::cluster::{Cluster, PATIENCE, fast, key};
use crate::commands;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_the_leader() {
    let mut cluster = Cluster::of(3, fast()).await;
    for number in 0..20 {
        cluster.do_at(0, commands::register(number)).await;
    }
    let leader = cluster.position_of(cluster.leader().await);
    cluster.stop(leader).await;
    let other = (leader + 1) % 3;
    cluster.do_at(other, commands::register(100)).await;
    cluster.restart(leader).await;
    cluster.do_at(leader, commands::register(101)).await;
    cluster.assert_agreement().await;
    for node in cluster.all() {
        assert!((0..20).chain([100, 101]).all(|number| node.has(number)), "I1");
    }
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_off_leader_acknowledges_and_reads_nothing() {
    let cluster = Cluster::of(3, fast()).await;
    let old = cluster.position_of(cluster.leader().await);
    let others: Vec<_> = (0..3).filter(|position| *position != old).map(key).collect();
    cluster.network.partition(&[key(old)], &others);
    let node = cluster.node(old);
    let (round, read, proposed) = tokio::join!(
        node.consensus.quorum_round(),
        node.consensus.read(ReadLevel::Linearizable),
        node.consensus.propose(Lane::Client, commands::register(1)),
    );
    assert!(round.is_err(), "R16");
    assert!(matches!(read, Err(ReadError::NoQuorum { .. })));
    assert!(proposed.is_err());
    assert!(node.consensus.read(ReadLevel::Stale).await.is_ok());
    cluster.do_at((old + 1) % 3, commands::register(2)).await;
    cluster.network.heal();
    cluster.do_at(old, commands::register(3)).await;
    cluster.assert_agreement().await;
    assert!(cluster.all().all(|node| node.has(2) && node.has(3)));
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leadership_that_fell_silent_refuses_instead_of_leaving_unknown() {
    let cluster = Cluster::of(3, fast()).await;
    let keys = [key(0), key(1), key(2)];
    for position in 0..3 {
        cluster.network.partition(&[keys[position]], &keys[position + 1..]);
    }
    for (node, number) in cluster.all().zip(1_u64..) {
        let mut status = node.consensus.status();
        let silent = status.wait_for(|status| status.leader.is_none());
        tokio::time::timeout(PATIENCE, silent).await.unwrap().unwrap();
        let refused = node.consensus.propose(Lane::Client, commands::register(number)).await;
        assert!(matches!(refused, Err(ProposeError::NotLeader { .. })), "{refused:?}");
    }
    cluster.network.heal();
    cluster.do_at(0, commands::register(9)).await;
    cluster.assert_agreement().await;
    assert!(cluster.all().all(|node| node.has(9) && (1..=3).all(|number| !node.has(number))), "R9: not done");
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_founder_that_comes_back_alone_is_not_new() {
    let mut cluster = Cluster::of(3, fast()).await;
    assert!(cluster.node(0).consensus.is_new(), "it founded the group");
    for position in 0..3 {
        cluster.stop(position).await;
    }
    cluster.restart(0).await;
    assert!(!cluster.node(0).consensus.is_new());
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_nodes_restarted_at_once_have_everything() {
    let mut cluster = Cluster::of(3, fast()).await;
    for number in 0..50 {
        cluster.do_at(1, commands::register(number)).await;
    }
    for position in 0..3 {
        cluster.stop(position).await;
    }
    for position in 0..3 {
        cluster.restart(position).await;
    }
    cluster.do_at(2, commands::register(200)).await;
    cluster.assert_agreement().await;
    let view = cluster.node(1).consensus.read(ReadLevel::Linearizable).await.unwrap();
    assert!(view.applied_index() > 50);
    assert!(cluster.all().all(|node| (0..50).all(|number| node.has(number))));
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leadership_is_handed_over_when_asked() {
    let cluster = Cluster::of(3, fast()).await;
    let leader = cluster.leader().await;
    let target = cluster.all().find(|node| node.key != leader.key).unwrap();
    leader.consensus.transfer_leader(target.raft_id()).await.unwrap();
    let mut status = target.consensus.status();
    let leads = tokio::time::timeout(PATIENCE, status.wait_for(quorla_consensus::Status::is_leader)).await.is_ok();
    assert!(leads);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_nodes_lose_two_and_go_on() {
    let mut cluster = Cluster::of(5, fast()).await;
    let leader = cluster.position_of(cluster.leader().await);
    cluster.stop(leader).await;
    cluster.stop((leader + 1) % 5).await;
    let asked = (leader + 2) % 5;
    for number in 0..10 {
        cluster.do_at(asked, commands::register(number)).await;
    }
    cluster.restart(leader).await;
    cluster.node(leader).wait_applied(1).await;
    cluster.assert_agreement().await;
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_leader_owes_does_not_keep_a_follower_from_its_successor() {
    // Far longer than this test waits: nothing but the change of leader frees the only place for an entry in flight.
    let tuning = Tuning { entries_in_flight_max: 1, propose_timeout_ms: 3_600_000, ..fast() };
    let cluster = Cluster::of(3, tuning).await;
    let old = cluster.position_of(cluster.leader().await);
    let follower = (old + 1) % 3;
    // The stream to the leader is open before the leader falls silent, and goes on holding back what is sent on it.
    cluster.do_at(follower, commands::register(0)).await;
    let others: Vec<_> = (0..3).filter(|position| *position != old).map(key).collect();
    cluster.network.partition(&[key(old)], &others);
    let consensus = &cluster.node(follower).consensus;
    let owed = consensus.propose(Lane::Client, commands::register(1));
    let next = async {
        let mut status = consensus.status();
        let moved = status.wait_for(|status| {
            status.leader.as_ref().is_some_and(|leader| leader.node_key != key(old)) && status.queued_commands == 0
        });
        moved.await.unwrap();
        cluster.do_at(follower, commands::register(2)).await
    };
    let both = tokio::time::timeout(PATIENCE, futures::future::join(owed, next)).await;
    let (owed, next) = both.expect("room for an entry to the new leader");
    assert!(matches!(owed, Err(ProposeError::Unknown) | Ok(_)), "R9: {owed:?}");
    assert!(matches!(next, Reply::NodeRegistered { .. }), "{next:?}");
    cluster.network.heal();
    cluster.assert_agreement().await;
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_way_loss_from_the_leader_is_survived() {
    let cluster = Cluster::of(3, fast()).await;
    let old = cluster.position_of(cluster.leader().await);
    for other in (0..3).filter(|position| *position != old) {
        cluster.network.cut_one_way(key(old), key(other));
    }
    cluster.do_at((old + 1) % 3, commands::register(5)).await;
    cluster.network.heal();
    tokio::time::timeout(PATIENCE, cluster.assert_agreement()).await.unwrap();
    assert!(cluster.all().all(|node| node.has(5)));
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quorum_round_starts_after_the_call() {
    let cluster = Cluster::of(3, fast()).await;
    let leader = cluster.leader().await;
    let before = leader.consensus.quorum_round().await;
    assert!(before.is_ok());
    let others: Vec<_> = cluster.all().filter(|node| node.key != leader.key).map(|node| node.key).collect();
    cluster.network.partition(&[leader.key], &others);
    // A lease would still hold here; a round that starts now can't complete (R13, R16).
    let after = tokio::time::timeout(Duration::from_secs(30), leader.consensus.quorum_round()).await;
    assert!(matches!(after, Ok(Err(_))));
    cluster.network.heal();
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_catches_up_over_entries_larger_than_a_vote_frame() {
    let mut cluster = Cluster::of(3, fast()).await;
    let leader = cluster.position_of(cluster.leader().await);
    let behind = (leader + 1) % 3;
    cluster.assert_agreement().await;
    cluster.stop(behind).await;
    let bytes = quorla_consensus::Channel::VOTE.frame_bytes_max() + 1;
    cluster.node(leader).consensus.propose(Lane::Client, commands::noise(bytes)).await.unwrap();
    cluster.restart(behind).await;
    cluster.assert_agreement().await;
    cluster.stop_all().await;
}
