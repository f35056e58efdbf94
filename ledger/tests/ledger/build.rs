//! Builders of input: a plain specification and small changes to it.

use std::collections::BTreeMap;

use quorla_ledger::{
    command::{Command, DrainNode, DrainOrder, RegisterNode, Request},
    ids::{BootId, NodeId, NodeKey, Principal},
    outcome::{AttemptEnd, Exit, Usage},
    spec::{Backoff, Constraint, Demand, JobSpec, Kill, LabelTest, Limits, Resources, RetryPolicy, Timeouts},
    units::{Bytes, MilliCpu, Millis},
};

pub(crate) const ALICE: Principal = Principal([0xa; 32]);
pub(crate) const BOB: Principal = Principal([0xb; 32]);

/// One slot, nothing else, no retry, no timeout.
pub(crate) fn plain() -> JobSpec {
    JobSpec {
        name: "job".into(),
        queue: "default".into(),
        priority: 50,
        command: vec!["true".into()],
        env: BTreeMap::new(),
        working_dir: None,
        stdin: Vec::new(),
        demand: Demand { resources: slots(1), constraints: Vec::new() },
        limits: Limits::default(),
        run_as: None,
        retry: RetryPolicy {
            attempts_max: 1,
            backoff: Backoff::Fixed(Millis(0)),
            jitter_percent: 0,
            exit_codes: Vec::new(),
        },
        timeouts: Timeouts::default(),
        not_before: None,
        kill: Kill { signal: 15, grace: Millis(5_000) },
        output_tail_max: Bytes(8_192),
        labels: BTreeMap::new(),
    }
}

/// The plain one with a change.
pub(crate) fn spec(change: impl FnOnce(&mut JobSpec)) -> JobSpec {
    let mut spec = plain();
    change(&mut spec);
    spec
}

/// May fail this often, with this pause between.
pub(crate) fn retried(attempts_max: u32, pause_ms: u64) -> JobSpec {
    spec(|spec| {
        spec.retry.attempts_max = attempts_max;
        spec.retry.backoff = Backoff::Fixed(Millis(pause_ms));
    })
}

pub(crate) fn wide(count: u32) -> JobSpec {
    spec(|spec| spec.demand.resources = slots(count))
}

pub(crate) fn urgent(priority: u8) -> JobSpec {
    spec(|spec| spec.priority = priority)
}

pub(crate) fn bound_to(label: &str, test: LabelTest) -> JobSpec {
    spec(|spec| spec.demand.constraints = vec![Constraint { label: label.into(), test }])
}

pub(crate) fn slots(count: u32) -> Resources {
    Resources { cpu: MilliCpu(0), memory: Bytes(0), slots: count }
}

pub(crate) fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect()
}

/// Nothing new for a node and no more said, or work again.
pub(crate) fn drain(request: &Request, node: NodeId, draining: bool) -> Command {
    let drain = draining.then(DrainOrder::default);
    Command::DrainNode(DrainNode { request: request.clone(), node, drain })
}

/// The registration of node number `n` in its epoch number `boot`.
pub(crate) fn registration(n: u8, boot: u128, capacity: Resources) -> RegisterNode {
    RegisterNode {
        key: NodeKey([n; 32]),
        name: format!("node-{n}"),
        capacity,
        labels: BTreeMap::new(),
        boot: BootId(boot),
        command_version: 1,
    }
}

pub(crate) fn ended(exit: Exit) -> AttemptEnd {
    AttemptEnd { exit, usage: Usage::default() }
}
