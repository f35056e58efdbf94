//! Jobs come in, wait, are called off and are submitted again.

use quorla_ledger::{
    codec,
    command::Command,
    event::Event,
    ids::{JobId, NodeId},
    outcome::{Exit, StopCause},
    record::JobState,
    reply::{Refusal, Reply},
    tables::Table,
    units::Millis,
};

use crate::{
    build::{plain, slots, spec},
    world::{DAWN, World},
};

#[test]
fn a_job_starts_at_once_where_a_place_is_free() {
    let (mut world, node, epoch) = World::with_node(1);
    let job = world.running(plain());
    let JobState::Running(placed) = world.state(job) else { unreachable!() };
    assert_eq!((placed.node, placed.epoch, placed.at), (node, epoch, Millis(DAWN)));
    assert_eq!(
        world.events()[1..],
        [Event::JobSubmitted(job), Event::AttemptAssigned { job, fence: placed.fence, node },]
    );
}

#[test]
fn a_job_waits_where_no_place_is_free() {
    let mut world = World::new();
    let job = world.queued(plain());
    assert_eq!(world.events(), [Event::JobSubmitted(job), Event::JobQueued(job)]);
    assert_eq!(world.ledger.queued_jobs(), 1);
}

#[test]
fn a_delayed_job_is_not_queued_before_its_time() {
    let (mut world, ..) = World::with_node(1);
    let until = Millis(DAWN + 10);
    let job = world.submit(spec(|spec| spec.not_before = Some(until)));
    assert_eq!(world.state(job), JobState::Delayed { until });
    world.pass(9);
    assert_eq!(world.fire(9), Reply::TimersFired { jobs: 0, more: false });
    world.pass(1);
    assert_eq!(world.fire(9), Reply::TimersFired { jobs: 1, more: false });
    assert_eq!(world.state(job), JobState::Queued { since: until });
}

#[test]
fn a_delay_that_is_over_is_no_delay() {
    let (mut world, ..) = World::with_node(1);
    world.running(spec(|spec| spec.not_before = Some(Millis(DAWN))));
}

#[test]
fn a_delay_beyond_its_bound_is_refused() {
    use quorla_ledger::{limits::Limit, spec::check::SpecFault};
    let mut world = World::new();
    let max = Limit::SpanMs.max();
    world.submit(spec(|spec| spec.not_before = Some(Millis(DAWN + max))));
    let submit = world.submission(spec(|spec| spec.not_before = Some(Millis(DAWN + max + 1))));
    let fault = SpecFault::TooMuch { limit: Limit::SpanMs, actual: max + 1 };
    assert_eq!(world.refused(Command::Submit(submit)), Refusal::SpecIsInvalid(fault));
}

#[test]
fn a_waiting_job_is_cancelled_at_once() {
    let until = Millis(DAWN + 1_000);
    for delay in [None, Some(until)] {
        let mut world = World::new();
        let job = world.submit(spec(|spec| spec.not_before = delay));
        assert_eq!(world.cancel(job), Reply::Cancelled);
        assert_eq!(world.state(job), JobState::Cancelled { at: Millis(DAWN) });
        assert!(!world.ledger.is_live(job));
        assert_eq!((world.ledger.queued_jobs(), world.ledger.next_due()), (0, None));
    }
}

#[test]
fn a_job_that_backs_off_is_cancelled_at_once() {
    let (mut world, ..) = World::with_node(1);
    let job = world.running(crate::build::retried(2, 100));
    world.end(job, Exit::Code(1));
    assert_eq!(world.cancel(job), Reply::Cancelled);
    assert_eq!(world.state(job), JobState::Cancelled { at: Millis(DAWN) });
}

#[test]
fn a_running_job_holds_its_place_until_its_attempt_has_ended() {
    let (mut world, node, _) = World::with_node(1);
    let job = world.running(plain());
    assert_eq!(world.cancel(job), Reply::Cancelled);
    assert!(matches!(world.state(job), JobState::Stopping { cause: StopCause::Cancel, .. }));
    assert_eq!(world.ledger.node(node).unwrap().free(), slots(0), "R18");
    world.queued(plain());
    world.end(job, Exit::Signal(15));
    assert_eq!(world.state(job), JobState::Cancelled { at: Millis(DAWN) });
    assert_eq!(world.ledger.node(node).unwrap().free(), slots(1));
}

#[test]
fn cancelling_twice_stops_once() {
    let (mut world, ..) = World::with_node(1);
    let job = world.running(plain());
    world.cancel(job);
    let before = world.events().len();
    assert_eq!(world.cancel(job), Reply::Cancelled);
    assert_eq!(world.events().len(), before);
}

#[test]
fn a_cancel_during_a_timeouts_stop_ends_the_job() {
    let (mut world, ..) = World::with_node(1);
    let mut wanted = crate::build::retried(3, 0);
    wanted.timeouts.attempt = Some(Millis(10));
    let job = world.running(wanted);
    world.pass(10);
    world.fire(1);
    assert!(matches!(world.state(job), JobState::Stopping { cause: StopCause::AttemptTimeout, .. }));
    assert_eq!(world.cancel(job), Reply::Cancelled);
    world.end(job, Exit::Signal(9));
    assert!(matches!(world.state(job), JobState::Cancelled { .. }), "{:?}", world.state(job));
}

#[test]
fn what_is_not_there_or_over_cannot_be_cancelled() {
    let (mut world, ..) = World::with_node(1);
    let request = world.request();
    let unknown = Command::Cancel { request, job: JobId(3), reason: None };
    assert_eq!(world.refused(unknown), Refusal::JobIsUnknown);
    let job = world.running(plain());
    world.end(job, Exit::Code(0));
    let request = world.request();
    let state = JobState::Succeeded { at: Millis(DAWN) };
    assert_eq!(world.refused(Command::Cancel { request, job, reason: None }), Refusal::JobHasEnded(state));
}

#[test]
fn a_retry_of_an_ended_job_is_a_new_job() {
    let (mut world, ..) = World::with_node(1);
    let first = world.running(spec(|spec| spec.not_before = Some(Millis(DAWN))));
    world.end(first, Exit::Code(1));
    let request = world.request();
    let again = request.id;
    let command = Command::Retry { request, job: first, seed: 9 };
    assert_eq!(world.run(command.clone()), Reply::Submitted { job: again });
    let record = world.job(again);
    assert_eq!((record.retry_of, record.seed, record.attempts_made), (Some(first), 9, 1));
    assert!(matches!(world.state(first), JobState::Failed { .. }), "the first one stays as it ended");
    assert_eq!(world.run(command), Reply::Submitted { job: again }, "a repeated request");
    assert_eq!(world.count(Table::Specs), 2);
}

#[test]
fn what_is_live_or_unknown_cannot_be_retried() {
    let mut world = World::new();
    let job = world.queued(plain());
    for (job, refusal) in [(job, Refusal::JobIsLive), (JobId(3), Refusal::JobIsUnknown)] {
        let request = world.request();
        assert_eq!(world.refused(Command::Retry { request, job, seed: 0 }), refusal);
    }
}

#[test]
fn an_assignment_is_checked_again() {
    let (mut world, node, epoch) = World::with_node(1);
    let running = world.running(plain());
    let queued = world.queued(plain());
    let unfit = world.queued(crate::build::wide(2));
    let old = quorla_ledger::ids::Epoch(epoch.0 + 1);
    let assign = |job, node, epoch| Command::Assign(quorla_ledger::command::Assign { job, node, epoch });
    use quorla_ledger::reply::{Lack, Rejection};
    for (command, refusal) in [
        (assign(JobId(1), node, epoch), Refusal::JobIsUnknown),
        (assign(running, node, epoch), Refusal::JobIsNotQueued),
        (assign(queued, NodeId(99), epoch), Refusal::NodeIsUnknown),
        (assign(queued, node, old), Refusal::EpochIsStale),
        (assign(queued, node, epoch), Refusal::NodeRejects(Rejection::TooBusy(Lack::Slots(1)))),
        (assign(unfit, node, epoch), Refusal::NodeRejects(Rejection::TooSmall(Lack::Slots(1)))),
    ] {
        assert_eq!(world.refused(command), refusal);
    }
    world.end(running, Exit::Code(0));
    assert!(matches!(world.assign(queued, node), Reply::Assigned(assigned) if assigned.job == queued));
}

#[test]
fn bytes_that_are_no_command_refuse_only_themselves() {
    let mut world = World::new();
    let submit = world.submission(plain());
    let job = submit.request.id;
    let good = codec::encode_command(&Command::Submit(submit));
    let mut longer = good.clone();
    longer.push(0);
    for bad in [vec![], vec![0], vec![1], vec![0, 15], vec![1, 255], vec![1, 99, 99], good[..9].to_vec(), longer] {
        let applied = world.apply_bytes(&[bad]);
        assert_eq!(applied.replies, [Reply::Refused(Refusal::CommandIsUndecodable)]);
        assert_eq!(applied.signals, quorla_ledger::Signals::default());
    }
    let applied = world.apply_bytes(&[vec![1, 255], good, vec![]]);
    assert_eq!(applied.replies[1], Reply::Submitted { job });
    assert_eq!(world.job(job).id, job);
    world.check_whole();
}

#[test]
fn a_command_of_an_unknown_version_is_signalled() {
    let mut world = World::new();
    let applied = world.apply_bytes(&[vec![2, 15]]);
    assert_eq!(applied.signals.unknown_version, Some(2));
}

#[test]
fn a_cancels_reason_is_kept_within_its_bound() {
    use quorla_ledger::{ledger::check_stateless, limits::Limit, spec::check::SpecFault};
    let mut world = World::new();
    let job = world.queued(plain());
    let max = usize::try_from(Limit::ReasonBytes.max()).unwrap();
    let mut cancel = |bytes: usize| Command::Cancel { request: world.request(), job, reason: Some("r".repeat(bytes)) };
    let (over, within) = (cancel(max + 1), cancel(max));
    let fault = SpecFault::TooMuch { limit: Limit::ReasonBytes, actual: Limit::ReasonBytes.max() + 1 };
    assert_eq!(check_stateless(&over), Err(Refusal::SpecIsInvalid(fault.clone())));
    assert_eq!(world.refused(over), Refusal::SpecIsInvalid(fault));
    assert_eq!(world.run(within), Reply::Cancelled);
    assert_eq!(world.job(job).cancel_reason, Some("r".repeat(max)));
}

#[test]
fn a_jobs_first_event_says_that_it_was_submitted() {
    let (mut world, ..) = World::with_node(1);
    for _ in 0..3 {
        let job = world.submit(plain());
        let position = usize::try_from(world.job(job).first_event).unwrap();
        assert_eq!(world.events()[position], Event::JobSubmitted(job));
    }
}
