//! R5: what an array counts is what its tasks' records show, each counted once, and one that ended has only ended tasks.

use quorla_ledger::{
    Records, Tables,
    array::{Kept, TaskCounts, kept, task_record},
    ids::JobId,
    memory::MemoryTables,
    record::JobState,
    tables::Table,
};

use super::{Fact, Invariant};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct ArraysAddUp;

impl Invariant for ArraysAddUp {
    fn name(&self) -> &'static str {
        "R5"
    }

    fn hear(&mut self, fact: &Fact<'_>) -> Result<(), String> {
        let (Fact::LeaderIsReady { tables, .. } | Fact::ItIsOver { tables }) = fact else { return Ok(()) };
        arrays(tables).into_iter().try_for_each(|array| check(tables, array))?;
        match (fact, live(tables)) {
            (Fact::ItIsOver { .. }, tasks) if tasks > 0 => Err(format!("{tasks} tasks are live at last")),
            _ => Ok(()),
        }
    }
}

fn check(tables: &MemoryTables, array: JobId) -> Result<(), String> {
    let Some(Kept { record, progress }) = kept(&|key| tables.read(key), array) else {
        return Err(format!("{array} has no progress"));
    };
    let mut counted = TaskCounts::default();
    for index in record.first..=record.last {
        let Some(task) = task_record(&|key| tables.read(key), array.task(index)) else { continue };
        let never_ran = task.attempts_made == 0;
        let count = match task.state {
            JobState::Delayed { .. } => &mut counted.waiting,
            JobState::Queued { .. } if never_ran => &mut counted.waiting,
            JobState::Queued { .. } => &mut counted.queued,
            JobState::Running(_) => &mut counted.running,
            JobState::Stopping { .. } => &mut counted.stopping,
            JobState::BackingOff { .. } => &mut counted.backing_off,
            JobState::Succeeded { .. } => &mut counted.succeeded,
            JobState::Failed { .. } => &mut counted.failed,
            JobState::Cancelled { .. } => &mut counted.cancelled,
            JobState::DeadlineExceeded { .. } => &mut counted.deadline_exceeded,
        };
        *count += 1;
    }
    let ended = progress.ended_at().is_some();
    if counted != progress.counts || counted.all() != record.tasks || ended != (counted.live() == 0) {
        return Err(format!("{array} of {} tasks counts {:?}, and has {counted:?}", record.tasks, progress.counts));
    }
    Ok(())
}

fn arrays(tables: &MemoryTables) -> Vec<JobId> {
    let mut arrays = Vec::new();
    tables.scan(&Table::Arrays.prefix(), &mut |key, _| {
        let id: [u8; 16] = key[1..].try_into().expect("a key is a tag and an id");
        arrays.push(JobId(u128::from_be_bytes(id)));
    });
    arrays
}

fn live(tables: &MemoryTables) -> usize {
    let mut live = 0;
    tables.scan(&Table::LiveTasks.prefix(), &mut |_, _| live += 1);
    live
}
