//! What time does: delays, backoffs and deadlines, in bounded steps, and never backwards (R7).

use quorla_ledger::{
    command::Command,
    limits::TIMERS_FIRED_MAX,
    outcome::{Deadline, Exit, StopCause},
    record::JobState,
    reply::{Refusal, Reply},
    spec::JobSpec,
    units::Millis,
};

use crate::{
    build::{plain, retried, spec},
    world::{DAWN, World},
};

fn with_timeouts(queue: u64, attempt: u64, job: u64) -> JobSpec {
    let timeout = |span| (span > 0).then_some(Millis(span));
    spec(|spec| {
        spec.timeouts.queue = timeout(queue);
        spec.timeouts.attempt = timeout(attempt);
        spec.timeouts.job = timeout(job);
    })
}

/// A waiting job ends by this deadline, not a millisecond before it.
fn check_waiting(spec: JobSpec, after: u64, deadline: Deadline) {
    let mut world = World::new();
    let job = world.submit(spec);
    assert_eq!(world.ledger.next_due(), Some(Millis(DAWN + after)));
    world.pass(after - 1);
    assert_eq!(world.fire(9), Reply::TimersFired { jobs: 0, more: false });
    world.pass(1);
    assert_eq!(world.fire(9), Reply::TimersFired { jobs: 1, more: false });
    assert_eq!(world.state(job), JobState::DeadlineExceeded { at: Millis(DAWN + after), deadline });
    assert_eq!(world.ledger.next_due(), None);
}

#[test]
fn a_waiting_job_ends_at_its_first_deadline() {
    check_waiting(with_timeouts(10, 5, 0), 10, Deadline::Queue);
    check_waiting(with_timeouts(10, 5, 20), 10, Deadline::Queue);
    check_waiting(with_timeouts(20, 5, 10), 10, Deadline::Job);
    check_waiting(with_timeouts(10, 5, 10), 10, Deadline::Job);
    let mut delayed = with_timeouts(20, 5, 10);
    delayed.not_before = Some(Millis(DAWN + 15));
    check_waiting(delayed, 10, Deadline::Job);
}

#[test]
fn a_running_attempt_is_stopped_at_its_first_deadline() {
    for (spec, cause) in [
        (with_timeouts(5, 10, 0), StopCause::AttemptTimeout),
        (with_timeouts(5, 10, 20), StopCause::AttemptTimeout),
        (with_timeouts(5, 20, 10), StopCause::JobTimeout),
        (with_timeouts(5, 10, 10), StopCause::JobTimeout),
    ] {
        let (mut world, ..) = World::with_node(1);
        let job = world.running(spec);
        world.pass(9);
        assert_eq!(world.fire(9), Reply::TimersFired { jobs: 0, more: false });
        world.pass(1);
        assert_eq!(world.fire(9), Reply::TimersFired { jobs: 1, more: false });
        assert!(matches!(world.state(job), JobState::Stopping { cause: stopped, .. } if stopped == cause));
        assert_eq!(world.ledger.next_due(), None, "a stopping attempt waits for its agent");
    }
}

#[test]
fn an_attempts_timeout_counts_from_its_assignment() {
    let mut world = World::new();
    let job = world.queued(with_timeouts(0, 10, 0));
    world.pass(100);
    let (node, _) = world.register(1, crate::build::slots(1));
    world.assign(job, node);
    assert_eq!(world.ledger.next_due(), Some(Millis(DAWN + 110)));
}

#[test]
fn a_whole_jobs_deadline_goes_on_counting_across_attempts() {
    let (mut world, node, _) = World::with_node(1);
    let job = world.running(with_timeouts(0, 0, 100));
    world.pass(60);
    world.lapse(node);
    world.register(1, crate::build::slots(1));
    world.assign(job, node);
    assert_eq!(world.ledger.next_due(), Some(Millis(DAWN + 100)));
}

#[test]
fn a_queues_timeout_begins_again_with_each_wait() {
    let (mut world, node, _) = World::with_node(1);
    world.running(with_timeouts(50, 0, 0));
    world.pass(60);
    world.lapse(node);
    assert_eq!(world.ledger.next_due(), Some(Millis(DAWN + 110)));
}

#[test]
fn a_backoff_ends_in_the_queue() {
    let (mut world, ..) = World::with_node(1);
    let job = world.running(retried(2, 30));
    world.end(job, Exit::Code(1));
    world.pass(30);
    assert_eq!(world.fire(1), Reply::TimersFired { jobs: 1, more: false });
    assert_eq!(world.state(job), JobState::Queued { since: Millis(DAWN + 30) });
}

#[test]
fn timers_fire_in_bounded_steps_in_order() {
    let mut world = World::new();
    let jobs: Vec<_> = [30, 10, 20].map(|queue| world.queued(with_timeouts(queue, 0, 0))).into();
    world.pass(25);
    assert_eq!(world.fire(1), Reply::TimersFired { jobs: 1, more: true });
    assert!(world.state(jobs[1]).is_ended(), "the earliest first");
    assert_eq!(world.fire(5), Reply::TimersFired { jobs: 1, more: false });
    assert!(world.state(jobs[2]).is_ended());
    assert!(!world.state(jobs[0]).is_ended());
}

#[test]
fn no_timer_fires_beyond_what_was_asked_or_before_its_time() {
    let mut world = World::new();
    let job = world.queued(with_timeouts(10, 0, 0));
    world.pass(10);
    let early = Command::FireTimers { upto: Millis(DAWN + 9), max: 9 };
    assert_eq!(world.run(early), Reply::TimersFired { jobs: 0, more: false });
    let mut world = World::new();
    let eager = world.queued(with_timeouts(10, 0, 0));
    let ahead = Command::FireTimers { upto: Millis(u64::MAX), max: 9 };
    assert_eq!(world.run(ahead), Reply::TimersFired { jobs: 0, more: false }, "never past the ledger's clock");
    assert_eq!(job, eager);
}

#[test]
fn too_many_timers_at_once_are_refused() {
    let mut world = World::new();
    let fire = |max| Command::FireTimers { upto: Millis(DAWN), max };
    assert_eq!(world.refused(fire(TIMERS_FIRED_MAX + 1)), Refusal::CommandIsTooLarge);
    assert_eq!(world.run(fire(TIMERS_FIRED_MAX)), Reply::TimersFired { jobs: 0, more: false });
}

#[test]
fn ledger_time_never_goes_back() {
    let mut world = World::new();
    world.queued(plain());
    world.now = DAWN - 500;
    let late = world.queued(plain());
    assert_eq!(world.ledger.clock(), Millis(DAWN));
    assert_eq!(world.job(late).submitted_at, Millis(DAWN));
}
