//! Nodes come, lapse and drain; an epoch that is over never returns (R15, R16).

use quorla_ledger::{
    command::{Command, RegisterNode},
    event::Event,
    ids::{Epoch, NodeId},
    limits::{Limit, NODE_SLOTS_MAX, NODES_MAX},
    outcome::Exit,
    record::{Course, JobState},
    reply::{Refusal, Rejection, Reply},
    spec::check::SpecFault,
    tables::Table,
    units::Millis,
};

use crate::{
    build::{drain, labels, plain, registration, slots, spec},
    world::World,
};

#[test]
fn a_repeated_registration_is_the_same_epoch() {
    let mut world = World::new();
    let register = Command::RegisterNode(registration(1, 5, slots(1)));
    let first = world.run(register.clone());
    let content = world.content();
    assert_eq!(world.run(register), first);
    assert_eq!(world.content(), content);
}

#[test]
fn a_late_copy_of_an_earlier_registration_ends_no_epoch() {
    let mut world = World::new();
    world.run(Command::RegisterNode(registration(1, 5, slots(1))));
    let late = Command::RegisterNode(registration(1, 4, slots(1)));
    assert_eq!(world.refused(late), Refusal::EpochIsStale, "I5");
    let newer = world.run(Command::RegisterNode(registration(1, 6, slots(1))));
    assert!(matches!(newer, Reply::NodeRegistered { .. }));
}

#[test]
fn a_new_epoch_ends_the_attempts_of_the_one_before() {
    let (mut world, node, epoch) = World::with_node(2);
    let job = world.running(plain());
    let fence = world.fence(job);
    let (same, next) = world.register(1, slots(4));
    assert_eq!(same, node);
    assert!(next > epoch);
    assert!(matches!(world.state(job), JobState::Queued { .. }));
    assert!(matches!(world.job(job).attempts[0].course, Course::Lost { .. }));
    assert_eq!(world.ledger.node(node).unwrap().free(), slots(4));
    assert!(world.events().contains(&Event::AttemptLost { job, fence }));
    let lapse = Command::LapseNode { node, epoch };
    assert_eq!(world.refused(lapse), Refusal::EpochIsStale, "the old epoch is over");
}

#[test]
fn a_lapsed_epoch_never_returns() {
    let mut world = World::new();
    let register = Command::RegisterNode(registration(1, 0, slots(1)));
    let Reply::NodeRegistered { node, epoch } = world.run(register.clone()) else { panic!("registered") };
    world.lapse(node);
    assert_eq!(world.refused(register), Refusal::EpochIsStale, "the same boot");
    assert_eq!(world.refused(Command::LapseNode { node, epoch }), Refusal::EpochIsStale, "it lapses once");
    let queued = world.queued(plain());
    assert_eq!(world.assign(queued, node), Reply::Refused(Refusal::NodeRejects(Rejection::NodeIsDown)));
    let (_, next) = world.register(1, slots(1));
    assert!(next > epoch);
}

#[test]
fn a_lapse_frees_the_node_and_queues_its_jobs() {
    let (mut world, node, epoch) = World::with_node(3);
    let jobs = [world.running(plain()), world.running(plain())];
    let stopped = world.running(plain());
    world.cancel(stopped);
    world.lapse(node);
    for job in jobs {
        assert!(matches!(world.state(job), JobState::Queued { .. }));
    }
    assert!(matches!(world.state(stopped), JobState::Cancelled { .. }), "what was to be stopped is over");
    let view = world.ledger.node(node).unwrap();
    assert_eq!((view.free(), view.held().len(), view.stopping().len()), (slots(3), 0, 0));
    assert_eq!(world.events().last(), Some(&Event::NodeLapsed { node, epoch }));
}

#[test]
fn an_unknown_node_is_refused() {
    let mut world = World::new();
    let (node, epoch) = (NodeId(9), Epoch(1));
    assert_eq!(world.refused(Command::LapseNode { node, epoch }), Refusal::NodeIsUnknown);
    let drained = drain(&world.request(), node, true);
    assert_eq!(world.refused(drained), Refusal::NodeIsUnknown);
    for command in [Command::StopDrained { node }, Command::RemoveNode { node }] {
        assert_eq!(world.refused(command), Refusal::NodeIsUnknown);
    }
}

#[test]
fn a_draining_node_takes_nothing_new_and_keeps_what_it_has() {
    let (mut world, node, _) = World::with_node(2);
    let running = world.running(plain());
    assert_eq!(world.drain(node, true), Reply::NodeDrained);
    let queued = world.queued(plain());
    assert_eq!(world.assign(queued, node), Reply::Refused(Refusal::NodeRejects(Rejection::NodeIsDraining)));
    assert!(matches!(world.state(running), JobState::Running(_)));
    world.register(1, slots(2));
    assert!(world.ledger.node(node).unwrap().record().drain.is_some(), "a restart does not end a drain");
    world.drain(node, false);
    assert_eq!(world.ledger.plan(9).len(), 2);
}

#[test]
fn an_epoch_that_is_about_to_end_takes_nothing_new_and_the_next_one_does() {
    let (mut world, node, epoch) = World::with_node(2);
    let running = world.running(plain());
    assert_eq!(world.run(Command::RetireNode { node, epoch }), Reply::NodeRetired);
    assert_eq!(world.run(Command::RetireNode { node, epoch }), Reply::NodeRetired, "again");
    let queued = world.queued(plain());
    assert_eq!(world.ledger.plan(9), []);
    assert_eq!(world.assign(queued, node), Reply::Refused(Refusal::NodeRejects(Rejection::NodeIsDraining)));
    assert!(matches!(world.state(running), JobState::Running(_)), "what it has it keeps");
    let mut report = world.report(running, Exit::GivenUp);
    report.refill = true;
    assert_eq!(world.run(Command::EndAttempt(report)), Reply::AttemptEnded { next: None });
    world.register(1, slots(2));
    assert_eq!(world.refused(Command::RetireNode { node, epoch }), Refusal::EpochIsStale, "it names another epoch");
    assert_eq!(world.ledger.plan(9).len(), 2);
}

#[test]
fn an_epoch_that_is_over_or_never_was_does_not_retire() {
    let (mut world, node, epoch) = World::with_node(1);
    world.lapse(node);
    assert_eq!(world.refused(Command::RetireNode { node, epoch }), Refusal::EpochIsStale);
    let unknown = Command::RetireNode { node: NodeId(77), epoch };
    assert_eq!(world.refused(unknown), Refusal::NodeIsUnknown);
}

#[test]
fn a_drain_that_changes_nothing_is_no_event() {
    let (mut world, node, _) = World::with_node(1);
    world.drain(node, true);
    let before = world.events().len();
    assert_eq!(world.drain(node, true), Reply::NodeDrained);
    assert_eq!(world.events().len(), before);
}

#[test]
fn a_name_belongs_to_one_node_at_a_time() {
    let mut world = World::new();
    world.register(1, slots(1));
    let mut thief = registration(2, 50, slots(1));
    thief.name = "node-1".into();
    assert_eq!(world.refused(Command::RegisterNode(thief.clone())), Refusal::NodeNameIsTaken);
    let mut renamed = registration(1, 51, slots(1));
    renamed.name = "other".into();
    world.run(Command::RegisterNode(renamed));
    assert!(matches!(world.run(Command::RegisterNode(thief)), Reply::NodeRegistered { .. }), "the name is free");
}

#[test]
fn a_registration_over_a_bound_is_refused_by_name() {
    let long = "x".repeat(1_000);
    let over = |change: fn(&mut RegisterNode, &str)| {
        let mut registration = registration(1, 1, slots(1));
        change(&mut registration, &long);
        let refusal = World::new().refused(Command::RegisterNode(registration.clone()));
        let stateless = quorla_ledger::ledger::check_stateless(&Command::RegisterNode(registration));
        assert_eq!(stateless, Err(refusal.clone()), "the proposer says the same");
        let Refusal::SpecIsInvalid(SpecFault::TooMuch { limit, .. }) = refusal else { panic!("{refusal:?}") };
        limit
    };
    assert_eq!(over(|node, long| node.name = long.into()), Limit::NameBytes);
    assert_eq!(over(|node, long| node.labels = labels(&[("zone", long)])), Limit::LabelBytes);
    assert_eq!(over(|node, _| node.labels = (0..33).map(|n| (n.to_string(), String::new())).collect()), Limit::Labels);
    assert_eq!(over(|node, _| node.capacity.slots = u32::try_from(NODE_SLOTS_MAX).unwrap() + 1), Limit::Slots);
}

#[test]
fn one_node_too_many_is_refused() {
    let mut world = World::new();
    for n in 0..NODES_MAX {
        world.apply_bytes(&[quorla_ledger::codec::encode_command(&numbered(n))]);
    }
    assert_eq!(world.count(Table::Nodes), NODES_MAX);
    assert_eq!(world.refused(numbered(NODES_MAX)), Refusal::NodesAreExhausted);
    assert!(matches!(world.run(numbered(3)), Reply::NodeRegistered { .. }), "those inside may restart");
}

fn numbered(n: usize) -> Command {
    let mut registration = registration(1, 1, slots(1));
    registration.key.0[..8].copy_from_slice(&(n as u64).to_be_bytes());
    registration.name = format!("n{n}");
    Command::RegisterNode(registration)
}

/// R8: the largest things that can happen to a full node in one command; `run` asserts the bound itself.
#[test]
fn a_full_node_ends_within_the_bound_of_one_command() {
    let count = u32::try_from(NODE_SLOTS_MAX).unwrap();
    let full = |cancelled: bool| {
        let (mut world, node, _) = World::with_node(count);
        let submits: Vec<_> = (0..count).map(|_| world.submission(plain())).collect();
        let jobs: Vec<_> = submits.iter().map(|submit| submit.request.id).collect();
        world.apply(&submits.into_iter().map(Command::Submit).collect::<Vec<_>>());
        if cancelled {
            jobs.iter().for_each(|job| assert_eq!(world.cancel(*job), Reply::Cancelled));
        }
        (world, node, jobs)
    };
    for cancelled in [false, true] {
        let (mut world, node, jobs) = full(cancelled);
        world.lapse(node);
        assert!(jobs.iter().all(|job| world.ledger.is_live(*job) != cancelled));
        let (mut world, _, jobs) = full(cancelled);
        world.register(1, slots(count));
        assert!(jobs.iter().all(|job| world.ledger.is_live(*job) != cancelled));
    }
}

/// R8 again: each place is held by the last task of an array of its own, which ends with it.
#[test]
fn a_node_full_of_stopping_arrays_ends_within_the_bound_of_one_command() {
    let count = u32::try_from(NODE_SLOTS_MAX).unwrap();
    for lapses in [true, false] {
        let (mut world, node, _) = World::with_node(count);
        let arrays: Vec<_> = (0..count).map(|_| world.submit_array(plain(), 1)).collect();
        world.plan_all();
        for array in &arrays {
            assert!(world.task(array.task(0)).unwrap().state.placed().is_some(), "every place is taken");
            assert_eq!(world.cancel(*array), Reply::Cancelled);
            world.run(Command::StopTasks { array: *array });
        }
        if lapses {
            world.lapse(node);
        } else {
            world.register(1, slots(count));
        }
        world.plan_all();
        assert!(arrays.iter().all(|array| world.array(*array).progress.ended_at().is_some()));
    }
}

#[test]
fn all_timers_of_one_command_stay_within_its_bound() {
    let count = quorla_ledger::limits::TIMERS_FIRED_MAX;
    for has_node in [false, true] {
        let mut world = World::new();
        if has_node {
            world.register(1, slots(count));
        }
        let submits = (0..count).map(|_| {
            Command::Submit(world.submission(spec(|spec| {
                spec.timeouts.attempt = Some(Millis(5));
                spec.timeouts.queue = Some(Millis(5));
            })))
        });
        let submits: Vec<_> = submits.collect();
        world.apply(&submits);
        world.pass(5);
        assert_eq!(world.fire(count), Reply::TimersFired { jobs: count, more: false });
        assert_eq!(world.ledger.live_jobs() == 0, !has_node);
    }
}

#[test]
fn a_lost_place_is_not_given_back_twice() {
    let (mut world, node, _) = World::with_node(1);
    let job = world.running(plain());
    let late = world.report(job, Exit::Code(0));
    world.lapse(node);
    world.register(1, slots(1));
    world.refused(Command::EndAttempt(late));
    assert_eq!(world.ledger.node(node).unwrap().free(), slots(1), "I7");
}
