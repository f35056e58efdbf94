//! What a naive ledger does with arrays: as many jobs as there are tasks, of one age.

use quorla_ledger::{
    command::{Assign, SubmitArray, Tasks},
    ids::JobId,
    record::JobState,
    reply::{Refusal, Reply},
    spec::JobSpec,
    units::Millis,
};

use super::{Array, Job, Model, State, Why, requests::What};

impl Model {
    pub(super) fn submit_array(&mut self, submit: &SubmitArray, reply: &Reply) {
        let SubmitArray { request, spec, tasks, running_max, .. } = submit;
        let what = What::Array(Box::new((spec.clone(), tasks.clone(), *running_max)));
        if let Some(Reply::Submitted { .. }) = self.requests.known(request, &what, self.now) {
            self.give_up_upload(request);
        }
        self.requested(request, what, reply, |model| {
            let (indices, items_of) = match tasks {
                Tasks::Range { first, last } => ((*first..=*last).collect(), None),
                Tasks::Items { count, digest } => match model.take_upload(request, *count, digest) {
                    Ok(()) => ((0..*count).collect(), Some(request.id.0)),
                    Err(refusal) => return Reply::Refused(refusal),
                },
            };
            model.accept_array(request.id, indices, spec.clone(), *running_max, items_of)
        });
    }

    /// Those tasks again that ended otherwise than well, as a new array.
    pub(super) fn retry_array(&mut self, id: JobId, of: u128) -> Reply {
        let Some(array) = self.arrays.iter().find(|array| array.id == of) else {
            return Reply::Refused(Refusal::JobIsUnknown);
        };
        let (mut spec, cap, items_of) = (array.spec.clone(), array.cap, array.items_of);
        if self.tasks(of).any(|task| !matches!(task.state, State::Ended(_))) {
            return Reply::Refused(Refusal::JobIsLive);
        }
        let again = self.tasks(of).filter(|task| task.state != State::Ended("succeeded"));
        let indices: Vec<u32> = again.filter_map(|task| Some(JobId(task.id).of_task()?.1)).collect();
        if indices.is_empty() {
            return Reply::Refused(Refusal::NothingToRetry);
        }
        spec.not_before = None;
        self.accept_array(id, indices, spec, cap, items_of)
    }

    pub(super) fn cancel_array(&mut self, id: u128) -> Reply {
        let at = Millis(self.now);
        let live = self.tasks(id).any(|task| !matches!(task.state, State::Ended(_)));
        let Some(array) = self.arrays.iter_mut().find(|array| array.id == id) else {
            return Reply::Refused(Refusal::JobIsUnknown);
        };
        if !live {
            return Reply::Refused(Refusal::JobHasEnded(JobState::Cancelled { at }));
        }
        if !std::mem::replace(&mut array.cancelled, true) {
            let tasks = self.jobs.iter_mut().filter(|job| job.array == Some(id));
            let live = tasks.filter(|task| !matches!(task.state, State::Ended(_)));
            live.for_each(|task| task.call_off(Why::Cancel));
        }
        Reply::Cancelled
    }

    /// The array's next task gets the place: one that waits again before one that never ran, then by index.
    pub(super) fn assign_task(&mut self, assign: &Assign, reply: &Reply) {
        let (id, node) = (assign.job.0, assign.node.0);
        let live = self.tasks(id).any(|task| !matches!(task.state, State::Ended(_)));
        let ready = self.tasks(id).filter(|task| matches!(task.state, State::Queued(_)) && self.may_run(task));
        let next = ready.min_by_key(|task| (task.fresh, task.id));
        let target = self.nodes.iter().find(|other| other.id == node);
        let known = self.jobs.iter().find(|job| job.id == id);
        let started = known.is_some_and(|task| !task.fresh && !matches!(task.state, State::Ended(_)));
        let refused = match (next, target) {
            (None, _) if live || started => Refusal::JobIsNotQueued,
            (None, _) => Refusal::JobIsUnknown,
            (_, None) => Refusal::NodeIsUnknown,
            (_, Some(target)) if target.epoch != assign.epoch.0 => Refusal::EpochIsStale,
            (Some(task), Some(_)) => {
                let possible = self.fits(task, node) && !self.barred(task, node);
                let task = task.id;
                return match reply {
                    Reply::Assigned(assigned) => {
                        assert!(possible && assigned.job.0 == task && assigned.node.0 == node, "{reply:?}");
                        self.start(task, node, assigned.fence.0);
                    }
                    Reply::Refused(Refusal::NodeRejects(_)) => assert!(!possible, "rejected for no reason: {reply:?}"),
                    other => panic!("{other:?}"),
                };
            }
        };
        assert_eq!(*reply, Reply::Refused(refused));
    }

    /// I8: whether its array lets one more of its tasks run.
    pub(super) fn may_run(&self, job: &Job) -> bool {
        let Some(array) = self.arrays.iter().find(|array| Some(array.id) == job.array) else { return true };
        let placed = self.tasks(array.id).filter(|task| task.node().is_some()).count();
        !array.cancelled && !self.is_held(job) && array.cap.is_none_or(|cap| placed < cap as usize)
    }

    pub(super) fn tasks(&self, array: u128) -> impl Iterator<Item = &Job> {
        self.jobs.iter().filter(move |job| job.array == Some(array))
    }

    fn accept_array(
        &mut self,
        id: JobId,
        indices: Vec<u32>,
        spec: JobSpec,
        cap: Option<u32>,
        items_of: Option<u128>,
    ) -> Reply {
        let submitted_at = self.now;
        let state = match spec.not_before {
            Some(until) if until.0 > submitted_at => State::Delayed(until.0),
            _ => State::Queued(submitted_at),
        };
        self.accepted += 1;
        let order = self.accepted;
        let (cancelled, paused) = (false, false);
        self.arrays.push(Array { id: id.0, order, spec: spec.clone(), cap, cancelled, paused, items_of });
        let task = |index| Job {
            id: id.task(index).0,
            order,
            spec: spec.clone(),
            submitted_at,
            state: state.clone(),
            attempts: Vec::new(),
            failures: 0,
            losses: 0,
            array: Some(id.0),
            fresh: true,
            paused: false,
        };
        self.jobs.extend(indices.into_iter().map(task));
        Reply::Submitted { job: id }
    }
}

impl Job {
    /// Whose timer it has: tasks that never ran have their array's.
    pub(super) fn timed_by(&self) -> u128 {
        self.array.filter(|_| self.fresh).unwrap_or(self.id)
    }
}
