//! What a naive ledger does with pauses: marks, which every start looks at.

use quorla_ledger::{
    command::Request,
    ids::JobId,
    record::JobState,
    reply::{Refusal, Reply},
    units::Millis,
};

use super::{
    Job, Model, State,
    requests::{What, assert_alike},
};

impl Model {
    pub(super) fn pause_job(&mut self, request: &Request, job: &JobId, paused: bool, reply: &Reply) {
        if job.of_task().is_some() {
            return assert_alike(&Reply::Refused(Refusal::TaskIsOfAnArray), reply);
        }
        self.requested(request, What::PauseJob(job.0, paused), reply, |model| model.set_pause(job.0, paused));
    }

    pub(super) fn pause_queue(&mut self, request: &Request, queue: &str, paused: bool, reply: &Reply) {
        self.requested(request, What::PauseQueue(queue.to_owned(), paused), reply, |model| {
            match paused {
                true => model.paused_queues.insert(queue.to_owned()),
                false => model.paused_queues.remove(queue),
            };
            Reply::PauseIsSet
        });
    }

    /// Whether the job, its array or its queue is paused.
    pub(super) fn is_held(&self, job: &Job) -> bool {
        let array = self.arrays.iter().find(|array| Some(array.id) == job.array);
        job.paused || array.is_some_and(|array| array.paused) || self.paused_queues.contains(&job.spec.queue)
    }

    fn set_pause(&mut self, id: u128, paused: bool) -> Reply {
        let at = Millis(self.now);
        let is_live = |job: &&Job| (job.id == id || job.array == Some(id)) && !matches!(job.state, State::Ended(_));
        let lives = self.jobs.iter().any(|job| is_live(&job));
        let job = self.jobs.iter_mut().find(|job| job.id == id).map(|job| &mut job.paused);
        let array = self.arrays.iter_mut().find(|array| array.id == id).map(|array| &mut array.paused);
        let Some(mark) = job.or(array) else { return Reply::Refused(Refusal::JobIsUnknown) };
        if !lives {
            return Reply::Refused(Refusal::JobHasEnded(JobState::Cancelled { at }));
        }
        *mark = paused;
        Reply::PauseIsSet
    }
}
