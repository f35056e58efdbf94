//! What is kept for how long, and which records are the oldest beyond that (R10, R12, R24).
//!
//! Owns the choice of candidates; apply checks them again and does the removing. Reads a bounded number of records from
//! the old end of a table, never a whole one.

use quorla_ledger::{
    codec,
    event::EventPage,
    ids::{JobId, RequestId},
    ledger::{Records, Tables},
    limits::{
        DEDUP_RECORDS_MAX, DEDUP_WINDOW, ENDED_ARRAY_BYTES_MAX, ENDED_ARRAYS_MAX, ENDED_BYTES_MAX, ENDED_JOBS_AGE_MAX,
        ENDED_JOBS_MAX, ENDED_TASKS_MAX, EVENTS_AGE_MAX, EVENTS_BYTES_MAX,
    },
    memory::MemoryTables,
    record::{JobRecord, MetaRecord, Stored},
    tables::{self, Table},
    units::{Bytes, Millis},
};

/// Stored records, oldest first.
pub trait History: Records {
    /// The first records of a table in key order, at most `max`.
    fn oldest(&self, table: Table, max: usize) -> Vec<(Vec<u8>, Vec<u8>)>;
}

/// What is kept. Requests have no setting: their window is the clients' promise, and apply's (R10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Ended jobs and arrays by age.
    pub jobs_age_max: Millis,
    /// Ended jobs by number.
    pub jobs_max: u64,
    /// Ended jobs by bytes of records, specifications and tails.
    pub jobs_bytes_max: Bytes,
    /// Ended arrays by number.
    pub arrays_max: u64,
    /// Ended arrays by the number of their tasks.
    pub tasks_max: u64,
    /// Ended arrays by bytes of all that is stored of them.
    pub arrays_bytes_max: Bytes,
    /// Events by age.
    pub events_age_max: Millis,
    /// Events by bytes.
    pub events_bytes_max: Bytes,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            jobs_age_max: ENDED_JOBS_AGE_MAX,
            jobs_max: ENDED_JOBS_MAX,
            jobs_bytes_max: Bytes(ENDED_BYTES_MAX),
            arrays_max: ENDED_ARRAYS_MAX,
            tasks_max: ENDED_TASKS_MAX,
            arrays_bytes_max: Bytes(ENDED_ARRAY_BYTES_MAX),
            events_age_max: EVENTS_AGE_MAX,
            events_bytes_max: Bytes(EVENTS_BYTES_MAX),
        }
    }
}

impl Retention {
    /// Ended jobs to remove, oldest end first.
    pub(super) fn jobs(&self, meta: &MetaRecord, history: &dyn History, now: Millis, max: usize) -> Vec<JobId> {
        let mut surplus = meta.ended_jobs.saturating_sub(self.jobs_max);
        let mut surplus_bytes = meta.ended_bytes.0.saturating_sub(self.jobs_bytes_max.0);
        let mut jobs = Vec::new();
        for (key, _) in history.oldest(Table::EndedAt, max) {
            let Some((at, job)) = tables::job_of_ended_at(&key) else { break };
            if surplus == 0 && surplus_bytes == 0 && at.after(self.jobs_age_max) >= now {
                break;
            }
            surplus = surplus.saturating_sub(1);
            if surplus_bytes > 0 {
                surplus_bytes = surplus_bytes.saturating_sub(kept_bytes(history, job));
            }
            jobs.push(job);
        }
        jobs
    }

    /// The ended array to go on removing, oldest end first. It goes as a whole, and with it all its tasks; one whose items
    /// another array reads stays until that one is gone.
    pub(super) fn array(&self, meta: &MetaRecord, history: &dyn History, now: Millis) -> Option<JobId> {
        let surplus = meta.ended_arrays > self.arrays_max
            || meta.ended_tasks > self.tasks_max
            || meta.ended_array_bytes > self.arrays_bytes_max;
        let oldest = history.oldest(Table::ArrayEndedAt, 1);
        let due = oldest.first().and_then(|(key, _)| tables::array_of_ended_at(key));
        due.filter(|(at, _)| surplus || at.after(self.jobs_age_max) < now).map(|(_, array)| array)
    }

    /// Requests to forget, oldest first.
    pub(super) fn requests(&self, meta: &MetaRecord, history: &dyn History, now: Millis, max: usize) -> Vec<RequestId> {
        let mut surplus = meta.requests.saturating_sub(DEDUP_RECORDS_MAX);
        let mut requests = Vec::new();
        for (key, _) in history.oldest(Table::Requests, max) {
            let Some(request) = tables::request_of(&key) else { break };
            if surplus == 0 && request.born_at().after(DEDUP_WINDOW) >= now {
                break;
            }
            surplus = surplus.saturating_sub(1);
            requests.push(request);
        }
        requests
    }

    /// Pages of events to remove, oldest first.
    pub(super) fn event_pages(&self, meta: &MetaRecord, history: &dyn History, now: Millis, max: usize) -> Vec<u64> {
        let mut surplus_bytes = meta.event_bytes.0.saturating_sub(self.events_bytes_max.0);
        let mut pages = Vec::new();
        for (_, value) in history.oldest(Table::Events, max) {
            let Some(Stored::V1(page)) = codec::decode::<Stored<EventPage>>(&value) else { break };
            if surplus_bytes == 0 && page.at.after(self.events_age_max) >= now {
                break;
            }
            surplus_bytes = surplus_bytes.saturating_sub(u64::try_from(value.len()).expect("a length fits 64 bits"));
            pages.push(page.first);
        }
        pages
    }
}

/// What removing an ended job takes off the ledger's count: its record as stored, and what it says of the rest.
fn kept_bytes(history: &dyn History, job: JobId) -> u64 {
    let Some(bytes) = history.read(&tables::ended(job)) else { return 0 };
    let record = codec::decode::<Stored<JobRecord>>(&bytes);
    let beside = record.map_or(0, |Stored::V1(record)| record.kept_bytes.0);
    beside + u64::try_from(bytes.len()).expect("a length fits 64 bits")
}

impl History for MemoryTables {
    fn oldest(&self, table: Table, max: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut oldest = Vec::new();
        self.scan(&table.prefix(), &mut |key, value| {
            if oldest.len() < max {
                oldest.push((key.to_vec(), value.to_vec()));
            }
        });
        oldest
    }
}
