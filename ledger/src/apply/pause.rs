//! Jobs, arrays and queues are held and let go on: `PauseJob`, `PauseQueue`.
//!
//! A hold keeps from starting and touches nothing else: attempts that run go on, time goes on, whatever may end what waits
//! ends it. To be so already is to have it done; whoever paused first is remembered.

use crate::{
    apply::{
        Outcome,
        job::check_reason,
        request::{self, Seen},
        transaction::Transaction,
    },
    codec,
    command::Request,
    defect::Defect,
    event::Event,
    ids::{JobId, NodeId},
    ledger::Records,
    limits::QUEUES_PAUSED_MAX,
    record::{JobState, Pause, QueueRecord},
    reply::{Refusal, Reply},
    spec::check::name,
    tables,
};

impl<R: Records> Transaction<'_, R> {
    pub(crate) fn pause_job(&mut self, request: &Request, job: JobId, paused: bool, reason: Option<String>) -> Outcome {
        check_job(request, job, reason.as_deref())?;
        let digest = request::digest("pause", &codec::encode(&(job, paused, &reason)));
        if let Seen::Before(reply) = self.admit(request, &digest)? {
            return Ok(reply);
        }
        let pause = paused.then(|| Pause { by: request.principal, since: self.now(), reason });
        let changed = if job.is_array() { self.hold_array(job, pause)? } else { self.hold_job(job, pause)? };
        if changed {
            self.happen(Event::JobPaused { job, paused });
        }
        self.remember(request, digest, &Reply::PauseIsSet);
        Ok(Reply::PauseIsSet)
    }

    pub(crate) fn pause_queue(
        &mut self,
        request: &Request,
        queue: String,
        paused: bool,
        reason: Option<String>,
    ) -> Outcome {
        check_queue(request, &queue, reason.as_deref())?;
        let digest = request::digest("pause queue", &codec::encode(&(&queue, paused, &reason)));
        if let Seen::Before(reply) = self.admit(request, &digest)? {
            return Ok(reply);
        }
        if paused != self.hot().queues.is_paused(&queue) {
            match paused {
                true => self.hold_queue(&queue, Pause { by: request.principal, since: self.now(), reason })?,
                false => self.resume_queue(&queue),
            }
            self.happen(Event::QueuePaused { queue, paused });
        }
        self.remember(request, digest, &Reply::PauseIsSet);
        Ok(Reply::PauseIsSet)
    }

    /// Whether that changed anything.
    fn hold_job(&mut self, job: JobId, pause: Option<Pause>) -> Result<bool, Refusal> {
        let Some(mut record) = self.live_job(job) else {
            let ended = self.ended_job(job).ok_or(Refusal::JobIsUnknown)?;
            return Err(Refusal::JobHasEnded(ended.state));
        };
        if record.paused.is_some() == pause.is_some() {
            return Ok(false);
        }
        // No node is kept free for who may not have it.
        record.reserved = None;
        record.paused = pause;
        self.save_job(&record);
        Ok(true)
    }

    fn hold_array(&mut self, id: JobId, pause: Option<Pause>) -> Result<bool, Refusal> {
        let Some(array) = self.hot().arrays.find(id) else {
            return Err(self.array_end(id).map_or(Refusal::JobIsUnknown, Refusal::JobHasEnded));
        };
        if array.progress.paused.is_some() == pause.is_some() {
            return Ok(false);
        }
        self.change_array(id, |progress| progress.paused = pause);
        Ok(true)
    }

    fn hold_queue(&mut self, queue: &str, pause: Pause) -> Result<(), Refusal> {
        self.hot().queues.admit_name(queue)?;
        if self.hot().queues.paused() >= QUEUES_PAUSED_MAX {
            return Err(Refusal::PausedQueuesAreExhausted);
        }
        // At most `RESERVATIONS_MAX` of them.
        let reserved = self.hot().nodes.iter().filter(|node| {
            let job = node.reserved.map(|(_, job)| job);
            job.and_then(|job| self.hot().queue_of(job)) == Some(queue)
        });
        let reserved: Vec<NodeId> = reserved.map(|node| node.record.id).collect();
        reserved.into_iter().for_each(|node| self.release_reservation(node));
        self.put(tables::queue(queue), QueueRecord { name: queue.to_owned(), pause: pause.clone() });
        self.hot_mut().pause_queue(queue, Some(pause));
        Ok(())
    }

    fn resume_queue(&mut self, queue: &str) {
        if self.hot().defect.is(Defect::QueueStaysPaused) {
            return;
        }
        self.delete(tables::queue(queue));
        self.hot_mut().pause_queue(queue, None);
    }

    /// How an array ended, if there was one.
    fn array_end(&self, id: JobId) -> Option<JobState> {
        let progress = self.kept_array(id)?.progress;
        let at = progress.ended_at().expect("an array that is not live has ended");
        Some(progress.end(at))
    }
}

/// What is refused of a job's pause whatever the state.
pub(crate) fn check_job(request: &Request, job: JobId, reason: Option<&str>) -> Result<(), Refusal> {
    request::check_key(request)?;
    check_reason(reason)?;
    if job.of_task().is_some() { Err(Refusal::TaskIsOfAnArray) } else { Ok(()) }
}

/// What is refused of a queue's pause whatever the state.
pub(crate) fn check_queue(request: &Request, queue: &str, reason: Option<&str>) -> Result<(), Refusal> {
    request::check_key(request)?;
    check_reason(reason)?;
    name(queue).map_err(Refusal::SpecIsInvalid)
}
