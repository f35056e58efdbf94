//! Retention: what is too old or too much is removed by command, in bounded pieces, the same on every replica (R24).

use crate::{
    apply::{
        Outcome,
        transaction::{Transaction, len},
    },
    codec,
    event::EventPage,
    ids::JobId,
    ledger::Records,
    limits::{DEDUP_RECORDS_MAX, DEDUP_WINDOW, EXPIRED_JOBS_MAX, EXPIRED_RECORDS_MAX},
    record::{JobRecord, RequestRecord, Stored},
    reply::{Refusal, Reply},
    tables,
};

impl<R: Records> Transaction<'_, R> {
    pub(crate) fn expire_jobs(&mut self, jobs: &[JobId]) -> Outcome {
        if jobs.len() > EXPIRED_JOBS_MAX {
            return Err(Refusal::CommandIsTooLarge);
        }
        let ended: Option<Vec<JobRecord>> =
            jobs.iter().map(|job| job.is_plain().then(|| self.ended_job(*job))?).collect();
        let ended = ended.ok_or(Refusal::ExpiryIsStale)?;
        if has_repetition(jobs) {
            return Err(Refusal::ExpiryIsStale);
        }
        ended.iter().for_each(|record| self.forget_job(record));
        Ok(expired(jobs.len()))
    }

    pub(crate) fn expire_requests(&mut self, requests: &[JobId]) -> Outcome {
        if requests.len() > EXPIRED_RECORDS_MAX {
            return Err(Refusal::CommandIsTooLarge);
        }
        let Some(&last) = requests.last() else {
            return Ok(expired(0));
        };
        let too_old = last.born_at().after(DEDUP_WINDOW) < self.now();
        let too_many = self.meta().requests > DEDUP_RECORDS_MAX;
        if !requests.is_sorted_by(|one, next| one < next) || !(too_old || too_many) {
            return Err(Refusal::ExpiryIsStale);
        }
        let records: Option<Vec<RequestRecord>> =
            requests.iter().map(|request| self.read(&tables::request(*request))).collect();
        for (request, record) in requests.iter().zip(records.ok_or(Refusal::ExpiryIsStale)?) {
            self.forget_request(*request, &record);
        }
        let meta = self.meta();
        meta.request_horizon = meta.request_horizon.max(Some(last));
        Ok(expired(requests.len()))
    }

    pub(crate) fn expire_events(&mut self, pages: &[u64]) -> Outcome {
        if pages.len() > EXPIRED_RECORDS_MAX {
            return Err(Refusal::CommandIsTooLarge);
        }
        // I14: pages go in order, without a gap, so that the horizon says all.
        let (mut first, mut bytes) = (self.meta().event_first, 0);
        for &page in pages {
            let stored: Option<EventPage> = (page == first).then(|| self.read(&tables::event_page(page))).flatten();
            let stored = stored.ok_or(Refusal::ExpiryIsStale)?;
            first += u64::try_from(stored.events.len()).expect("a length fits 64 bits");
            bytes += len(&codec::encode(&Stored::V1(&stored))).0;
        }
        pages.iter().for_each(|page| self.delete(tables::event_page(*page)));
        let meta = self.meta();
        meta.event_first = first;
        meta.event_bytes.0 -= bytes;
        Ok(expired(pages.len()))
    }

    fn forget_job(&mut self, record: &JobRecord) {
        let job = record.id;
        let at = record.state.ended_at().expect("an ended job's record says when");
        let bytes = len(&codec::encode(&Stored::V1(record)));
        self.delete(tables::ended(job));
        self.delete(tables::ended_at(at, job));
        self.delete(tables::spec(job));
        for attempt in &record.attempts {
            self.delete(tables::tails(job, attempt.placed.fence));
        }
        let meta = self.meta();
        meta.ended_jobs -= 1;
        meta.ended_bytes.0 -= bytes.0 + record.kept_bytes.0;
    }

    fn forget_request(&mut self, request: JobId, record: &RequestRecord) {
        self.delete(tables::request(request));
        if let Some(digest) = &record.key {
            self.delete(tables::idempotency_key(digest));
        }
        self.meta().requests -= 1;
    }
}

fn has_repetition(jobs: &[JobId]) -> bool {
    let mut sorted = jobs.to_vec();
    sorted.sort_unstable();
    sorted.windows(2).any(|pair| pair[0] == pair[1])
}

fn expired(records: usize) -> Reply {
    Reply::Expired { records: u32::try_from(records).expect("bounded above") }
}
