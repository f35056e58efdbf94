//! A leader's orders as they are sent: what the ledger wants on a node, and the work that a start carries.

use quorla_actors::{
    dispatch::Dispatched,
    messages::{Listed, Order, Start, ToAgent, Work},
};
use quorla_ledger::{
    Ledger, array, codec,
    ids::{Fence, JobId, NodeId},
    ledger::Records,
    memory::MemoryTables,
    record::{JobRecord, Stored},
    spec::JobSpec,
    tables,
};

/// What the ledger wants on a node.
pub(super) fn listed(ledger: &Ledger, node: NodeId) -> Vec<Listed> {
    let Some(view) = ledger.node(node) else {
        return Vec::new();
    };
    let one = |(fence, job): (&Fence, &JobId)| {
        let stop = view.stopping().get(fence).copied();
        Listed { job: *job, fence: *fence, stop }
    };
    view.held().iter().map(one).collect()
}

/// An order as it is sent: a start carries its work, and is left out when its job has ended.
pub(super) fn in_words(dispatched: Dispatched, tables: &MemoryTables) -> Option<ToAgent> {
    match dispatched {
        Dispatched::Start(order) => Some(ToAgent::Start(Box::new(start(order, tables)?))),
        Dispatched::Stop(stop) => Some(ToAgent::Stop(stop)),
        Dispatched::Desired(desired) => Some(ToAgent::Desired(desired)),
    }
}

fn start(order: Order, tables: &MemoryTables) -> Option<Start> {
    let (record, spec) = match order.job.is_plain() {
        true => {
            let Stored::V1(record) = codec::decode::<Stored<JobRecord>>(&tables.read(&tables::live(order.job))?)?;
            let Stored::V1(spec) = codec::decode::<Stored<JobSpec>>(&tables.read(&tables::spec(order.job))?)?;
            (record, spec)
        }
        false => array::task_work(&|key| tables.read(key), order.job)?,
    };
    let work = Work {
        command: spec.command,
        env: spec.env,
        working_dir: spec.working_dir,
        stdin: spec.stdin,
        limits: spec.limits,
        run_as: spec.run_as,
        kill: spec.kill,
        output_tail_max: spec.output_tail_max,
        array_index: order.job.of_task().map(|(_, index)| index),
    };
    Some(Start { order, number: record.attempts_made, deadline: None, work })
}
