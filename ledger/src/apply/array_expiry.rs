//! Ended arrays are removed piece by piece: tasks, items, and at last what says that there was an array (R8, R24).
//!
//! How far it is stands in the array's progress, so that whoever leads goes on. An array whose items others read stays.

use crate::{
    apply::{Outcome, transaction::Transaction},
    array::{ArrayProgress, ArrayRecord, ArrayState, ExpiryStep, TaskRecord},
    ids::JobId,
    ledger::Records,
    limits::{ARRAY_EXPIRY_RECORDS_MAX, ITEMS_PER_BLOCK},
    reply::{Refusal, Reply},
    tables,
    units::Millis,
};

/// Records of one task at the most: itself and its output.
const TASK_RECORDS_MAX: usize = crate::limits::ATTEMPTS_KEPT_MAX + 1;

impl<R: Records> Transaction<'_, R> {
    pub(crate) fn expire_array(&mut self, id: JobId) -> Outcome {
        let key = tables::ended_array(id);
        let mut progress: ArrayProgress = self.read(&key).ok_or(Refusal::ExpiryIsStale)?;
        if progress.borrowers > 0 {
            return Err(Refusal::ExpiryIsStale);
        }
        let record: ArrayRecord = self.read(&tables::array(id)).expect("an array's record goes last");
        let at = progress.ended_at().expect("an array of this table has ended");
        let step = match progress.state {
            ArrayState::Expiring { step, .. } => step,
            _ => ExpiryStep::Tasks(record.first),
        };
        let before = self.records_touched();
        let next = match step {
            ExpiryStep::Tasks(from) => Some(self.forget_tasks(&record, from)),
            ExpiryStep::Items(from) => Some(self.forget_items(&record, from)),
            ExpiryStep::Rest => None,
        };
        match next {
            Some(step) => {
                progress.state = ArrayState::Expiring { at, step };
                self.put(key, &progress);
            }
            None => self.forget_array(&record, &progress, at),
        }
        let records = self.records_touched() - before;
        Ok(Reply::Expired { records: u32::try_from(records).expect("bounded by R8") })
    }

    /// Looks at a bounded number of tasks, with a record or without.
    fn forget_tasks(&mut self, record: &ArrayRecord, from: u32) -> ExpiryStep {
        let before = self.records_touched();
        let looked = u32::try_from(ARRAY_EXPIRY_RECORDS_MAX).expect("a small bound");
        for index in from..=record.last {
            let full = self.records_touched() - before > ARRAY_EXPIRY_RECORDS_MAX - TASK_RECORDS_MAX;
            if full || index - from >= looked {
                return ExpiryStep::Tasks(index);
            }
            let task = record.id.task(index);
            let key = tables::ended_task(task);
            let Some(stored) = self.read::<TaskRecord>(&key) else { continue };
            for attempt in &stored.attempts {
                self.delete(tables::tails(task, attempt.placed.fence));
            }
            self.delete(key);
        }
        ExpiryStep::Items(0)
    }

    fn forget_items(&mut self, record: &ArrayRecord, from: u32) -> ExpiryStep {
        if record.items_of != Some(record.id) {
            return ExpiryStep::Rest;
        }
        let blocks = record.last / ITEMS_PER_BLOCK + 1;
        let most = u32::try_from(ARRAY_EXPIRY_RECORDS_MAX).expect("a small bound");
        let upto = blocks.min(from + most);
        (from..upto).for_each(|block| self.delete(tables::items(record.id, block)));
        if upto == blocks { ExpiryStep::Rest } else { ExpiryStep::Items(upto) }
    }

    fn forget_array(&mut self, record: &ArrayRecord, progress: &ArrayProgress, at: Millis) {
        let id = record.id;
        for page in record.pages() {
            self.delete(tables::holes(id, page));
            self.delete(tables::unsucceeded(id, page));
        }
        self.delete(tables::array(id));
        self.delete(tables::ended_array(id));
        self.delete(tables::array_ended_at(at, id));
        self.delete(tables::spec(id));
        if let Some(owner) = record.items_of.filter(|owner| *owner != id) {
            self.lend_items(owner, |borrowers| borrowers - 1);
        }
        let meta = self.meta();
        meta.ended_arrays -= 1;
        meta.ended_tasks -= u64::from(record.tasks);
        meta.ended_array_bytes.0 -= progress.kept_bytes.0;
    }
}
