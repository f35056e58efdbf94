//! What a crash costs, and what a start rebuilds.

use quorla_actors::root::RestartBudget;
use quorla_ledger::{outcome::Exit, record::JobState, units::Millis};

use crate::{
    scripted::{ALWAYS_CRASHES_AGENT, CRASHES_AGENT, CRASHES_EXECUTOR},
    world::World,
};

#[tokio::test]
async fn an_executor_that_fails_costs_one_attempt() {
    let mut world = World::new();
    let node = world.node(1).await;
    let job = world.submit(CRASHES_EXECUTOR);
    let again = node.kind.until(|seen| seen.start.number == 2).await;
    node.kind.finish(again.start.order.fence, Exit::Code(0));
    let record = world.until_job(job, |record| record.state.is_ended()).await;
    assert_eq!((record.losses, record.failures), (1, 0));
}

#[tokio::test]
async fn an_agent_that_fails_begins_a_new_epoch() {
    let mut world = World::new();
    let node = world.node(1).await;
    world.until_up(1).await;
    let job = world.submit(CRASHES_AGENT);
    let again = node.kind.until(|seen| seen.start.number == 2).await;
    node.kind.finish(again.start.order.fence, Exit::Code(0));
    let record = world.until_job(job, |record| record.state.is_ended()).await;
    assert!(matches!(record.state, JobState::Succeeded { .. }));
    let epochs: Vec<_> = record.attempts.iter().map(|attempt| attempt.placed.epoch).collect();
    assert!(epochs[0] < epochs[1], "{epochs:?}");
}

#[tokio::test]
async fn an_actor_that_keeps_failing_ends_the_node() {
    let mut world = World::new();
    let budget = RestartBudget { restarts_max: 2, window: Millis(3_600_000) };
    let node = world.node_with(1, budget).await;
    world.until_up(1).await;
    world.submit(ALWAYS_CRASHES_AGENT);
    let mut actors = node.actors.lock().await.take().unwrap();
    actors.ended().await;
}
