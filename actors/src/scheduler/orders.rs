//! Orders made whole: what dispatch decided, with what an executor needs, read from the ledger's records.

use quorla_ledger::{
    array, codec,
    ids::{Fence, JobId},
    ledger::Records,
    record::{JobRecord, Stored},
    spec::JobSpec,
    tables,
    units::Millis,
};

use crate::{
    dispatch::Dispatched,
    messages::{Order, Start, ToAgent, Work},
};

/// Where a job that repeats a task keeps its index.
const ARRAY_INDEX: &str = "QUORLA_ARRAY_INDEX";

/// The message for an agent; nothing for an attempt that has ended since.
pub(super) fn message(dispatched: Dispatched, records: &dyn Records) -> Option<ToAgent> {
    match dispatched {
        Dispatched::Start(order) => start(order, records).map(|start| ToAgent::Start(Box::new(start))),
        Dispatched::Stop(stop) => Some(ToAgent::Stop(stop)),
        Dispatched::Desired(desired) => Some(ToAgent::Desired(desired)),
    }
}

fn start(order: Order, records: &dyn Records) -> Option<Start> {
    let (job, spec) = match order.job.is_plain() {
        true => {
            let Stored::V1(job) = codec::decode::<Stored<JobRecord>>(&records.read(&tables::live(order.job))?)?;
            let Stored::V1(spec) = codec::decode::<Stored<JobSpec>>(&records.read(&tables::spec(order.job))?)?;
            (job, spec)
        }
        false => array::task_work(&|key| records.read(key), order.job)?,
    };
    let placed = job.state.placed().filter(|placed| placed.fence == order.fence)?;
    let attempt = job.timeouts.attempt.map(|timeout| placed.at.after(timeout));
    let whole = job.timeouts.job.map(|timeout| job.submitted_at.after(timeout));
    let deadline: Option<Millis> = [attempt, whole].into_iter().flatten().min();
    let JobSpec { command, mut env, working_dir, stdin, limits, run_as, kill, output_tail_max, .. } = spec;
    // A job that repeats a task has its index among its variables, where no client can put one.
    let index = env.remove(ARRAY_INDEX).and_then(|index| index.parse().ok());
    let array_index = order.job.of_task().map(|(_, index)| index).or(index);
    let work = Work { command, env, working_dir, stdin, limits, run_as, kill, output_tail_max, array_index };
    log(order.job, order.fence);
    Some(Start { order, number: job.attempts_made, deadline, work })
}

fn log(job: JobId, fence: Fence) {
    tracing::debug!(%job, fence = fence.0, "an attempt is sent to its node");
}
