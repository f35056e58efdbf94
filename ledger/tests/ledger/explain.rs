//! I16: every job that has not ended says what it waits for.

use quorla_ledger::{
    explain::{Ahead, Waiting},
    ids::JobId,
    limits::AHEAD_COUNTED_MAX,
    outcome::{Exit, StopCause},
    reply::{Lack, Rejection},
    spec::LabelTest,
    units::Millis,
};

use crate::{
    build::{bound_to, plain, retried, slots, spec, urgent, wide},
    world::{DAWN, World},
};

fn check(world: &World, job: JobId, expected: Option<&Waiting>) {
    assert_eq!(world.ledger.why_waiting(job, &world.tables).as_ref(), expected);
}

#[test]
fn a_pausing_job_waits_for_a_time() {
    let (mut world, ..) = World::with_node(1);
    let until = Millis(DAWN + 50);
    let delayed = world.submit(spec(|spec| spec.not_before = Some(until)));
    check(&world, delayed, Some(&Waiting::Until(until)));
    let backing_off = world.running(retried(2, 50));
    world.end(backing_off, Exit::Code(1));
    check(&world, backing_off, Some(&Waiting::Until(until)));
}

#[test]
fn a_placed_job_waits_for_its_attempt() {
    let (mut world, ..) = World::with_node(1);
    let job = world.running(plain());
    let placed = *world.state(job).placed().unwrap();
    check(&world, job, Some(&Waiting::Attempt(placed)));
    world.cancel(job);
    check(&world, job, Some(&Waiting::Stop(placed, StopCause::Cancel)));
}

#[test]
fn a_queued_job_names_every_node_and_its_reason() {
    let mut world = World::new();
    let narrow = world.queued(plain());
    check(&world, narrow, Some(&Waiting::Place(vec![])));
    let nodes: Vec<_> = (1..=4).map(|n| world.register(n, slots(1)).0).collect();
    check(&world, narrow, Some(&Waiting::Planner(nodes[0])));
    let labelled = world.queued(bound_to("gpu", LabelTest::Exists));
    world.drain(nodes[1], true);
    world.lapse(nodes[2]);
    world.assign(narrow, nodes[0]);
    let differs = Rejection::LabelsDiffer { label: "gpu".into() };
    let reasons = |first: Rejection, fourth: Rejection| {
        let reasons = [first, Rejection::NodeIsDraining, Rejection::NodeIsDown, fourth];
        Waiting::Place(nodes.iter().copied().zip(reasons).collect())
    };
    check(&world, labelled, Some(&reasons(differs.clone(), differs)));
    let wide = world.queued(wide(2));
    let too_small = Rejection::TooSmall(Lack::Slots(1));
    check(&world, wide, Some(&reasons(too_small.clone(), too_small)));
    world.running(plain());
    let narrow = world.queued(plain());
    let too_busy = Rejection::TooBusy(Lack::Slots(1));
    check(&world, narrow, Some(&reasons(too_busy.clone(), too_busy)));
}

#[test]
fn an_ended_job_waits_for_nothing() {
    let (mut world, ..) = World::with_node(1);
    let succeeded = world.running(plain());
    world.end(succeeded, Exit::Code(0));
    let failed = world.running(plain());
    world.end(failed, Exit::Code(1));
    let cancelled = world.running(plain());
    world.cancel(cancelled);
    world.end(cancelled, Exit::GivenUp);
    let expired = world.submit(spec(|spec| {
        spec.not_before = Some(Millis(DAWN + 9));
        spec.timeouts.job = Some(Millis(1));
    }));
    world.pass(1);
    world.fire(1);
    for job in [succeeded, failed, cancelled, expired, JobId(1)] {
        check(&world, job, None);
    }
}

#[test]
fn jobs_of_every_demand_that_come_first_are_counted() {
    let mut world = World::new();
    let first = world.queued(plain());
    let wide = world.queued(wide(2));
    let late = world.queued(urgent(10));
    let urgent = world.queued(urgent(90));
    for (job, jobs) in [(urgent, 0), (first, 1), (wide, 2), (late, 3)] {
        assert_eq!(world.ledger.ahead_of(job), Some(Ahead { jobs, more: false }));
    }
    assert_eq!(world.ledger.ahead_of(JobId(1)), None);
}

#[test]
fn jobs_that_come_first_are_counted_up_to_a_bound() {
    let mut world = World::new();
    for _ in 0..AHEAD_COUNTED_MAX {
        world.queued(plain());
    }
    let at_the_bound = world.queued(plain());
    let beyond = world.queued(plain());
    for (job, more) in [(at_the_bound, false), (beyond, true)] {
        assert_eq!(world.ledger.ahead_of(job), Some(Ahead { jobs: AHEAD_COUNTED_MAX, more }));
    }
}
