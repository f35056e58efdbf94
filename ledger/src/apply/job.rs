//! Jobs come in and are called off: `Submit`, `Retry`, `Cancel`.

use crate::{
    apply::{
        Outcome,
        request::{self, Seen},
        transaction::{Transaction, len},
    },
    codec,
    command::{Request, Submit},
    defect::Defect,
    event::Event,
    ids::{JobId, NodeId},
    ledger::Records,
    limits::{HEADS_SCANNED_MAX, LIVE_BYTES_MAX, LIVE_JOBS_MAX, Limit},
    outcome::StopCause,
    place::{Candidate, Wish, place},
    record::{JobRecord, JobState, Stored},
    reply::{Refusal, Reply},
    spec::{JobSpec, check::within},
    tables,
    units::{Bytes, Millis},
};

impl<R: Records> Transaction<'_, R> {
    pub(crate) fn submit(&mut self, submit: Submit) -> Outcome {
        let Submit { request, spec, seed } = submit;
        check_kind(request.id.is_plain())?;
        spec.check().map_err(Refusal::SpecIsInvalid)?;
        let bytes = codec::encode(&Stored::V1(&spec));
        let digest = self.submit_digest(&bytes, seed);
        match self.admit(&request, &digest)? {
            Seen::Before(reply) => Ok(reply),
            Seen::Never => self.accept(&request, digest, &spec, bytes, seed, None),
        }
    }

    pub(crate) fn retry(&mut self, request: &Request, job: JobId, seed: u64) -> Outcome {
        check_kind(if job.is_array() { request.id.is_array() } else { request.id.is_plain() })?;
        let digest = request::digest("retry", &job.0.to_be_bytes());
        if let Seen::Before(reply) = self.admit(request, &digest)? {
            return Ok(reply);
        }
        if job.is_array() {
            return self.retry_array(request, digest, job, seed);
        }
        if self.hot().jobs.contains_key(&job) {
            return Err(Refusal::JobIsLive);
        }
        let mut spec = match job.of_task() {
            Some((array, index)) => self.spec_of_task(array, index)?,
            // A specification is kept exactly as long as its job, which is not live.
            None => self.read(&tables::spec(job)).ok_or(Refusal::JobIsUnknown)?,
        };
        spec.not_before = None;
        let bytes = codec::encode(&Stored::V1(&spec));
        self.accept(request, digest, &spec, bytes, seed, Some(job))
    }

    pub(crate) fn cancel(&mut self, request: &Request, job: JobId, reason: Option<String>) -> Outcome {
        check_reason(reason.as_deref())?;
        let digest = request::digest("cancel", &codec::encode(&(job, &reason)));
        if let Seen::Before(reply) = self.admit(request, &digest)? {
            return Ok(reply);
        }
        if job.is_array() {
            self.cancel_array(job, reason)?;
        } else {
            let live = self.live_job(job).or_else(|| self.waiting_task(job));
            let Some(mut record) = live else {
                let ended = self.ended_job(job).ok_or(Refusal::JobIsUnknown)?;
                return Err(Refusal::JobHasEnded(ended.state));
            };
            record.cancel_reason = reason;
            self.call_off(record, StopCause::Cancel);
        }
        self.remember(request, digest, &Reply::Cancelled);
        Ok(Reply::Cancelled)
    }

    /// Ends a waiting job, or has the attempt of a running one stopped. One that stops already keeps its first cause,
    /// unless only its attempt was to end with that.
    pub(crate) fn call_off(&mut self, mut record: JobRecord, cause: StopCause) {
        let since = self.now();
        match record.state {
            JobState::Running(placed)
            | JobState::Stopping { placed, cause: StopCause::AttemptTimeout | StopCause::Drain, .. } => {
                record.state = JobState::Stopping { placed, cause, since };
                self.happen(Event::AttemptStopping { job: record.id, fence: placed.fence, cause });
            }
            JobState::Stopping { .. } => return,
            _ => record.end_waiting(cause, since),
        }
        self.save_job(&record);
    }

    fn accept(
        &mut self,
        request: &Request,
        digest: request::Digest,
        spec: &JobSpec,
        bytes: Vec<u8>,
        seed: u64,
        retry_of: Option<JobId>,
    ) -> Outcome {
        let job = request.id;
        self.check_room(job, spec, len(&bytes))?;
        let mut record = JobRecord::fresh(request, spec, seed, self.now());
        record.retry_of = retry_of;
        record.kept_bytes = len(&bytes);
        self.meta().live_bytes.0 += len(&bytes).0;
        self.meta().order += 1;
        record.order = self.meta().order;
        record.first_event = self.happen(Event::JobSubmitted(job));
        self.put_bytes(tables::spec(job), bytes);
        self.start_or_queue(record);
        let reply = Reply::Submitted { job };
        self.remember(request, digest, &reply);
        Ok(reply)
    }

    pub(crate) fn check_room(&self, job: JobId, spec: &JobSpec, bytes: Bytes) -> Result<(), Refusal> {
        assert!(!self.hot().jobs.contains_key(&job), "R10: an id is remembered, or beyond the horizon");
        let delay = spec.not_before.map_or(Millis(0), |until| until.since(self.now()));
        within(Limit::SpanMs, delay.0).map_err(Refusal::SpecIsInvalid)?;
        if self.hot().jobs.len() >= LIVE_JOBS_MAX || self.live_bytes().0 + bytes.0 > LIVE_BYTES_MAX {
            return Err(Refusal::LedgerIsFull);
        }
        self.hot().queues.admit(&spec.queue, &spec.demand)
    }

    fn start_or_queue(&mut self, mut record: JobRecord) {
        if matches!(record.state, JobState::Delayed { .. }) {
            return self.save_job(&record);
        }
        let may_start = !self.hot().queues.is_paused(&record.queue);
        match may_start.then(|| self.fast_path(&record.wish())).flatten() {
            Some(node) => {
                self.start_on(record, node);
            }
            None => {
                record.state = JobState::Queued { since: self.now() };
                self.happen(Event::JobQueued(record.id));
                self.save_job(&record);
            }
        }
    }

    /// A node for a newcomer, unless a job that waits ahead of it could use that node (R19).
    fn fast_path(&self, wish: &Wish<'_>) -> Option<NodeId> {
        let nodes = &self.hot().nodes;
        let node = place(wish, nodes.iter().map(Candidate::of))?;
        let candidate = Candidate::of(nodes.by_id(node).expect("a place is on a node"));
        let mut ahead = self.hot().queue.heads().take_while(|head| head.rank < wish.rank);
        let wanted = ahead.by_ref().take(HEADS_SCANNED_MAX).any(|head| candidate.takes(&head.wish()));
        (!wanted && ahead.next().is_none()).then_some(node)
    }

    fn submit_digest(&self, canonical: &[u8], seed: u64) -> request::Digest {
        let digest = request::digest("submit", canonical);
        if !self.hot().defect.is(Defect::DigestWithJitter) {
            return digest;
        }
        request::digest("submit", &[digest.as_slice(), &seed.to_le_bytes()].concat())
    }
}

/// Whether an id is of the kind that the request is about.
pub(crate) const fn check_kind(fits: bool) -> Result<(), Refusal> {
    if fits { Ok(()) } else { Err(Refusal::IdIsOfAnotherKind) }
}

/// Checks what was said with a cancellation.
pub(crate) fn check_reason(reason: Option<&str>) -> Result<(), Refusal> {
    let bytes = u64::try_from(reason.map_or(0, str::len)).expect("a length fits 64 bits");
    within(Limit::ReasonBytes, bytes).map_err(Refusal::SpecIsInvalid)
}

impl JobRecord {
    fn fresh(request: &Request, spec: &JobSpec, seed: u64, now: Millis) -> Self {
        let state = match spec.not_before {
            Some(until) if until > now => JobState::Delayed { until },
            _ => JobState::Queued { since: now },
        };
        Self {
            id: request.id,
            principal: request.principal,
            name: spec.name.clone(),
            queue: spec.queue.clone(),
            priority: spec.priority,
            order: 0,
            demand: spec.demand.clone(),
            retry: spec.retry.clone(),
            timeouts: spec.timeouts,
            seed,
            submitted_at: now,
            first_event: 0,
            retry_of: None,
            state,
            attempts: Vec::new(),
            attempts_made: 0,
            failures: 0,
            losses: 0,
            overtaken: 0,
            reserved: None,
            cancel_reason: None,
            kept_bytes: Bytes(0),
            paused: None,
        }
    }
}
