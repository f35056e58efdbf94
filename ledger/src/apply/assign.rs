//! Queued jobs get a place: `Assign`, the fast path and the refill end here.

use crate::{
    apply::{
        Outcome,
        transaction::{Transaction, len},
    },
    command::Assign,
    event::Event,
    hot::{Stage, queue::Head},
    ids::{Fence, JobId, NodeId},
    ledger::Records,
    limits::{ATTEMPTS_KEPT_MAX, HEADS_SCANNED_MAX, OVERTAKINGS_MAX, RESERVATIONS_MAX},
    place::{Candidate, Wish, reserve},
    record::{AttemptRecord, Course, JobRecord, JobState, Placed},
    reply::{Assigned, Refusal, Reply},
    spec::Demand,
    tables,
};

impl<R: Records> Transaction<'_, R> {
    /// The planner decided on an older view: everything is checked again.
    pub(crate) fn assign(&mut self, assign: &Assign) -> Outcome {
        if !assign.job.is_plain() {
            return self.assign_task(assign);
        }
        let record = self.live_job(assign.job).ok_or(Refusal::JobIsUnknown)?;
        let is_queued = self.hot().jobs.get(&assign.job).is_some_and(|job| job.stage == Stage::Queued);
        if !is_queued || self.hot().queues.is_paused(&record.queue) {
            return Err(Refusal::JobIsNotQueued);
        }
        self.check_place(assign, &record.wish())?;
        Ok(Reply::Assigned(self.start_on(record, assign.node)))
    }

    pub(crate) fn check_place(&self, assign: &Assign, wish: &Wish<'_>) -> Result<(), Refusal> {
        let node = self.node(assign.node)?;
        if node.record.epoch != assign.epoch {
            return Err(Refusal::EpochIsStale);
        }
        Candidate::of(node).reject(wish).map_or(Ok(()), |rejection| Err(Refusal::NodeRejects(rejection)))
    }

    /// Gives the most urgent job that fits it to a node with a freed place.
    pub(crate) fn refill(&mut self, node: NodeId) -> Option<Assigned> {
        let candidate = Candidate::of(self.hot().nodes.by_id(node)?);
        let heads = self.hot().queue.heads().take(HEADS_SCANNED_MAX);
        let job = { heads }.find(|head| candidate.takes(&head.wish()))?.job();
        let record = if job.is_array() { Some(self.take_task(job)) } else { self.live_job(job) };
        Some(self.start_on(record.expect("R5: queued jobs live"), node))
    }

    /// Starts an attempt on a node that has room, with a fence above all before it (I4).
    pub(crate) fn start_on(&mut self, mut record: JobRecord, node: NodeId) -> Assigned {
        let wish = record.wish();
        let overtaken = self.overtaken_by(&wish);
        let epoch = self.hot().nodes.by_id(node).expect("a place is on a node").record.epoch;
        let meta = self.meta();
        meta.fence_sequence += 1;
        let fence = Fence::new(meta.generation, meta.fence_sequence);
        let placed = Placed { fence, node, epoch, at: self.now() };
        record.reserved = None;
        record.attempts_made += 1;
        record.attempts.push(AttemptRecord { number: record.attempts_made, placed, course: Course::Open });
        self.forget_first_attempt(&mut record);
        record.state = JobState::Running(placed);
        self.save_job(&record);
        self.happen(Event::AttemptAssigned { job: record.id, fence, node });
        if let Some(job) = overtaken {
            self.overtake(job);
        }
        Assigned { job: record.id, node, fence }
    }

    fn forget_first_attempt(&mut self, record: &mut JobRecord) {
        if record.attempts.len() > ATTEMPTS_KEPT_MAX {
            let first = record.attempts.remove(0);
            let tails = tables::tails(record.id, first.placed.fence);
            if let Some(bytes) = self.read_bytes(&tails) {
                record.kept_bytes.0 -= len(&bytes).0;
                self.meta().live_bytes.0 -= len(&bytes).0;
                self.uncount_tails(record.id, len(&bytes));
                self.delete(tails);
            }
        }
    }

    /// The most urgent job ahead of this one that could run on some node.
    fn overtaken_by(&self, wish: &Wish<'_>) -> Option<JobId> {
        let ahead = self.hot().queue.heads().take_while(|head| head.rank < wish.rank && head.job() != wish.job);
        ahead.take(HEADS_SCANNED_MAX).find(|head| self.could_run(head)).map(|head| head.job())
    }

    /// A node to keep free for who needs this, unless as many are as may be.
    pub(crate) fn keep_free(&self, demand: &Demand) -> Option<NodeId> {
        let nodes = &self.hot().nodes;
        let kept = nodes.iter().filter(|node| node.reserved.is_some()).count();
        if kept < RESERVATIONS_MAX { reserve(demand, nodes.iter().map(Candidate::of)) } else { None }
    }

    fn could_run(&self, head: &Head<'_>) -> bool {
        self.hot().nodes.iter().any(|node| Candidate::of(node).could_take(head.demand))
    }

    /// Counts one overtaking; after [`OVERTAKINGS_MAX`] a node is kept free, if one is left to keep.
    fn overtake(&mut self, job: JobId) {
        if job.is_array() {
            return self.overtake_array(job);
        }
        let mut record = self.live_job(job).expect("R5: queued jobs live");
        if record.reserved.is_some() {
            return;
        }
        let counted = record.overtaken < OVERTAKINGS_MAX;
        record.overtaken = (record.overtaken + 1).min(OVERTAKINGS_MAX);
        if record.overtaken == OVERTAKINGS_MAX {
            record.reserved = self.keep_free(&record.demand);
        }
        if let Some(node) = record.reserved {
            self.happen(Event::NodeReserved { job, node });
        }
        if counted || record.reserved.is_some() {
            self.save_job(&record);
        }
    }
}
