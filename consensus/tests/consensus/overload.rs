//! Full queues refuse, and the lane of owners stays open (R21).

use futures::future::join_all;
use quorla_consensus::{Lane, ProposeError};

use crate::cluster::{Cluster, fast};
use crate::commands;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_refuses_with_a_time_and_owners_still_pass() {
    let mut tuning = fast();
    tuning.entries_in_flight_max = 1;
    let cluster = Cluster::of(1, tuning).await;
    let consensus = &cluster.node(0).consensus;
    let flood = join_all((0..80).map(|_| consensus.propose(Lane::Client, commands::noise(1 << 20))));
    let owner = async {
        tokio::task::yield_now().await;
        consensus.propose(Lane::Owner, commands::register(1)).await
    };
    let (flooded, owned) = tokio::join!(flood, owner);
    assert!(owned.is_ok(), "{owned:?}");
    let refused =
        flooded.iter().filter(|result| matches!(result, Err(ProposeError::Overloaded { retry_after_ms: 1.. })));
    assert!(refused.count() > 10);
    assert!(flooded.iter().filter(|result| result.is_ok()).count() > 10);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_is_too_large_is_refused() {
    let cluster = Cluster::of(1, fast()).await;
    let consensus = &cluster.node(0).consensus;
    let refused = consensus.propose(Lane::Client, commands::noise(3 << 20)).await;
    assert!(matches!(refused, Err(ProposeError::TooLarge { .. })));
    let large = consensus.propose(Lane::Client, commands::noise(1 << 20)).await;
    assert!(large.is_ok(), "{large:?}");
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_quorum_nothing_is_acknowledged() {
    let mut tuning = fast();
    tuning.propose_timeout_ms = 300;
    let mut cluster = Cluster::of(3, tuning).await;
    cluster.stop(0).await;
    cluster.stop(1).await;
    for number in 0..5 {
        let result = cluster.node(2).consensus.propose(Lane::Client, commands::register(number)).await;
        assert!(matches!(result, Err(ProposeError::NotLeader { .. } | ProposeError::Unknown)), "{result:?}");
    }
    cluster.stop_all().await;
}
