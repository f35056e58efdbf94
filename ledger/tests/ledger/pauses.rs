//! What is paused does not start, whatever happens meanwhile, and goes on when it is let go on.

use quorla_ledger::{
    command::{Command, Request},
    event::Event,
    explain::Waiting,
    ids::{JobId, NodeId},
    limits::{Limit, OVERTAKINGS_MAX, QUEUES_PAUSED_MAX},
    outcome::{Deadline, Exit},
    record::JobState,
    reply::{Refusal, Reply},
    spec::{JobSpec, check::SpecFault},
    tables::Table,
    units::Millis,
};

use crate::{
    build::{ALICE, plain, retried, slots, spec, wide},
    world::World,
};

fn in_queue(queue: &str) -> JobSpec {
    spec(|spec| spec.queue = queue.into())
}

fn why(world: &World, job: JobId) -> Option<Waiting> {
    world.ledger.why_waiting(job, &world.tables)
}

/// Runs out whatever can start, and says how the job stands.
fn after_planning(world: &mut World, job: JobId) -> JobState {
    world.plan_all();
    world.state(job)
}

#[test]
fn a_paused_job_waits_until_it_is_resumed() {
    let (mut world, ..) = World::with_node(1);
    let first = world.running(plain());
    let job = world.queued(plain());
    assert_eq!(world.pause(job, true), Reply::PauseIsSet);
    world.end(first, Exit::Code(0));
    assert!(matches!(after_planning(&mut world, job), JobState::Queued { .. }));
    assert_eq!(why(&world, job), Some(Waiting::Resume));
    let refill = world.running(plain());
    let report = quorla_ledger::command::EndAttempt { refill: true, ..world.report(refill, Exit::Code(0)) };
    assert_eq!(world.run(Command::EndAttempt(report)), Reply::AttemptEnded { next: None }, "no refill either");
    assert_eq!(world.assign(job, NodeId(1)), Reply::Refused(Refusal::JobIsNotQueued));
    assert_eq!(world.pause(job, false), Reply::PauseIsSet);
    assert!(matches!(after_planning(&mut world, job), JobState::Running(_)));
    let told: Vec<Event> =
        world.events().into_iter().filter(|event| matches!(event, Event::JobPaused { .. })).collect();
    assert_eq!(told, [true, false].map(|paused| Event::JobPaused { job, paused }));
}

#[test]
fn timers_run_out_while_a_job_is_paused_and_it_still_waits() {
    let (mut world, ..) = World::with_node(1);
    let until = Millis(world.now + 1_000);
    let delayed = world.submit(spec(|spec| spec.not_before = Some(until)));
    let failing = world.running(retried(2, 500));
    world.end(failing, Exit::Code(1));
    for job in [delayed, failing] {
        assert_eq!(world.pause(job, true), Reply::PauseIsSet);
    }
    world.pass(1_000);
    world.fire(9);
    for job in [delayed, failing] {
        assert!(matches!(after_planning(&mut world, job), JobState::Queued { .. }), "{:?}", world.state(job));
    }
}

#[test]
fn deadlines_of_queue_and_job_go_on_counting() {
    let (mut world, ..) = World::with_node(1);
    world.pause_queue("batch", true);
    let queue = world.queued(spec(|spec| (spec.queue, spec.timeouts.queue) = ("batch".into(), Some(Millis(100)))));
    world.pause_queue("batch", false);
    world.pause(queue, true);
    world.pause_queue("batch", true);
    let whole = world.queued(spec(|spec| (spec.queue, spec.timeouts.job) = ("batch".into(), Some(Millis(100)))));
    world.pass(100);
    world.fire(9);
    for (job, which) in [(queue, Deadline::Queue), (whole, Deadline::Job)] {
        let JobState::DeadlineExceeded { deadline, .. } = world.state(job) else { panic!("{:?}", world.state(job)) };
        assert_eq!(deadline, which);
    }
}

#[test]
fn a_running_job_is_held_after_its_attempt() {
    let (mut world, ..) = World::with_node(1);
    let ends_well = world.running(plain());
    world.pause(ends_well, true);
    world.end(ends_well, Exit::Code(0));
    assert!(matches!(world.state(ends_well), JobState::Succeeded { .. }));
    let fails = world.running(retried(3, 0));
    world.pause(fails, true);
    world.end(fails, Exit::Code(1));
    assert!(matches!(after_planning(&mut world, fails), JobState::Queued { .. }));
    let lost = world.running(plain());
    world.pause(lost, true);
    world.lapse(NodeId(1));
    world.register(1, slots(1));
    assert!(matches!(after_planning(&mut world, lost), JobState::Queued { .. }));
    world.pause(lost, false);
    assert!(matches!(after_planning(&mut world, lost), JobState::Running(_)));
}

#[test]
fn a_paused_array_starts_no_task_and_lets_the_others_run() {
    let (mut world, ..) = World::with_node(2);
    let array = world.submit_array(retried(2, 0), 4);
    world.plan_all();
    assert_eq!(world.counts(array).running, 2);
    assert_eq!(world.pause(array, true), Reply::PauseIsSet);
    world.end_task(array.task(0), Exit::Code(0));
    world.end_task(array.task(1), Exit::Code(1));
    world.plan_all();
    let counts = world.counts(array);
    assert_eq!((counts.running, counts.queued, counts.waiting), (0, 1, 2), "not even a second attempt");
    assert_eq!(why(&world, array), Some(Waiting::Resume));
    assert_eq!(why(&world, array.task(3)), Some(Waiting::Resume));
    assert_eq!(world.assign(array, NodeId(1)), Reply::Refused(Refusal::JobIsNotQueued));
    world.pause(array, false);
    world.plan_all();
    assert_eq!(world.counts(array).running, 2);
    let request = world.request();
    let task = Command::PauseJob { request, job: array.task(3), paused: true, reason: None };
    assert_eq!(world.refused(task), Refusal::TaskIsOfAnArray);
}

#[test]
fn nothing_of_a_paused_queue_starts_and_others_pass_it() {
    let (mut world, ..) = World::with_node(1);
    let before = world.running(in_queue("batch"));
    let waiting = world.queued(in_queue("batch"));
    assert_eq!(world.pause_queue("batch", true), Reply::PauseIsSet);
    world.end(before, Exit::Code(0));
    let later = world.queued(in_queue("batch"));
    let array = world.submit_array(in_queue("batch"), 3);
    world.plan_all();
    for job in [waiting, later] {
        assert!(matches!(world.state(job), JobState::Queued { .. }), "submits are accepted, and wait");
        assert!(matches!(why(&world, job), Some(Waiting::Queue(pause)) if pause.by == ALICE));
        assert_eq!(world.assign(job, NodeId(1)), Reply::Refused(Refusal::JobIsNotQueued));
    }
    assert!(matches!(why(&world, array.task(1)), Some(Waiting::Queue(_))));
    assert_eq!(world.assign(array, NodeId(1)), Reply::Refused(Refusal::JobIsNotQueued));
    let other = world.running(in_queue("quick"));
    assert_eq!(world.ledger.ahead_of(later), None, "nobody comes before who may not start");
    world.end(other, Exit::Code(0));
    assert!(!world.ledger.has_lines(), "nobody is looked at");
    assert_eq!(world.count(Table::Queues), 1);
    world.pause_queue("batch", false);
    assert_eq!(world.count(Table::Queues), 0, "what goes on has no record");
    assert!(matches!(after_planning(&mut world, waiting), JobState::Running(_)));
}

#[test]
fn pausing_gives_back_the_nodes_that_were_kept_free() {
    for of_queue in [false, true] {
        let (mut world, node, _) = World::with_node(4);
        let small = world.running(plain());
        let large = world.queued(spec(|spec| (spec.queue, spec.demand) = ("batch".into(), wide(4).demand)));
        for _ in 0..OVERTAKINGS_MAX {
            let job = world.running(plain());
            world.end(job, Exit::Code(0));
        }
        world.queued(plain());
        assert_eq!(world.job(large).reserved, Some(node));
        let reply = if of_queue { world.pause_queue("batch", true) } else { world.pause(large, true) };
        assert_eq!((reply, world.job(large).reserved), (Reply::PauseIsSet, None));
        world.plan_all();
        let next = world.submit(plain());
        assert!(matches!(after_planning(&mut world, next), JobState::Running(_)), "nobody waits for {node:?}");
        world.end(small, Exit::Code(0));
    }
}

#[test]
fn a_pause_is_asked_for_once() {
    let (mut world, ..) = World::with_node(1);
    let _runs = world.running(plain());
    let job = world.queued(plain());
    let named = |world: &mut World| Request { key: Some("hold".into()), ..world.request() };
    let pause =
        |request: &Request, job| Command::PauseJob { request: request.clone(), job, paused: true, reason: None };
    let first = named(&mut world);
    assert_eq!(world.run(pause(&first, job)), Reply::PauseIsSet);
    world.pause(job, false);
    assert_eq!(world.run(pause(&first, job)), Reply::PauseIsSet, "a late copy");
    assert_eq!(world.job(job).paused, None, "changes nothing");
    let again = named(&mut world);
    let resumed = Command::PauseJob { request: again, job, paused: false, reason: None };
    assert_eq!(world.refused(resumed), Refusal::KeyConflicts { first: first.id });
    let since = world.now;
    world.pause(job, true);
    world.pass(1_000);
    assert_eq!(world.pause(job, true), Reply::PauseIsSet, "as it is already");
    assert_eq!(world.job(job).paused.unwrap().since, Millis(since), "the first pause is the one");
}

#[test]
fn what_can_not_be_paused_is_refused() {
    let (mut world, ..) = World::with_node(1);
    let ended = world.running(plain());
    world.end(ended, Exit::Code(0));
    let pause = |world: &mut World, job| {
        let request = world.request();
        world.refused(Command::PauseJob { request, job, paused: true, reason: None })
    };
    let state = world.state(ended);
    assert_eq!(pause(&mut world, ended), Refusal::JobHasEnded(state));
    assert_eq!(pause(&mut world, JobId(7)), Refusal::JobIsUnknown);
    let queue = |world: &mut World, queue: &str, reason: Option<String>| {
        let request = world.request();
        world.refused(Command::PauseQueue { request, queue: queue.into(), paused: true, reason })
    };
    assert_eq!(queue(&mut world, "", None), Refusal::SpecIsInvalid(SpecFault::NameIsInvalid(String::new())));
    let long = Some("x".repeat(257));
    let fault = SpecFault::TooMuch { limit: Limit::ReasonBytes, actual: 257 };
    assert_eq!(queue(&mut world, "batch", long), Refusal::SpecIsInvalid(fault));
}

#[test]
fn paused_queues_are_bounded() {
    let mut world = World::new();
    for n in 0..QUEUES_PAUSED_MAX {
        assert_eq!(world.pause_queue(&format!("queue-{n}"), true), Reply::PauseIsSet);
    }
    let request = world.request();
    let more = Command::PauseQueue { request, queue: "more".into(), paused: true, reason: None };
    assert_eq!(world.refused(more), Refusal::PausedQueuesAreExhausted);
    world.pause_queue("queue-0", false);
    assert_eq!(world.pause_queue("more", true), Reply::PauseIsSet);
}
