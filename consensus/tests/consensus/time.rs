//! Ledger time follows the median of the voters' clocks (R7).

use crate::cluster::{Cluster, fast};
use crate::commands;

const HOUR_MS: i64 = 3_600_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_an_hour_ahead_does_not_take_the_ledger_along() {
    let cluster = Cluster::of(3, fast()).await;
    let leader = cluster.leader().await;
    cluster.do_at(0, commands::register(1)).await;
    let before = leader.consensus.inspect(quorla_ledger::Ledger::clock);
    leader.clock.shift_wall(HOUR_MS);
    for number in 2..30 {
        cluster.do_at(0, commands::register(number)).await;
    }
    let after = leader.consensus.inspect(quorla_ledger::Ledger::clock);
    assert!(after >= before);
    assert!(after.0 - before.0 < 600_000, "ledger time moved by {} ms", after.0 - before.0);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_goes_back_does_not_turn_ledger_time_back() {
    let cluster = Cluster::of(3, fast()).await;
    cluster.do_at(0, commands::register(1)).await;
    let mut last = cluster.node(0).consensus.inspect(quorla_ledger::Ledger::clock);
    for node in cluster.all() {
        node.clock.shift_wall(-HOUR_MS);
    }
    for number in 2..10 {
        cluster.do_at(0, commands::register(number)).await;
        let now = cluster.node(0).consensus.inspect(quorla_ledger::Ledger::clock);
        assert!(now >= last);
        last = now;
    }
    cluster.stop_all().await;
}
