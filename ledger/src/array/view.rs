//! One task as a job, read from whatever holds the tables: the only way to know a task that never had a place.

use serde::de::DeserializeOwned;

use super::{ArrayProgress, ArrayRecord, TaskPage, TaskRecord, expand};
use crate::{
    codec,
    ids::JobId,
    limits::ITEMS_PER_BLOCK,
    record::{JobRecord, JobState, Stored},
    spec::JobSpec,
    tables,
};

/// An array as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// What it is.
    pub record: ArrayRecord,
    /// How far it is.
    pub progress: ArrayProgress,
}

/// An array, live or ended; nothing for what is none, or is being removed.
pub fn kept(read: &dyn Fn(&[u8]) -> Option<Vec<u8>>, array: JobId) -> Option<Kept> {
    let record = record(read, &tables::array(array))?;
    let live = self::record(read, &tables::live_array(array));
    let progress: ArrayProgress = live.or_else(|| self::record(read, &tables::ended_array(array)))?;
    let expiring = matches!(progress.state, super::ArrayState::Expiring { .. });
    (!expiring).then_some(Kept { record, progress })
}

/// A task, live, ended or waiting; nothing for what is none.
pub fn task_record(read: &dyn Fn(&[u8]) -> Option<Vec<u8>>, task: JobId) -> Option<JobRecord> {
    let (array, index) = task.of_task()?;
    let Kept { record, progress } = kept(read, array).filter(|kept| kept.record.covers(index))?;
    let stored = self::record::<TaskRecord>(read, &tables::live_task(task))
        .or_else(|| self::record(read, &tables::ended_task(task)));
    let stored = match stored {
        Some(stored) => stored,
        None => progress.unrecorded(&record, read, index)?,
    };
    let mut job = record.task(index, stored);
    if matches!(job.state, JobState::Cancelled { .. } | JobState::Stopping { .. }) {
        job.cancel_reason = job.cancel_reason.or(progress.cancel_reason);
    }
    Some(job)
}

/// A task as a job, with what its item makes of the array's specification.
pub fn task_work(read: &dyn Fn(&[u8]) -> Option<Vec<u8>>, task: JobId) -> Option<(JobRecord, JobSpec)> {
    let (array, index) = task.of_task()?;
    let job = task_record(read, task)?;
    let kept = kept(read, array)?;
    let mut spec: JobSpec = record(read, &tables::spec(array))?;
    spec.command = expand(spec.command, &item(read, &kept.record, index)?);
    Some((job, spec))
}

/// What a task's `{}` stands for: its item, or its index where the array has none.
pub fn item(read: &dyn Fn(&[u8]) -> Option<Vec<u8>>, array: &ArrayRecord, index: u32) -> Option<String> {
    let Some(items_of) = array.items_of else { return Some(index.to_string()) };
    let block: Vec<String> = record(read, &tables::items(items_of, index / ITEMS_PER_BLOCK))?;
    let place = usize::try_from(index % ITEMS_PER_BLOCK).expect("a block fits memory");
    block.into_iter().nth(place)
}

impl ArrayProgress {
    fn unrecorded(
        &self,
        record: &ArrayRecord,
        read: &dyn Fn(&[u8]) -> Option<Vec<u8>>,
        index: u32,
    ) -> Option<TaskRecord> {
        let page = self.holed.then(|| self::record::<TaskPage>(read, &tables::holes(self.id, TaskPage::of(index))));
        let is_hole = page.flatten().is_some_and(|page| page.has(index));
        (index >= self.next && !is_hole).then(|| TaskRecord::fresh(self.state_of_waiting(), record.first_event))
    }
}

fn record<T: DeserializeOwned>(read: &dyn Fn(&[u8]) -> Option<Vec<u8>>, key: &[u8]) -> Option<T> {
    codec::decode(&read(key)?).map(|Stored::V1(record)| record)
}
