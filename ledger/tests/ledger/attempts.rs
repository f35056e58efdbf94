//! Attempts end: once, under their fence, and what follows for the job.

use quorla_ledger::{
    command::{Command, DrainOrder, EndAttempt},
    defect::Defect,
    ids::{Fence, JobId},
    limits::{ATTEMPTS_KEPT_MAX, LOST_ATTEMPTS_MAX, Limit},
    outcome::{Deadline, Exit, Failure, StartFailure, StopCause, Tail, Tails},
    record::{Course, JobState, Stored},
    reply::{Refusal, Reply},
    spec::Backoff,
    tables::{self, Table},
    units::{Bytes, Millis},
};

use crate::{
    build::{ended, plain, retried, slots, spec, wide},
    world::{DAWN, World},
};

/// What a job is after its one running attempt ended like this.
fn check(spec: &quorla_ledger::spec::JobSpec, exit: &Exit, expected: &JobState) {
    let (mut world, node, _) = World::with_node(1);
    let job = world.running(spec.clone());
    world.pass(5);
    world.end(job, exit.clone());
    assert_eq!(&world.state(job), expected, "after {exit:?}");
    assert_eq!(world.ledger.node(node).unwrap().free(), slots(1), "the place is free");
    let Course::Ended { at, end, stopped } = &world.job(job).attempts[0].course else { panic!("recorded") };
    assert_eq!((at, &end.exit, stopped), (&Millis(DAWN + 5), exit, &None));
}

#[test]
fn an_exit_decides_what_follows() {
    let at = Millis(DAWN + 5);
    let failed = |exit: &Exit| JobState::Failed { at, failure: Failure::Attempt(exit.clone()) };
    let start = |cause| Exit::NotStarted { cause, message: "no".into() };
    let some_codes = spec(|spec| {
        spec.retry.attempts_max = 2;
        spec.retry.exit_codes = vec![3, 4];
    });
    let (queued, backing) = (JobState::Queued { since: at }, JobState::BackingOff { until: Millis(DAWN + 105) });
    for (spec, exit, expected) in [
        (plain(), Exit::Code(0), JobState::Succeeded { at }),
        (plain(), Exit::Code(7), failed(&Exit::Code(7))),
        (plain(), Exit::Signal(9), failed(&Exit::Signal(9))),
        (plain(), start(StartFailure::NotFound), failed(&start(StartFailure::NotFound))),
        (plain(), Exit::GivenUp, queued.clone()),
        (retried(2, 100), Exit::Code(0), JobState::Succeeded { at }),
        (retried(2, 100), Exit::Code(7), backing.clone()),
        (retried(2, 100), Exit::Signal(9), backing.clone()),
        (retried(2, 100), start(StartFailure::Machine), backing.clone()),
        (retried(2, 100), Exit::OutOfMemory, backing),
        (plain(), Exit::OutOfMemory, failed(&Exit::OutOfMemory)),
        (retried(2, 100), start(StartFailure::Limit), failed(&start(StartFailure::Limit))),
        (retried(2, 100), start(StartFailure::User), failed(&start(StartFailure::User))),
        (retried(2, 0), Exit::Code(7), queued.clone()),
        (some_codes.clone(), Exit::Code(4), queued),
        (some_codes.clone(), Exit::Code(5), failed(&Exit::Code(5))),
        (some_codes, Exit::Signal(9), failed(&Exit::Signal(9))),
    ] {
        check(&spec, &exit, &expected);
    }
}

#[test]
fn the_last_allowed_attempt_fails_the_job() {
    let (mut world, node, _) = World::with_node(1);
    let job = world.running(retried(3, 0));
    for _ in 0..2 {
        world.end(job, Exit::Code(1));
        world.assign(job, node);
    }
    world.end(job, Exit::Code(1));
    assert!(matches!(world.state(job), JobState::Failed { .. }));
    assert_eq!((world.job(job).failures, world.job(job).attempts_made), (3, 3));
}

#[test]
fn a_stop_decides_more_than_the_exit() {
    let at = Millis(DAWN + 10);
    let deadline = |deadline| JobState::DeadlineExceeded { at, deadline };
    for exit in [Exit::Code(0), Exit::Code(1), Exit::Signal(9), Exit::GivenUp] {
        for (cause, attempts_max, expected) in [
            (StopCause::Cancel, 9, JobState::Cancelled { at }),
            (StopCause::JobTimeout, 9, deadline(Deadline::Job)),
            (StopCause::AttemptTimeout, 1, deadline(Deadline::Attempt)),
            (StopCause::AttemptTimeout, 2, JobState::Queued { since: at }),
            (StopCause::Drain, 1, JobState::Queued { since: at }),
        ] {
            let (mut world, ..) = World::with_node(1);
            let job = stopping(&mut world, cause, attempts_max);
            world.end(job, exit.clone());
            assert_eq!(world.state(job), expected, "{cause:?} then {exit:?}");
        }
    }
}

fn stopping(world: &mut World, cause: StopCause, attempts_max: u32) -> JobId {
    let job = world.running(spec(|spec| {
        spec.retry.attempts_max = attempts_max;
        match cause {
            StopCause::Cancel | StopCause::Drain => {}
            StopCause::AttemptTimeout => spec.timeouts.attempt = Some(Millis(10)),
            StopCause::JobTimeout => spec.timeouts.job = Some(Millis(10)),
        }
    }));
    world.pass(10);
    match cause {
        StopCause::Cancel => assert_eq!(world.cancel(job), Reply::Cancelled),
        StopCause::Drain => {
            let node = world.node_of(job);
            world.order(node, DrainOrder { deadline: Some(Millis(0)), ..DrainOrder::default() });
            assert_eq!(world.run(Command::StopDrained { node }), Reply::DrainedStopped { attempts: 1 });
        }
        _ => assert_eq!(world.fire(9), Reply::TimersFired { jobs: 1, more: false }),
    }
    assert!(matches!(world.state(job), JobState::Stopping { cause: stopped, .. } if stopped == cause));
    job
}

#[test]
fn a_repeated_finish_is_already_recorded() {
    let (mut world, ..) = World::with_node(1);
    for exit in [Exit::Code(0), Exit::Code(1)] {
        let job = world.running(retried(2, 100));
        let report = world.report(job, exit);
        world.run(Command::EndAttempt(report.clone()));
        let content = world.content();
        assert_eq!(world.run(Command::EndAttempt(report)), Reply::AlreadyRecorded);
        assert_eq!(world.content(), content);
        world.cancel(job);
    }
}

#[test]
fn stale_finish_is_refused() {
    let (mut world, node, _) = World::with_node(1);
    let job = world.running(plain());
    let stale = world.report(job, Exit::Code(0));
    world.lapse(node);
    assert_eq!(world.refused(Command::EndAttempt(stale.clone())), Refusal::AttemptIsStale, "while it waits");
    world.register(1, slots(1));
    world.assign(job, node);
    assert_eq!(world.refused(Command::EndAttempt(stale.clone())), Refusal::AttemptIsStale, "while another one runs");
    world.end(job, Exit::Code(1));
    assert_eq!(world.refused(Command::EndAttempt(stale)), Refusal::AttemptIsStale, "after the end");
}

#[test]
fn a_finish_of_nothing_known_is_refused() {
    let (mut world, ..) = World::with_node(1);
    let job = world.running(plain());
    let report = |job, fence| {
        Command::EndAttempt(EndAttempt { job, fence, end: ended(Exit::Code(0)), tails: Tails::default(), refill: true })
    };
    let future = Fence(world.fence(job).0 + 1);
    assert_eq!(world.refused(report(job, future)), Refusal::AttemptIsStale);
    assert_eq!(world.refused(report(JobId(5), future)), Refusal::JobIsUnknown);
}

#[test]
fn a_recorded_attempt_stays_recorded_while_the_next_one_runs() {
    let (mut world, node, _) = World::with_node(1);
    let job = world.running(retried(3, 0));
    let first = world.report(job, Exit::Code(1));
    world.run(Command::EndAttempt(first.clone()));
    world.assign(job, node);
    assert_eq!(world.run(Command::EndAttempt(first)), Reply::AlreadyRecorded);
    assert!(matches!(world.state(job), JobState::Running(_)));
}

#[test]
fn fences_rise_over_all_jobs() {
    let (mut world, node, _) = World::with_node(2);
    let mut last = Fence(0);
    let jobs = [world.running(retried(9, 0)), world.running(retried(9, 0))];
    for _ in 0..3 {
        for job in jobs {
            assert!(world.fence(job) > last, "I4");
            last = world.fence(job);
            world.end(job, Exit::Code(1));
            world.assign(job, node);
        }
    }
}

#[test]
fn lost_attempts_are_run_again_until_they_are_too_many() {
    let (mut world, node, _) = World::with_node(1);
    let job = world.running(plain());
    for lost in 1..=LOST_ATTEMPTS_MAX {
        world.lapse(node);
        assert_eq!(world.job(job).losses, lost);
        if lost < LOST_ATTEMPTS_MAX {
            assert!(matches!(world.state(job), JobState::Queued { .. }));
            world.register(1, slots(1));
            assert!(matches!(world.assign(job, node), Reply::Assigned(_)));
        }
    }
    let failure = Failure::LostTooOften;
    assert_eq!(world.state(job), JobState::Failed { at: Millis(DAWN), failure });
    assert_eq!(world.job(job).failures, 0, "a loss is no failure");
}

#[test]
fn a_lost_job_waits_in_its_old_rank() {
    let (mut world, node, _) = World::with_node(1);
    let first = world.running(plain());
    let second = world.queued(plain());
    world.lapse(node);
    world.register(1, slots(1));
    assert_eq!(world.ledger.plan(9)[0].job, first);
    world.plan_all();
    assert!(matches!(world.state(second), JobState::Queued { .. }));
}

#[test]
fn backoff_stays_within_its_jitter() {
    let base = Millis(1_000);
    let max = Millis(5_000);
    let rows = [
        (Backoff::Fixed(base), 0, [1_000, 1_000, 1_000, 1_000]),
        (Backoff::Fixed(base), 25, [1_000, 1_000, 1_000, 1_000]),
        (Backoff::Exponential { base, max }, 0, [1_000, 2_000, 4_000, 5_000]),
        (Backoff::Exponential { base, max }, 100, [1_000, 2_000, 4_000, 5_000]),
    ];
    for (backoff, jitter_percent, pauses) in rows {
        for seed in [0, 1, 7, u64::MAX] {
            let found = pauses_of(backoff, jitter_percent, seed, pauses.len());
            for (pause, found) in pauses.into_iter().zip(found) {
                let width = pause * u64::from(jitter_percent) / 100;
                assert!(
                    (pause - width..=pause + width).contains(&found),
                    "{found} about {pause} by {jitter_percent} %"
                );
            }
        }
    }
    let pauses = |seed| pauses_of(Backoff::Fixed(base), 100, seed, 4);
    assert_eq!(pauses(1), pauses(1), "the same on every replica");
    assert_ne!(pauses(1), pauses(2), "and apart for different jobs");
}

fn pauses_of(backoff: Backoff, jitter_percent: u8, seed: u64, count: usize) -> Vec<u64> {
    let (mut world, node, _) = World::with_node(1);
    let mut submit = world.submission(spec(|spec| {
        spec.retry.attempts_max = 100;
        spec.retry.backoff = backoff;
        spec.retry.jitter_percent = jitter_percent;
    }));
    submit.seed = seed;
    let job = submit.request.id;
    world.run(Command::Submit(submit));
    let mut pauses = Vec::new();
    for _ in 0..count {
        world.end(job, Exit::Code(1));
        let until = match world.state(job) {
            JobState::BackingOff { until } => until.0,
            _ => world.now,
        };
        pauses.push(until - world.now);
        world.now = until;
        world.fire(1);
        world.assign(job, node);
    }
    pauses
}

#[test]
fn a_huge_number_of_doublings_ends_at_the_longest_pause() {
    let (base, max) = (Millis(1), Millis(Limit::SpanMs.max()));
    let pauses = pauses_of(Backoff::Exponential { base, max }, 0, 0, 70);
    assert_eq!(pauses[69], max.0);
}

#[test]
fn only_the_last_attempts_are_kept() {
    let (mut world, node, _) = World::with_node(1);
    let job = world.running(retried(100, 0));
    let spec_bytes = world.job(job).kept_bytes;
    let attempts = u32::try_from(ATTEMPTS_KEPT_MAX).unwrap() + 5;
    for _ in 1..attempts {
        let mut report = world.report(job, Exit::Code(1));
        report.tails.stdout.bytes = vec![7; 10];
        world.run(Command::EndAttempt(report));
        world.assign(job, node);
    }
    let record = world.job(job);
    assert_eq!((record.attempts.len(), record.attempts_made), (ATTEMPTS_KEPT_MAX, attempts));
    assert_eq!(record.attempts.last().unwrap().number, attempts);
    assert_eq!(world.count(Table::Tails), ATTEMPTS_KEPT_MAX - 1);
    let tails: usize = world.all::<Tails>(Table::Tails).iter().map(|tails| stored(tails).len()).sum();
    assert_eq!(record.kept_bytes.0 - spec_bytes.0, tails as u64, "what was dropped is not counted");
}

fn stored(tails: &Tails) -> Vec<u8> {
    quorla_ledger::codec::encode(&Stored::V1(tails))
}

#[test]
fn tails_keep_their_last_bytes_within_the_bound() {
    let max = usize::try_from(Limit::OutputTailBytes.max()).unwrap();
    for (dropped, expected) in [(2, 5), (u64::MAX, u64::MAX)] {
        let (mut world, ..) = World::with_node(1);
        let job = world.running(plain());
        let mut report = world.report(job, Exit::Code(0));
        let fence = report.fence;
        let long = [vec![1; 3], vec![2; max]].concat();
        report.tails.stderr = Tail { bytes: long, dropped: Bytes(dropped) };
        world.run(Command::EndAttempt(report));
        let kept: Vec<Tails> = world.all(Table::Tails);
        assert_eq!(kept[0].stderr, Tail { bytes: vec![2; max], dropped: Bytes(expected) });
        assert_eq!(kept[0].stdout, Tail::default());
        assert!(quorla_ledger::Records::read(&world.tables, &tables::tails(job, fence)).is_some());
    }
}

#[test]
fn no_output_stores_no_tails() {
    let (mut world, ..) = World::with_node(1);
    let job = world.running(plain());
    world.end(job, Exit::Code(0));
    assert_eq!(world.count(Table::Tails), 0);
}

#[test]
fn a_message_about_a_start_is_cut_wherever_it_is_stored() {
    let (mut world, ..) = World::with_node(1);
    let job = world.running(plain());
    let message = "é".repeat(200);
    world.end(job, Exit::NotStarted { cause: StartFailure::Machine, message });
    let cut = Exit::NotStarted { cause: StartFailure::Machine, message: "é".repeat(128) };
    let record = world.job(job);
    let Course::Ended { end, .. } = &record.attempts[0].course else { panic!("ended") };
    assert_eq!(end.exit, cut);
    assert_eq!(record.state, JobState::Failed { at: Millis(DAWN), failure: Failure::Attempt(cut) });
}

#[test]
fn a_freed_place_goes_to_the_most_urgent_job_that_fits_it() {
    let (mut world, node, _) = World::with_node(1);
    let job = world.running(plain());
    let ordinary = world.queued(plain());
    let too_wide = world.queued(spec(|spec| {
        *spec = wide(2);
        spec.priority = 90;
    }));
    let urgent = world.queued(spec(|spec| spec.priority = 80));
    let mut report = world.report(job, Exit::Code(0));
    report.refill = true;
    let Reply::AttemptEnded { next: Some(next) } = world.run(Command::EndAttempt(report)) else { panic!("refilled") };
    assert_eq!((next.job, next.node, next.fence), (urgent, node, world.fence(urgent)));
    for job in [ordinary, too_wide] {
        assert!(matches!(world.state(job), JobState::Queued { .. }));
    }
}

#[test]
fn a_freed_place_stays_free_where_nothing_may_take_it() {
    let refill = |world: &mut World, job| {
        let mut report = world.report(job, Exit::Code(0));
        report.refill = true;
        world.run(Command::EndAttempt(report))
    };
    let (mut world, ..) = World::with_node(1);
    let job = world.running(plain());
    assert_eq!(refill(&mut world, job), Reply::AttemptEnded { next: None }, "nothing waits");
    let job = world.running(plain());
    world.queued(plain());
    let node = world.node_of(job);
    world.drain(node, true);
    assert_eq!(refill(&mut world, job), Reply::AttemptEnded { next: None }, "the node drains");
}

#[test]
fn a_missing_fence_check_is_noticed() {
    let mut world = World::with(Defect::FenceCheckOff);
    let registration = crate::build::registration(1, 1, slots(1));
    let submit = world.submission(plain());
    let job = submit.request.id;
    let commands = [Command::RegisterNode(registration), Command::Submit(submit)];
    world.apply_bytes(&commands.map(|command| quorla_ledger::codec::encode_command(&command)));
    let mut stale = world.report(job, Exit::Code(0));
    stale.fence = Fence(stale.fence.0 - 1);
    let applied = world.apply_bytes(&[quorla_ledger::codec::encode_command(&Command::EndAttempt(stale))]);
    assert_eq!(applied.replies, [Reply::AttemptEnded { next: None }], "the planted bug accepts it");
}
