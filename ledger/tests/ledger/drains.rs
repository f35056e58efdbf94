//! A drain's deadline moves what runs; a node that left is forgotten.

use quorla_ledger::{
    command::{Command, DrainOrder},
    event::Event,
    ids::{JobId, NodeId},
    ledger::check_stateless,
    limits::{Limit, NODE_SLOTS_MAX, NODES_MAX},
    outcome::{Exit, StopCause},
    record::{Course, Drain, JobState},
    reply::{Refusal, Reply},
    spec::check::SpecFault,
    tables::Table,
    units::Millis,
};

use crate::{
    build::{plain, registration, retried, slots, spec},
    world::World,
};

fn within(ms: u64) -> DrainOrder {
    DrainOrder { deadline: Some(Millis(ms)), ..DrainOrder::default() }
}

fn leaving() -> DrainOrder {
    DrainOrder { leaves: true, ..DrainOrder::default() }
}

fn drain(world: &World, node: NodeId) -> Option<Drain> {
    world.ledger.node(node).unwrap().record().drain.clone()
}

/// Two nodes, and a job on the first whose drain ends in 10 ms.
fn draining(spec: quorla_ledger::spec::JobSpec) -> (World, NodeId, JobId) {
    let (mut world, node, _) = World::with_node(2);
    let job = world.running(spec);
    world.register(2, slots(2));
    assert_eq!(world.order(node, within(10)), Reply::NodeDrained);
    (world, node, job)
}

/// The deadline passes, and what ran is being stopped.
fn stopping(spec: quorla_ledger::spec::JobSpec) -> (World, NodeId, JobId) {
    let (mut world, node, job) = draining(spec);
    world.pass(10);
    assert_eq!(world.run(Command::StopDrained { node }), Reply::DrainedStopped { attempts: 1 });
    (world, node, job)
}

#[test]
fn nothing_is_stopped_before_the_deadline() {
    let (mut world, node, job) = draining(plain());
    world.pass(9);
    assert_eq!(world.ledger.node_to_clear(Millis(world.now)), None);
    assert_eq!(world.refused(Command::StopDrained { node }), Refusal::DrainIsNotDue);
    assert!(matches!(world.state(job), JobState::Running(_)));
    world.pass(1);
    assert_eq!(world.ledger.node_to_clear(Millis(world.now)), Some(node));
}

#[test]
fn what_still_runs_at_the_deadline_runs_again_elsewhere_and_costs_no_attempt() {
    for exit in [Exit::Code(0), Exit::Code(1), Exit::Signal(15), Exit::GivenUp] {
        let (mut world, node, job) = stopping(retried(1, 0));
        let fence = world.fence(job);
        assert!(matches!(world.state(job), JobState::Stopping { cause: StopCause::Drain, .. }));
        assert_eq!(world.ledger.node_to_clear(Millis(world.now)), None, "it is being stopped");
        assert_eq!(world.refused(Command::StopDrained { node }), Refusal::DrainIsNotDue);
        world.end(job, exit);
        let record = world.job(job);
        assert_eq!(
            (record.failures, record.losses, &record.state),
            (0, 0, &JobState::Queued { since: Millis(world.now) })
        );
        world.plan_all();
        assert_ne!(world.node_of(job), node);
        assert!(world.fence(job) > fence, "I4");
        world.end(job, Exit::Code(0));
        assert!(matches!(world.state(job), JobState::Succeeded { .. }));
        let accepted = world.job(job).attempts.into_iter().filter(|attempt| match &attempt.course {
            Course::Ended { stopped, end, .. } => stopped.is_none() && end.exit == Exit::Code(0),
            _ => false,
        });
        assert_eq!(accepted.count(), 1, "I3");
    }
}

#[test]
fn a_job_may_be_moved_more_often_than_it_may_be_lost() {
    let (mut world, node, _) = World::with_node(1);
    let job = world.running(plain());
    for _ in 0..20 {
        world.order(node, within(0));
        assert_eq!(world.run(Command::StopDrained { node }), Reply::DrainedStopped { attempts: 1 });
        world.end(job, Exit::Signal(15));
        world.drain(node, false);
        world.plan_all();
    }
    assert_eq!((world.job(job).attempts_made, world.job(job).losses), (21, 0));
}

#[test]
fn who_is_moved_can_still_be_cancelled() {
    let (mut world, _, job) = stopping(plain());
    assert_eq!(world.cancel(job), Reply::Cancelled);
    assert!(matches!(world.state(job), JobState::Stopping { cause: StopCause::Cancel, .. }));
    world.end(job, Exit::Signal(15));
    assert!(matches!(world.state(job), JobState::Cancelled { .. }));
}

#[test]
fn the_whole_jobs_timeout_goes_on_while_it_is_moved() {
    let (mut world, _, job) = stopping(spec(|spec| spec.timeouts.job = Some(Millis(15))));
    world.pass(20);
    world.end(job, Exit::Signal(15));
    world.fire(9);
    assert!(matches!(world.state(job), JobState::DeadlineExceeded { .. }));
}

#[test]
fn tasks_of_arrays_are_moved_as_jobs_are() {
    let (mut world, node, _) = World::with_node(2);
    let array = world.submit_array(plain(), 2);
    world.plan_all();
    world.order(node, within(0));
    assert_eq!(world.run(Command::StopDrained { node }), Reply::DrainedStopped { attempts: 2 });
    world.register(2, slots(2));
    for index in 0..2 {
        world.end_task(array.task(index), Exit::Signal(15));
    }
    world.plan_all();
    for index in 0..2 {
        let task = world.task(array.task(index)).unwrap();
        assert_ne!(task.state.placed().unwrap().node, node);
        assert_eq!((task.failures, task.losses), (0, 0));
    }
}

#[test]
fn what_is_not_said_again_stays_and_since_is_the_first_time() {
    let (mut world, node, _) = World::with_node(1);
    let (first, reason) = (Millis(world.now), Some("new disks".to_owned()));
    world.order(node, DrainOrder { reason: reason.clone(), ..within(100) });
    world.pass(10);
    world.order(node, leaving());
    let until = Some(first.after(Millis(100)));
    assert_eq!(drain(&world, node), Some(Drain { since: first, until, reason: reason.clone(), leaves: true }));
    world.order(node, within(5));
    let until = Some(Millis(world.now + 5));
    assert_eq!(drain(&world, node), Some(Drain { since: first, until, reason, leaves: true }));
    world.register(1, slots(1));
    assert_eq!(drain(&world, node).unwrap().until, until, "a restart changes nothing");
    world.drain(node, false);
    assert_eq!(drain(&world, node), None);
    assert_eq!(world.ledger.node_to_clear(Millis(u64::MAX)), None, "and its deadline is gone");
}

#[test]
fn a_drain_over_a_bound_is_refused_by_name() {
    let (mut world, node, _) = World::with_node(1);
    for (limit, order) in [
        (Limit::ReasonBytes, DrainOrder { reason: Some("x".repeat(257)), ..DrainOrder::default() }),
        (Limit::SpanMs, within(Limit::SpanMs.max() + 1)),
    ] {
        let request = world.request();
        let drain = quorla_ledger::command::DrainNode { request, node, drain: Some(order) };
        let refusal = world.refused(Command::DrainNode(drain.clone()));
        assert!(matches!(&refusal, Refusal::SpecIsInvalid(SpecFault::TooMuch { limit: over, .. }) if *over == limit));
        assert_eq!(check_stateless(&Command::DrainNode(drain)), Err(refusal));
    }
}

#[test]
fn a_node_is_forgotten_once_its_epoch_is_over_and_its_history_stays() {
    let (mut world, node, epoch) = World::with_node(1);
    let job = world.running(plain());
    assert_eq!(world.refused(Command::RemoveNode { node }), Refusal::NodeHasNotLeft);
    world.order(node, leaving());
    assert_eq!(world.refused(Command::RemoveNode { node }), Refusal::NodeHasNotLeft, "it is there");
    world.end(job, Exit::Code(0));
    world.run(Command::RetireNode { node, epoch });
    assert_eq!(world.refused(Command::RemoveNode { node }), Refusal::NodeHasNotLeft, "it may still speak");
    world.lapse(node);
    assert_eq!(world.run(Command::RemoveNode { node }), Reply::NodeRemoved);
    assert!(world.ledger.node(node).is_none());
    assert_eq!((world.count(Table::Nodes), world.events().last()), (0, Some(&Event::NodeRemoved(node))));
    assert_eq!(world.job(job).attempts[0].placed.node, node);
    let (again, _) = world.register(1, slots(1));
    assert!(again > node, "who comes back is a new node");
    assert_eq!(drain(&world, again), None);
}

#[test]
fn a_node_that_is_gone_and_does_not_leave_is_kept() {
    let (mut world, node, _) = World::with_node(1);
    world.drain(node, true);
    world.lapse(node);
    assert_eq!(world.refused(Command::RemoveNode { node }), Refusal::NodeHasNotLeft);
}

#[test]
fn nodes_that_left_make_room_for_others() {
    let mut world = World::new();
    let numbered = |n: usize| {
        let mut registration = registration(1, 1, slots(1));
        registration.key.0[..8].copy_from_slice(&(n as u64).to_be_bytes());
        registration.name = format!("n{n}");
        Command::RegisterNode(registration)
    };
    for n in 0..NODES_MAX {
        world.apply_bytes(&[quorla_ledger::codec::encode_command(&numbered(n))]);
    }
    let node: NodeId = world.ledger.nodes().next().map(|node| node.record().id).unwrap();
    assert_eq!(world.refused(numbered(NODES_MAX)), Refusal::NodesAreExhausted);
    world.order(node, leaving());
    world.lapse(node);
    world.run(Command::RemoveNode { node });
    assert!(matches!(world.run(numbered(NODES_MAX)), Reply::NodeRegistered { .. }));
}

/// R8: a full node, each place held by a task of an array of its own; `run` asserts the bound itself.
#[test]
fn a_full_node_is_cleared_within_the_bound_of_one_command() {
    let count = u32::try_from(NODE_SLOTS_MAX).unwrap();
    let (mut world, node, _) = World::with_node(count);
    for _ in 0..count {
        world.submit_array(plain(), 1);
    }
    world.plan_all();
    world.order(node, within(0));
    assert_eq!(world.run(Command::StopDrained { node }), Reply::DrainedStopped { attempts: count });
}
