//! Leases and leaders: what is acknowledged, what lapses, what goes on.

use quorla_actors::holdings::KillHow;
use quorla_ledger::{outcome::Exit, record::JobState};

use crate::world::{SHORT_LEASE, World};

#[tokio::test]
async fn an_attempt_goes_on_through_a_change_of_leader() {
    let mut world = World::new();
    let (one, two) = (world.node(1).await, world.node(2).await);
    world.until_up(2).await;
    let jobs = [world.submit("program"), world.submit("program")];
    let attempts = [one.kind.until(|_| true).await, two.kind.until(|_| true).await];
    world.lead(two.key);
    // A third job waits for a slot: it is dispatched by the new leader.
    let third = world.submit("program");
    one.kind.finish(attempts[0].start.order.fence, Exit::Code(0));
    let next = one.kind.until(|seen| seen.start.order.job == third).await;
    one.kind.finish(next.start.order.fence, Exit::Code(0));
    two.kind.finish(attempts[1].start.order.fence, Exit::Code(0));
    for job in [jobs[0], jobs[1], third] {
        let record = world.until_job(job, |record| record.state.is_ended()).await;
        assert!(matches!(record.state, JobState::Succeeded { .. }));
        assert_eq!(record.attempts_made, 1);
    }
}

#[tokio::test]
async fn a_node_that_is_cut_off_kills_its_attempts_and_they_run_elsewhere() {
    let mut world = World::with_lease(SHORT_LEASE);
    let (one, two) = (world.node(1).await, world.node(2).await);
    world.until_up(2).await;
    let jobs = [world.submit("program"), world.submit("program")];
    let there = two.kind.until(|_| true).await;
    let here = one.kind.until(|_| true).await;
    world.cut(&two, &[&one]);
    two.kind.until(|seen| seen.kills == [KillHow::Now]).await;
    world.until_up(1).await;
    one.kind.finish(here.start.order.fence, Exit::Code(0));
    let lost = there.start.order.job;
    let again = one.kind.until(|seen| seen.start.order.job == lost).await;
    assert_eq!(again.start.number, 2);
    assert!(again.start.order.fence > there.start.order.fence);
    one.kind.finish(again.start.order.fence, Exit::Code(0));
    for job in jobs {
        let record = world.until_job(job, |record| record.state.is_ended()).await;
        assert!(matches!(record.state, JobState::Succeeded { .. }));
    }
}

#[tokio::test]
async fn a_leader_without_a_quorum_acknowledges_nothing() {
    let mut world = World::with_lease(SHORT_LEASE);
    let one = world.node(1).await;
    world.until_up(1).await;
    world.submit("program");
    one.kind.until(|_| true).await;
    world.cut(&one, &[]);
    one.kind.until(|seen| seen.kills == [KillHow::Now]).await;
}
