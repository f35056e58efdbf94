//! How fast one thread applies: submits in full batches, then ends of attempts that each refill their place.
//!
//! `cargo run --release -p quorla-benches --example apply_rate`
#![allow(clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use quorla_ledger::{
    Entry, Ledger, Records,
    batch::{Batch, BatchBuilder},
    codec,
    command::{Command, EndAttempt, RegisterNode, Request, Submit},
    defect::Defect,
    ids::{BootId, Fence, JobId, NodeKey, Principal},
    limits::BATCH_COMMANDS_MAX,
    outcome::{AttemptEnd, Exit, Tail, Tails, Usage},
    spec::{Backoff, Demand, JobSpec, Kill, Resources, RetryPolicy, Timeouts},
    units::{Bytes, MilliCpu, Millis},
};

const NOW: Millis = Millis(1_700_000_000_000);
const JOBS: u64 = 200 * BATCH_COMMANDS_MAX as u64;

struct Replica {
    ledger: Ledger,
    stored: Stored,
    index: u64,
}

/// Records in a hash table: the cheapest look-up there is, so that the rate is the ledger's own.
#[derive(Default)]
struct Stored(HashMap<Vec<u8>, Vec<u8>>);

impl Records for Stored {
    fn read(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.get(key).cloned()
    }
}

fn main() {
    let mut replica = Replica::new();
    replica.measure("submit, nothing free", (0..JOBS).map(|n| submit(n, false)).collect());
    let mut replica = Replica::new();
    replica.measure("submit with a key", (0..JOBS).map(|n| submit(n, true)).collect());
    for n in 0..3 {
        replica.measure("", vec![register(n)]);
    }
    let assigns = replica.ledger.plan(3 * 256).into_iter().map(Command::Assign).collect();
    replica.measure("assign", assigns);
    replica.finish_all();
}

impl Replica {
    fn new() -> Self {
        Self { ledger: Ledger::founding(Defect::None), stored: Stored::default(), index: 1 }
    }

    /// Applies the commands in full batches and prints the rate of apply alone; the tables are another's work.
    fn measure(&mut self, what: &str, commands: Vec<Command>) {
        let batches: Vec<_> = commands.chunks(BATCH_COMMANDS_MAX).map(|commands| self.apply(commands)).collect();
        if !what.is_empty() {
            print_rate(what, batches);
        }
    }

    /// Ends what runs, batch by batch, until nothing is left.
    fn finish_all(&mut self) {
        let mut batches = Vec::new();
        loop {
            let held = self.ledger.nodes().flat_map(|node| node.held());
            let ends: Vec<Command> = held.take(BATCH_COMMANDS_MAX).map(|(fence, job)| end(*job, *fence)).collect();
            if ends.is_empty() {
                return print_rate("end an attempt and refill", batches);
            }
            batches.push(self.apply(&ends));
        }
    }

    fn apply(&mut self, commands: &[Command]) -> Duration {
        let mut builder = BatchBuilder::default();
        commands.iter().for_each(|command| builder.push(&codec::encode_command(command)));
        let payload = builder.seal(NOW);
        self.index += 1;
        let begin = Instant::now();
        let batch = Batch::parse(&payload).unwrap();
        let applied = self.ledger.apply(&Entry { index: self.index, batch }, &self.stored);
        let spent = begin.elapsed();
        for (key, value) in applied.changes {
            match value {
                Some(value) => self.stored.0.insert(key, value),
                None => self.stored.0.remove(&key),
            };
        }
        spent
    }
}

/// The median batch decides, so that a machine with other work to do does not blur the figure.
fn print_rate(what: &str, mut batches: Vec<Duration>) {
    batches.sort_unstable();
    let full = f64::from(u32::try_from(BATCH_COMMANDS_MAX).unwrap());
    let per_second = |batch: Duration| full / batch.as_secs_f64();
    let (best, median) = (per_second(batches[0]), per_second(batches[batches.len() / 2]));
    println!("{what}: {median:.0}/s in the median batch, {best:.0}/s in the best one, of {} batches", batches.len());
}

fn submit(n: u64, keyed: bool) -> Command {
    // Random parts as clients draw them: spread out, not in order.
    let random = u128::from(n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let request = Request {
        principal: Principal([1; 32]),
        id: JobId::new(NOW, random),
        key: keyed.then(|| format!("order-{n}")),
    };
    Command::Submit(Submit { request, spec: spec(n), seed: n })
}

fn spec(n: u64) -> JobSpec {
    JobSpec {
        name: format!("job-{n}"),
        queue: "default".into(),
        priority: 50,
        command: vec!["/bin/true".into()],
        env: BTreeMap::new(),
        working_dir: None,
        stdin: Vec::new(),
        demand: Demand { resources: resources(1), constraints: Vec::new() },
        retry: RetryPolicy {
            attempts_max: 3,
            backoff: Backoff::Exponential { base: Millis(1_000), max: Millis(60_000) },
            jitter_percent: 20,
            exit_codes: Vec::new(),
        },
        timeouts: Timeouts { queue: None, attempt: Some(Millis(3_600_000)), job: None },
        not_before: None,
        kill: Kill { signal: 15, grace: Millis(5_000) },
        output_tail_max: Bytes(8_192),
        labels: BTreeMap::new(),
    }
}

fn resources(slots: u32) -> Resources {
    Resources { cpu: MilliCpu(100 * u64::from(slots)), memory: Bytes(1 << 20), slots }
}

fn register(n: u8) -> Command {
    let capacity = Resources { memory: Bytes(1 << 40), ..resources(256) };
    let (name, labels) = (format!("node-{n}"), BTreeMap::new());
    let boot = BootId(u128::from(n));
    Command::RegisterNode(RegisterNode { key: NodeKey([n; 32]), name, capacity, labels, boot, command_version: 1 })
}

fn end(job: JobId, fence: Fence) -> Command {
    let end = AttemptEnd { exit: Exit::Code(0), usage: Usage::default() };
    let stdout = Tail { bytes: b"hello from a job\n".to_vec(), dropped: Bytes(0) };
    let tails = Tails { stdout, stderr: Tail::default() };
    Command::EndAttempt(EndAttempt { job, fence, end, tails, refill: true })
}
