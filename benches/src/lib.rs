//! Input for the micro benches: a ledger in memory, with nodes, and batches of commands to apply to it.
//!
//! Knows only the ledger. What a whole cluster does is measured by `quorla bench`, with real processes.

use std::collections::BTreeMap;

use quorla_ledger::{
    Batch, BatchBuilder, Command, Defect, Entry, Ledger, Reply,
    codec::encode_command,
    command::{EndAttempt, RegisterNode, Request, Submit},
    ids::{BootId, JobId, NodeKey, Principal},
    memory::MemoryTables,
    outcome::{AttemptEnd, Exit, Tails, Usage},
    spec::{Backoff, Demand, JobSpec, Kill, Limits, Resources, RetryPolicy, Timeouts},
    units::{Bytes, MilliCpu, Millis},
};

/// The time of every command.
const NOW: Millis = Millis(1_700_000_000_000);

/// A ledger over tables in memory.
pub struct Bench {
    ledger: Ledger,
    tables: MemoryTables,
    index: u64,
    jobs: u128,
}

impl Bench {
    /// A ledger with this many nodes of 256 slots each.
    #[must_use]
    pub fn with_nodes(nodes: u8) -> Self {
        let mut bench =
            Self { ledger: Ledger::founding(Defect::None), tables: MemoryTables::default(), index: 1, jobs: 0 };
        let registrations: Vec<Command> = (0..nodes).map(registration).collect();
        bench.apply(&bench.entry(&registrations));
        bench
    }

    /// The encoded payload of an entry with these commands.
    #[must_use]
    pub fn entry(&self, commands: &[Command]) -> Vec<u8> {
        let mut builder = BatchBuilder::default();
        commands.iter().for_each(|command| builder.push(&encode_command(command)));
        builder.seal(NOW)
    }

    /// Submits of so many new jobs.
    pub fn submits(&mut self, jobs: usize) -> Vec<Command> {
        (0..jobs)
            .map(|_| {
                self.jobs += 1;
                let id = JobId::new(NOW, self.jobs);
                let request = Request { principal: Principal([1; 32]), id, key: None };
                Command::Submit(Submit { request, spec: spec(), seed: 7 })
            })
            .collect()
    }

    /// The ends of everything that runs, each of which makes room for the next.
    #[must_use]
    pub fn ends(&self, most: usize) -> Vec<Command> {
        let held = self.ledger.nodes().flat_map(|node| node.held().iter());
        let end = |(fence, job): (&_, &_)| {
            let end = AttemptEnd { exit: Exit::Code(0), usage: Usage::default() };
            Command::EndAttempt(EndAttempt { job: *job, fence: *fence, end, tails: Tails::default(), refill: true })
        };
        held.take(most).map(end).collect()
    }

    /// Applies one entry and stores what it changed.
    pub fn apply(&mut self, payload: &[u8]) -> Vec<Reply> {
        self.index += 1;
        let batch = Batch::parse(payload).expect("it was built here");
        let applied = self.ledger.apply(&Entry { index: self.index, batch }, &self.tables);
        self.tables.absorb(applied.changes);
        applied.replies
    }

    /// How many assignments the planner finds, at most `max`.
    #[must_use]
    pub fn plan(&self, max: usize) -> usize {
        self.ledger.plan(max).len()
    }
}

fn registration(node: u8) -> Command {
    Command::RegisterNode(RegisterNode {
        key: NodeKey([node; 32]),
        name: format!("n{node}"),
        capacity: Resources { cpu: MilliCpu(64_000), memory: Bytes(1 << 40), slots: 256 },
        labels: BTreeMap::new(),
        boot: BootId(1),
        command_version: 1,
    })
}

fn spec() -> JobSpec {
    JobSpec {
        name: "true".to_owned(),
        queue: "default".to_owned(),
        priority: 50,
        command: vec!["/bin/true".to_owned()],
        env: BTreeMap::new(),
        working_dir: None,
        stdin: Vec::new(),
        demand: Demand { resources: Resources { slots: 1, ..Resources::default() }, constraints: Vec::new() },
        limits: Limits::default(),
        run_as: None,
        retry: RetryPolicy {
            attempts_max: 1,
            backoff: Backoff::Fixed(Millis(1_000)),
            jitter_percent: 20,
            exit_codes: Vec::new(),
        },
        timeouts: Timeouts::default(),
        not_before: None,
        kill: Kill { signal: 15, grace: Millis(10_000) },
        output_tail_max: Bytes(8_192),
        labels: BTreeMap::new(),
    }
}
