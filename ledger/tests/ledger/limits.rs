//! Every bound is refused by its name, and what is exactly at it is accepted.

use quorla_ledger::{
    codec,
    command::{Command, EndAttempt},
    ids::{Fence, JobId},
    ledger::check_stateless,
    limits::{ATTEMPTS_KEPT_MAX, COMMAND_BYTES_MAX, DEMANDS_MAX, LIVE_BYTES_MAX, Limit},
    outcome::{Exit, Tail, Tails},
    record::JobRecord,
    reply::{Refusal, Reply},
    spec::{Backoff, Constraint, JobSpec, LabelTest, check::SpecFault},
    tables::Table,
    units::{Bytes, MilliCpu, Millis},
};

use crate::{
    build::{bound_to, ended, plain, retried, spec, wide},
    world::World,
};

fn text(bytes: u64) -> String {
    "x".repeat(usize::try_from(bytes).unwrap())
}

fn texts(count: u64) -> impl Iterator<Item = String> {
    (0..count).map(|n| n.to_string())
}

/// A specification that has exactly so much of what this limit bounds.
fn with(limit: Limit, amount: u64) -> JobSpec {
    let small = |amount: u64| u8::try_from(amount).unwrap();
    spec(|spec| match limit {
        Limit::NameBytes => spec.name = text(amount),
        Limit::Arguments => spec.command = vec!["x".into(); amount as usize],
        Limit::ArgumentBytes => spec.command = vec!["x".into(), text(amount - 3)],
        Limit::EnvVars => spec.env = texts(amount).map(|key| (key, String::new())).collect(),
        Limit::EnvBytes => drop(spec.env.insert("KEY".into(), text(amount - 5))),
        Limit::PathBytes => spec.working_dir = Some(format!("/{}", text(amount - 1))),
        Limit::StdinBytes => spec.stdin = vec![0; amount as usize],
        Limit::Labels => spec.labels = texts(amount).map(|key| (key, String::new())).collect(),
        Limit::LabelBytes => drop(spec.labels.insert("label".into(), text(amount))),
        Limit::Constraints => spec.demand.constraints = texts(amount).map(exists).collect(),
        Limit::ConstraintValues => *spec = bound_to("zone", LabelTest::In(texts(amount).collect())),
        Limit::ConstraintBytes => *spec = constrained(amount),
        Limit::Priority => spec.priority = small(amount),
        Limit::Slots => *spec = wide(u32::try_from(amount).unwrap()),
        Limit::Attempts => spec.retry.attempts_max = u32::try_from(amount).unwrap(),
        Limit::RetryableExitCodes => spec.retry.exit_codes = vec![1; amount as usize],
        Limit::JitterPercent => spec.retry.jitter_percent = small(amount),
        Limit::SpanMs => spec.timeouts.queue = Some(Millis(amount)),
        Limit::OutputTailBytes => spec.output_tail_max = Bytes(amount),
        Limit::Signal => spec.kill.signal = small(amount),
        Limit::CpuLimitMilli => spec.limits.cpu = Some(MilliCpu(amount)),
        Limit::MemoryLimitBytes => spec.limits.memory = Some(Bytes(amount)),
        Limit::ProcessesLimit => spec.limits.processes = Some(u32::try_from(amount).unwrap()),
        Limit::OpenFilesLimit => spec.limits.open_files = Some(u32::try_from(amount).unwrap()),
        Limit::FileLimitBytes => spec.limits.file = Some(Bytes(amount)),
        Limit::CoreLimitBytes => spec.limits.core = Some(Bytes(amount)),
        Limit::UserBytes => spec.run_as = Some(text(amount)),
        Limit::IdempotencyKeyBytes | Limit::ReasonBytes => unreachable!("a bound of requests, not of specifications"),
        Limit::Tasks | Limit::ItemBytes | Limit::ItemsBytes | Limit::ItemsAtOnce | Limit::ItemsAtOnceBytes => {
            unreachable!("a bound of arrays")
        }
    })
}

fn exists(label: String) -> Constraint {
    Constraint { label, test: LabelTest::Exists }
}

/// Constraints with labels and values of so many bytes in all.
fn constrained(bytes: u64) -> JobSpec {
    let whole = Limit::LabelBytes.max();
    let mut values: Vec<String> = vec![text(whole); usize::try_from((bytes - 1) / whole).unwrap()];
    values.push(text((bytes - 1) % whole));
    bound_to("l", LabelTest::In(values))
}

const OF_SPECIFICATIONS: [Limit; 27] = [
    Limit::NameBytes,
    Limit::Arguments,
    Limit::ArgumentBytes,
    Limit::EnvVars,
    Limit::EnvBytes,
    Limit::PathBytes,
    Limit::StdinBytes,
    Limit::Labels,
    Limit::LabelBytes,
    Limit::Constraints,
    Limit::ConstraintValues,
    Limit::ConstraintBytes,
    Limit::Priority,
    Limit::Slots,
    Limit::Attempts,
    Limit::RetryableExitCodes,
    Limit::JitterPercent,
    Limit::SpanMs,
    Limit::OutputTailBytes,
    Limit::Signal,
    Limit::CpuLimitMilli,
    Limit::MemoryLimitBytes,
    Limit::ProcessesLimit,
    Limit::OpenFilesLimit,
    Limit::FileLimitBytes,
    Limit::CoreLimitBytes,
    Limit::UserBytes,
];

#[test]
fn what_exceeds_a_bound_is_refused_with_its_name() {
    for limit in OF_SPECIFICATIONS {
        assert_eq!(with(limit, limit.max()).check(), Ok(()), "{limit:?} at its bound");
        let over = with(limit, limit.max() + 1);
        let fault = SpecFault::TooMuch { limit, actual: limit.max() + 1 };
        assert_eq!(over.check(), Err(fault.clone()), "{limit:?}");
        let mut world = World::new();
        let submit = Command::Submit(world.submission(over));
        assert_eq!(check_stateless(&submit), Err(Refusal::SpecIsInvalid(fault.clone())));
        assert_eq!(world.refused(submit), Refusal::SpecIsInvalid(fault));
    }
}

#[test]
fn every_span_and_name_is_bounded() {
    let over = Millis(Limit::SpanMs.max() + 1);
    let long = text(Limit::NameBytes.max() + 1);
    type Change = fn(&mut JobSpec, Millis, &str);
    let rows: [(Limit, Change); 7] = [
        (Limit::SpanMs, |spec, over, _| spec.timeouts.attempt = Some(over)),
        (Limit::SpanMs, |spec, over, _| spec.timeouts.job = Some(over)),
        (Limit::SpanMs, |spec, over, _| spec.kill.grace = over),
        (Limit::SpanMs, |spec, over, _| spec.retry.backoff = Backoff::Fixed(over)),
        (Limit::SpanMs, |spec, over, _| spec.retry.backoff = Backoff::Exponential { base: over, max: Millis(1) }),
        (Limit::SpanMs, |spec, over, _| spec.retry.backoff = Backoff::Exponential { base: Millis(1), max: over }),
        (Limit::NameBytes, |spec, _, long| spec.queue = long.into()),
    ];
    for (expected, change) in rows {
        let fault = spec(|spec| change(spec, over, &long)).check();
        assert!(matches!(fault, Err(SpecFault::TooMuch { limit, .. }) if limit == expected), "{fault:?}");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    type Change = fn(&mut JobSpec);
    let too_little = |limit, least, actual| SpecFault::TooLittle { limit, least, actual };
    let rows: [(SpecFault, Change); 23] = [
        (too_little(Limit::CpuLimitMilli, 10, 9), |spec| spec.limits.cpu = Some(MilliCpu(9))),
        (too_little(Limit::MemoryLimitBytes, 1 << 20, 4_096), |spec| spec.limits.memory = Some(Bytes(4_096))),
        (too_little(Limit::ProcessesLimit, 1, 0), |spec| spec.limits.processes = Some(0)),
        (too_little(Limit::OpenFilesLimit, 4, 3), |spec| spec.limits.open_files = Some(3)),
        (SpecFault::UserIsInvalid(String::new()), |spec| spec.run_as = Some(String::new())),
        (SpecFault::CommandIsEmpty, |spec| spec.command.clear()),
        (SpecFault::CommandIsEmpty, |spec| spec.command[0].clear()),
        (SpecFault::SlotsAreZero, |spec| spec.demand.resources.slots = 0),
        (SpecFault::AttemptsAreZero, |spec| spec.retry.attempts_max = 0),
        (SpecFault::SignalIsZero, |spec| spec.kill.signal = 0),
        (SpecFault::NameIsInvalid(String::new()), |spec| spec.name.clear()),
        (SpecFault::NameIsInvalid("a\nb".into()), |spec| spec.name = "a\nb".into()),
        (SpecFault::NameIsInvalid("a;b".into()), |spec| spec.queue = "a;b".into()),
        (SpecFault::KeyIsInvalid(String::new()), |spec| drop(spec.env.insert(String::new(), "x".into()))),
        (SpecFault::KeyIsInvalid("A=B".into()), |spec| drop(spec.env.insert("A=B".into(), "x".into()))),
        (SpecFault::KeyIsInvalid("a\0".into()), |spec| drop(spec.labels.insert("a\0".into(), "x".into()))),
        (SpecFault::KeyIsInvalid(String::new()), |spec| spec.demand.constraints.push(exists(String::new()))),
        (SpecFault::HasNul, |spec| spec.command.push("a\0".into())),
        (SpecFault::HasNul, |spec| drop(spec.env.insert("A".into(), "\0".into()))),
        (SpecFault::HasNul, |spec| spec.working_dir = Some("/\0".into())),
        (SpecFault::HasNul, |spec| drop(spec.labels.insert("a".into(), "\0".into()))),
        (SpecFault::PathIsRelative("tmp".into()), |spec| spec.working_dir = Some("tmp".into())),
        (SpecFault::VariableIsReserved("QUORLA_X".into()), |spec| drop(spec.env.insert("QUORLA_X".into(), "1".into()))),
    ];
    for (fault, change) in rows {
        assert_eq!(spec(change).check(), Err(fault));
    }
    assert_eq!(plain().check(), Ok(()));
}

#[test]
fn one_kind_of_demand_too_many_is_refused() {
    let mut world = World::new();
    let labelled = |n: usize| bound_to(&n.to_string(), LabelTest::Exists);
    for n in 0..DEMANDS_MAX {
        let submit = world.submission(labelled(n));
        world.apply_bytes(&[codec::encode_command(&Command::Submit(submit))]);
    }
    let submit = world.submission(labelled(DEMANDS_MAX));
    assert_eq!(world.refused(Command::Submit(submit)), Refusal::DemandsAreExhausted);
    world.queued(labelled(0));
}

/// Bytes of specifications and tails that are stored for live jobs.
fn live_bytes(world: &World) -> Bytes {
    let jobs = world.all::<JobRecord>(Table::Live);
    Bytes(jobs.iter().map(|job| job.kept_bytes.0).sum())
}

#[test]
fn the_bytes_of_live_jobs_are_counted_until_they_end() {
    let (mut world, node, _) = World::with_node(1);
    let tries = u32::try_from(ATTEMPTS_KEPT_MAX).unwrap() + 2;
    let (job, other) = (world.submit(retried(tries, 0)), world.submit(plain()));
    for attempt in 0..tries {
        if attempt > 0 {
            world.assign(job, node);
        }
        assert_eq!(world.ledger.meta().live_bytes, live_bytes(&world), "before attempt {attempt} ends");
        let mut report = world.report(job, Exit::Code(1));
        report.tails.stdout.bytes = vec![1; 100];
        world.run(Command::EndAttempt(report));
    }
    assert!(!world.ledger.is_live(job));
    assert_eq!(world.ledger.meta().live_bytes, live_bytes(&world));
    world.cancel(other);
    assert_eq!(world.ledger.meta().live_bytes, Bytes(0));
}

#[test]
fn a_submit_beyond_the_bytes_of_live_jobs_is_refused() {
    let mut world = World::new();
    let first = world.submit(plain());
    let spec_bytes = world.ledger.meta().live_bytes.0;
    world.change_counters(|meta| meta.live_bytes = Bytes(LIVE_BYTES_MAX - spec_bytes));
    let second = world.submit(plain());
    let submit = Command::Submit(world.submission(plain()));
    assert_eq!(world.refused(submit.clone()), Refusal::LedgerIsFull);
    world.cancel(first);
    assert!(matches!(world.run(submit), Reply::Submitted { .. }), "there is room again");
    world.cancel(second);
}

#[test]
fn the_largest_commands_fit_their_bound() {
    let mut largest = plain();
    for limit in [Limit::ArgumentBytes, Limit::EnvBytes, Limit::PathBytes, Limit::StdinBytes, Limit::ConstraintBytes] {
        let other = with(limit, limit.max());
        match limit {
            Limit::ArgumentBytes => largest.command = other.command,
            Limit::EnvBytes => largest.env = other.env,
            Limit::PathBytes => largest.working_dir = other.working_dir,
            Limit::StdinBytes => largest.stdin = other.stdin,
            _ => largest.demand = other.demand,
        }
    }
    largest.labels = texts(Limit::Labels.max()).map(|key| (key, text(Limit::LabelBytes.max()))).collect();
    assert_eq!(largest.check(), Ok(()));
    let mut world = World::new();
    let submit = codec::encode_command(&Command::Submit(world.submission(largest)));
    assert!(submit.len() <= COMMAND_BYTES_MAX, "{} bytes", submit.len());
    let bytes = vec![1; usize::try_from(Limit::OutputTailBytes.max()).unwrap()];
    let tail = Tail { bytes, dropped: Bytes(u64::MAX) };
    let tails = Tails { stdout: tail.clone(), stderr: tail };
    let end =
        EndAttempt { job: JobId(u128::MAX), fence: Fence(u64::MAX), end: ended(Exit::Code(1)), tails, refill: true };
    assert!(codec::encode_command(&Command::EndAttempt(end)).len() <= COMMAND_BYTES_MAX);
}
