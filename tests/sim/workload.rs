//! What clients ask for: small and large jobs, with retries, deadlines, delays, constraints and idempotency keys.
//!
//! Owns what a job's process does, which is written in its command line. Every job can end: each fits an idle cluster.

use std::collections::BTreeMap;

use quorla_ledger::{
    command::Tasks,
    spec::{Backoff, Constraint, Demand, JobSpec, Kill, LabelTest, Limits, Resources, RetryPolicy, Timeouts},
    units::{Bytes, MilliCpu, Millis},
};

use super::{dice::Dice, messages::Site};

/// What every node has.
pub(super) const CAPACITY: Resources = Resources { cpu: MilliCpu(4_000), memory: Bytes(1 << 30), slots: 4 };
const SIGTERM: u8 = 15;

/// What a process does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Behaviour {
    pub(super) runs_ms: u64,
    /// So many attempts fail before one succeeds.
    pub(super) failures: u32,
    /// Ends by force only.
    pub(super) stubborn: bool,
}

impl Behaviour {
    fn drawn(dice: &mut Dice) -> Self {
        let runs_ms = match dice.between(0, 99) {
            0..=5 => dice.between(12_000, 30_000),
            6..=19 => dice.between(2_000, 9_000),
            _ => dice.between(20, 1_500),
        };
        let failures = if dice.chance(300) { u32::try_from(dice.between(1, 4)).expect("few") } else { 0 };
        Self { runs_ms, failures, stubborn: dice.chance(200) }
    }

    fn command(self) -> Vec<String> {
        let Self { runs_ms, failures, stubborn } = self;
        vec!["work".to_owned(), runs_ms.to_string(), failures.to_string(), stubborn.to_string()]
    }

    /// The behaviour that a command line asks for.
    pub(super) fn read(command: &[String]) -> Self {
        let [_, runs_ms, failures, stubborn] = command else { panic!("not a line of ours: {command:?}") };
        Self {
            runs_ms: runs_ms.parse().expect("a number"),
            failures: failures.parse().expect("a number"),
            stubborn: stubborn.parse().expect("yes or no"),
        }
    }

    /// How it ends when it is left alone.
    pub(super) const fn exit_code(self, attempt: u32) -> u8 {
        if attempt <= self.failures { 3 } else { 0 }
    }
}

/// Labels of the node on a machine: half the machines are in each zone.
pub(super) fn labels_of(site: Site) -> BTreeMap<String, String> {
    let zone = if site.0.is_multiple_of(2) { "even" } else { "odd" };
    BTreeMap::from([("zone".to_owned(), zone.to_owned())])
}

/// A job drawn at ledger time `now`.
pub(super) fn spec(dice: &mut Dice, now: Millis) -> JobSpec {
    JobSpec {
        name: "simulated".to_owned(),
        queue: queue(dice),
        priority: u8::try_from(dice.between(0, 3) * 10).expect("small"),
        command: Behaviour::drawn(dice).command(),
        env: BTreeMap::new(),
        working_dir: None,
        stdin: Vec::new(),
        demand: demand(dice),
        limits: Limits::default(),
        run_as: None,
        retry: retry(dice),
        timeouts: timeouts(dice),
        not_before: dice.chance(120).then(|| now.after(Millis(dice.between(500, 8_000)))),
        kill: Kill { signal: SIGTERM, grace: Millis(dice.between(50, 1_500)) },
        output_tail_max: Bytes(8 * 1_024),
        labels: BTreeMap::new(),
    }
}

/// What the tasks of an array are: a job that is over soon, for one may run after the other.
pub(super) fn spec_of_tasks(dice: &mut Dice, now: Millis) -> JobSpec {
    let runs_ms = dice.between(20, 2_500);
    let failures = if dice.chance(300) { 1 } else { 0 };
    let command = Behaviour { runs_ms, failures, stubborn: dice.chance(300) }.command();
    JobSpec { command, ..spec(dice, now) }
}

/// The highest index of a task.
pub(super) const LAST_INDEX_MAX: u64 = 6;

/// Which tasks an array has, and how many may run at once.
pub(super) fn tasks(dice: &mut Dice) -> (Tasks, Option<u32>) {
    let first = dice.between(0, 2);
    let [first, last] = [first, dice.between(first, LAST_INDEX_MAX)].map(|index| u32::try_from(index).expect("small"));
    let running_max = dice.chance(600).then(|| if dice.chance(700) { 1 } else { 2 });
    (Tasks::Range { first, last }, running_max)
}

/// One of the queues that jobs are spread over.
pub(super) fn queue(dice: &mut Dice) -> String {
    if dice.chance(600) { "default".to_owned() } else { format!("queue-{}", dice.between(1, 2)) }
}

fn demand(dice: &mut Dice) -> Demand {
    let resources = if dice.chance(120) {
        CAPACITY
    } else {
        let slots = u32::try_from(dice.between(1, 2)).expect("small");
        Resources { cpu: MilliCpu(dice.between(1, 15) * 100), memory: Bytes(1 << 20), slots }
    };
    let test = dice.chance(150).then(|| match dice.between(0, 3) {
        0 => LabelTest::Is("even".to_owned()),
        1 => LabelTest::IsNot("even".to_owned()),
        2 => LabelTest::In(vec!["odd".to_owned(), "none".to_owned()]),
        _ => LabelTest::Exists,
    });
    let constraints = test.into_iter().map(|test| Constraint { label: "zone".to_owned(), test }).collect();
    Demand { resources, constraints }
}

fn retry(dice: &mut Dice) -> RetryPolicy {
    let base = Millis(dice.between(0, 800));
    let backoff =
        if dice.chance(500) { Backoff::Fixed(base) } else { Backoff::Exponential { base, max: Millis(4_000) } };
    RetryPolicy {
        attempts_max: u32::try_from(dice.between(1, 5)).expect("small"),
        backoff,
        jitter_percent: u8::try_from(dice.between(0, 100)).expect("a percentage"),
        exit_codes: if dice.chance(200) { vec![3, 4] } else { Vec::new() },
    }
}

fn timeouts(dice: &mut Dice) -> Timeouts {
    Timeouts {
        queue: dice.chance(60).then(|| Millis(dice.between(10_000, 60_000))),
        attempt: dice.chance(200).then(|| Millis(dice.between(500, 6_000))),
        job: dice.chance(80).then(|| Millis(dice.between(10_000, 90_000))),
    }
}
