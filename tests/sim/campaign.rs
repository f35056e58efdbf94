//! Many seeds on all cores, and what they must show together.

use std::{
    env,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use quorla_ledger::Defect;

use super::{
    census::Census,
    world::{Run, run, run_aloud},
};

/// Seeds of a plain test run.
const SEEDS: u64 = 1_000;

/// What must have happened at least so often in a thousand seeds: faults, and operations that succeeded in spite of them.
const FLOORS: &[(&str, u64)] = &[
    ("submit acknowledged", 15_000),
    ("process spawned", 20_000),
    ("array acknowledged", 500),
    ("array retried", 5),
    ("job paused", 400),
    ("queue paused", 300),
    ("linearizable read answered", 2_500),
    ("renewal acknowledged", 25_000),
    ("key used again for the same job", 1_000),
    ("key used for another job", 400),
    ("node killed", 3_000),
    ("node frozen", 2_500),
    ("snapshot installed", 500),
    ("partition", 2_000),
    ("one-way partition", 1_000),
    ("leader isolated", 400),
    ("leader deposed", 2_000),
    ("leader stepped down", 1_500),
    ("batch survived its leader", 1_000),
    ("batch lost with its leader", 1_000),
    ("quorum round failed", 5_000),
    ("lapse proposed", 2_500),
    ("warden struck", 700),
    ("wall clock jumped", 900),
    ("executor slowed down", 1_000),
    ("disk filled", 500),
    ("request refused for want of disk", 100),
    ("message lost", 7_000),
    ("message repeated", 1_500),
    ("message late", 7_000),
    ("message strayed", 400),
    ("message met a cut", 10_000),
    ("proposal lost", 300),
    ("proposal repeated", 1_000),
    ("proposal outlived its caller's patience", 1_000),
    ("request forwarded", 8_000),
    ("outcome of a try unknown", 10_000),
    ("drained node cleared", 50),
];

/// A seed that failed, and how.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) seed: u64,
    pub(super) broken: String,
    pub(super) what: String,
}

/// Runs the seeds `0..count` until one fails that counts; the lowest of those that ran, and what happened in all.
pub(super) fn run_seeds(
    count: u64,
    defect: Defect,
    counts: impl Fn(&Failure) -> bool + Sync,
) -> (Option<Failure>, Census) {
    let next = AtomicU64::new(0);
    let gathered = Mutex::new((None::<Failure>, Census::default()));
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= count {
                        break;
                    }
                    let (failure, census) = caught(seed, || run(seed, defect));
                    let mut gathered = gathered.lock().unwrap_or_else(PoisonError::into_inner);
                    gathered.1.add(&census);
                    if let Some(failure) = failure.filter(&counts) {
                        next.store(count, Ordering::Relaxed);
                        if gathered.0.as_ref().is_none_or(|known| failure.seed < known.seed) {
                            gathered.0 = Some(failure);
                        }
                    }
                }
            });
        }
    });
    gathered.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Runs one seed; an assertion of the code under test that fails is a failure of the seed.
fn caught(seed: u64, run: impl FnOnce() -> Run) -> (Option<Failure>, Census) {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Run { violation, census, .. }) => {
            let failure = violation.map(|violation| Failure {
                seed,
                broken: violation.invariant.to_owned(),
                what: violation.to_string(),
            });
            (failure, census)
        }
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            let what = format!("an assertion failed: {}", text.unwrap_or_default());
            (Some(Failure { seed, broken: "assertion".to_owned(), what }), Census::default())
        }
    }
}

fn number_from(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}

fn must_pass(failure: Option<&Failure>) {
    if let Some(Failure { seed, what, .. }) = failure {
        panic!("seed {seed}: {what}\n\nreplay it: make sim SEED={seed}\n");
    }
}

#[test]
fn every_seed_keeps_every_invariant() {
    if let Some(seed) = number_from("QUORLA_SIM_SEED") {
        let (failure, census) = caught(seed, || run_aloud(seed));
        println!("{}", census.table());
        return must_pass(failure.as_ref());
    }
    let count = number_from("QUORLA_SIM_SEEDS").unwrap_or(SEEDS);
    let (failure, census) = run_seeds(count, Defect::None, |_| true);
    println!("{count} seeds:\n{}", census.table());
    must_pass(failure.as_ref());
    for (what, floor) in FLOORS {
        let due = floor * count / SEEDS;
        assert!(census.of(what) >= due, "{what}: {} times in {count} seeds, {due} are due", census.of(what));
    }
}

#[test]
fn the_same_seed_does_the_same() {
    for seed in [1, 77, 4_242] {
        let (one, other) = (run(seed, Defect::None), run(seed, Defect::None));
        assert_eq!(one.trace, other.trace, "seed {seed}");
    }
    assert_ne!(run(1, Defect::None).trace, run(2, Defect::None).trace);
}
