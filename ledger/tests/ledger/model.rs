//! A naive ledger: plain vectors, linear searches, no hot state, no records. It shares nothing with the real one but
//! commands and replies. Where the real one may choose (which node, which of two pauses), it checks that the choice was
//! allowed and adopts it.

mod array;
mod check;
mod job;
mod node;
mod pause;
mod requests;
mod upload;

use std::collections::{BTreeMap, BTreeSet};

use quorla_ledger::{
    command::{Command, DrainNode, EndAttempt, RegisterNode, Submit},
    disk::DiskLevel,
    outcome::Exit,
    reply::{Refusal, Reply},
    spec::JobSpec,
};

use self::{
    requests::{Requests, What},
    upload::{Going, Upload},
};

/// What can be seen of one job from outside.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) state: &'static str,
    pub(crate) until: Option<u64>,
    /// Node and fence.
    pub(crate) place: Option<(u32, u64)>,
    pub(crate) reserved: Option<u32>,
}

pub(crate) type Sight = BTreeMap<u128, Seen>;

#[derive(Default)]
pub(crate) struct Model {
    now: u64,
    /// Tasks are jobs here.
    jobs: Vec<Job>,
    arrays: Vec<Array>,
    uploads: Vec<Upload>,
    going: Vec<Going>,
    nodes: Vec<Node>,
    requests: Requests,
    paused_queues: BTreeSet<String>,
    accepted: u64,
    last_fence: u64,
    last_epoch: u64,
    last_node: u32,
    /// Node to job, as seen after the last command.
    reserved: BTreeMap<u32, u128>,
}

#[derive(Clone, Debug)]
struct Job {
    id: u128,
    order: u64,
    spec: JobSpec,
    submitted_at: u64,
    state: State,
    /// Fences, and whether their end was recorded.
    attempts: Vec<(u64, bool)>,
    failures: u32,
    losses: u32,
    /// The array that it is a task of.
    array: Option<u128>,
    /// A task that has never had a place.
    fresh: bool,
    /// Of a job alone; tasks are held by their array.
    paused: bool,
}

#[derive(Clone, Debug)]
struct Array {
    id: u128,
    order: u64,
    spec: JobSpec,
    cap: Option<u32>,
    cancelled: bool,
    paused: bool,
    /// Whose items its tasks read.
    items_of: Option<u128>,
}

#[derive(Clone, Debug, PartialEq)]
enum State {
    Delayed(u64),
    Queued(u64),
    Running { node: u32, at: u64 },
    Stopping { node: u32, why: Why },
    BackingOff { from: u64, to: u64 },
    Ended(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Why {
    Cancel,
    AttemptTimeout,
    JobTimeout,
    Drain,
}

#[derive(Clone, Debug)]
struct Node {
    id: u32,
    registration: RegisterNode,
    epoch: u64,
    up: bool,
    disk: DiskLevel,
    drain: Option<node::Drain>,
    /// What operators set.
    labels: BTreeMap<String, String>,
}

impl Model {
    /// Follows one command that was answered like this and left this behind.
    pub(crate) fn step(&mut self, time: u64, command: &Command, reply: &Reply, sight: &Sight) {
        self.now = self.now.max(time);
        match command {
            Command::Submit(submit) => self.submit(submit, reply, sight),
            Command::SubmitArray(submit) => self.submit_array(submit, reply),
            Command::Retry { request, job, .. } => {
                self.requested(request, What::Retry(job.0), reply, |model| match job.is_array() {
                    true => model.retry_array(request.id, job.0),
                    false => model.retry(request.id.0, job.0, sight),
                });
            }
            Command::Cancel { request, job, .. } => {
                self.requested(request, What::Cancel(job.0), reply, |model| match job.is_array() {
                    true => model.cancel_array(job.0),
                    false => model.cancel(job.0),
                });
            }
            Command::DrainNode(DrainNode { request, node, drain }) => {
                let what = What::Drain(node.0, drain.clone());
                self.requested(request, what, reply, |model| model.drain(node.0, drain.as_ref()));
            }
            Command::PauseJob { request, job, paused, .. } => self.pause_job(request, job, *paused, reply),
            Command::PauseQueue { request, queue, paused, .. } => self.pause_queue(request, queue, *paused, reply),
            Command::LabelNode(label) => {
                let what = What::Label(label.node.0, label.set.clone(), label.remove.clone());
                self.requested(&label.request, what, reply, |model| model.label(label));
            }
            Command::StopDrained { node } => self.stop_drained(node.0, reply),
            Command::RemoveNode { node } => self.remove_node(node.0, reply),
            Command::RegisterNode(registration) => self.register(registration, reply, sight),
            Command::LapseNode { node, epoch } => self.lapse(node.0, epoch.0, reply, sight),
            Command::GuardNode { node, epoch, level } => self.guard(node.0, epoch.0, *level, reply),
            Command::Assign(assign) if !assign.job.is_plain() => self.assign_task(assign, reply),
            Command::Assign(assign) => self.assign(assign.job.0, assign.node.0, assign.epoch.0, reply),
            Command::EndAttempt(end) => self.end_attempt(end, reply, sight),
            Command::FireTimers { upto, max } => self.fire(upto.0, *max, reply),
            Command::ExpireJobs { jobs } => self.expire_jobs(jobs.iter().map(|job| job.0).collect(), reply),
            Command::ExpireRequests { requests } => {
                let asked: Vec<u128> = requests.iter().map(|request| request.0).collect();
                self.requests.expire(&asked, self.now, reply);
            }
            Command::PutItems(put) => self.put_items(put, reply),
            Command::ExpireUpload { upload } => self.expire_upload(*upload, reply),
            Command::ExpireArray { array } => self.expire_array(*array, reply),
            Command::ExpireEvents { .. } => assert!(matches!(reply, Reply::Expired { .. }), "{reply:?}"),
            other => panic!("the model knows no {other:?}"),
        }
        self.compare(sight);
        self.reserved = sight.iter().filter_map(|(job, seen)| Some((seen.reserved?, *job))).collect();
    }

    /// A request with an identity: answered from memory, or by `act`, whose success is remembered.
    fn requested(
        &mut self,
        request: &quorla_ledger::command::Request,
        what: What,
        reply: &Reply,
        act: impl FnOnce(&mut Self) -> Reply,
    ) {
        let expected = match self.requests.known(request, &what, self.now) {
            Some(known) => known,
            None => {
                let expected = act(self);
                self.requests.remember(request, what, &expected);
                expected
            }
        };
        requests::assert_alike(&expected, reply);
    }

    fn submit(&mut self, submit: &Submit, reply: &Reply, sight: &Sight) {
        if submit.spec.priority > 100 {
            return assert!(matches!(reply, Reply::Refused(Refusal::SpecIsInvalid(_))), "{reply:?}");
        }
        let what = What::Submit(Box::new(submit.spec.clone()));
        self.requested(&submit.request, what, reply, |model| {
            model.accept(submit.request.id.0, submit.spec.clone(), sight)
        });
    }

    fn retry(&mut self, id: u128, of: u128, sight: &Sight) -> Reply {
        let Some(job) = self.jobs.iter().find(|job| job.id == of) else { return Reply::Refused(Refusal::JobIsUnknown) };
        if !matches!(job.state, State::Ended(_)) {
            return Reply::Refused(Refusal::JobIsLive);
        }
        let mut spec = job.spec.clone();
        spec.not_before = None;
        self.accept(id, spec, sight)
    }

    fn accept(&mut self, id: u128, spec: JobSpec, sight: &Sight) -> Reply {
        let now = self.now;
        let state = match spec.not_before {
            Some(until) if until.0 > now => State::Delayed(until.0),
            _ => State::Queued(now),
        };
        self.accepted += 1;
        let waits = state == State::Queued(now);
        let (order, attempts) = (self.accepted, Vec::new());
        let (array, fresh, paused) = (None, false, false);
        self.jobs.push(Job {
            id,
            order,
            spec,
            submitted_at: now,
            state,
            attempts,
            failures: 0,
            losses: 0,
            array,
            fresh,
            paused,
        });
        match sight.get(&id).and_then(|seen| seen.place) {
            Some((node, fence)) => {
                self.check_no_overtaking(id, node);
                self.start(id, node, fence);
            }
            None if waits => self.check_must_wait(id),
            None => {}
        }
        Reply::Submitted { job: quorla_ledger::ids::JobId(id) }
    }

    fn cancel(&mut self, id: u128) -> Reply {
        let now = self.now;
        let Some(job) = self.jobs.iter_mut().find(|job| job.id == id) else {
            return Reply::Refused(Refusal::JobIsUnknown);
        };
        if matches!(job.state, State::Ended(_)) {
            // Which state it ended in is compared apart from the reply.
            return Reply::Refused(Refusal::JobHasEnded(quorla_ledger::record::JobState::Cancelled {
                at: quorla_ledger::units::Millis(now),
            }));
        }
        job.call_off(Why::Cancel);
        Reply::Cancelled
    }

    fn lose_attempts(&mut self, node: u32, sight: &Sight) {
        let now = self.now;
        for job in self.jobs.iter_mut().filter(|job| job.node() == Some(node)) {
            job.follow(now, &Exit::GivenUp);
            job.adopt_pause(now, sight);
        }
    }

    fn assign(&mut self, id: u128, node: u32, epoch: u64, reply: &Reply) {
        let job = self.jobs.iter().find(|job| job.id == id && !matches!(job.state, State::Ended(_)));
        let target = self.nodes.iter().find(|other| other.id == node);
        let refused = match (job, target) {
            (None, _) => Refusal::JobIsUnknown,
            (Some(job), _) if !matches!(job.state, State::Queued(_)) || self.is_held(job) => Refusal::JobIsNotQueued,
            (_, None) => Refusal::NodeIsUnknown,
            (_, Some(target)) if target.epoch != epoch => Refusal::EpochIsStale,
            (Some(job), Some(_)) => {
                let possible = self.fits(job, node) && !self.barred(job, node);
                return match reply {
                    Reply::Assigned(assigned) => {
                        assert!(possible && assigned.job.0 == id && assigned.node.0 == node, "{reply:?}");
                        self.start(id, node, assigned.fence.0);
                    }
                    Reply::Refused(Refusal::NodeRejects(_)) => assert!(!possible, "rejected for no reason: {reply:?}"),
                    other => panic!("{other:?}"),
                };
            }
        };
        assert_eq!(*reply, Reply::Refused(refused));
    }

    fn end_attempt(&mut self, end: &EndAttempt, reply: &Reply, sight: &Sight) {
        let now = self.now;
        let Some(job) = self.jobs.iter_mut().find(|job| job.id == end.job.0) else {
            return assert_eq!(*reply, Reply::Refused(Refusal::JobIsUnknown));
        };
        let node = job.node();
        if node.is_none() || job.attempts.last().map(|(fence, _)| *fence) != Some(end.fence.0) {
            let recorded = job.attempts.iter().rev().take(16).any(|attempt| *attempt == (end.fence.0, true));
            let stale = Reply::Refused(Refusal::AttemptIsStale);
            return assert_eq!(*reply, if recorded { Reply::AlreadyRecorded } else { stale });
        }
        let Reply::AttemptEnded { next } = reply else { panic!("a current attempt ends: {reply:?}") };
        let last = job.attempts.last_mut().expect("a placed job has an attempt");
        assert!(!last.1, "I3: recorded once");
        last.1 = true;
        job.follow(now, &end.end.exit);
        job.adopt_pause(now, sight);
        let node = node.expect("looked at above");
        match next {
            Some(next) => {
                assert!(end.refill, "nothing was to be refilled");
                assert_eq!(next.node.0, node, "the freed place is refilled");
                self.check_most_urgent(next.job.0, node);
                self.start(next.job.0, node, next.fence.0);
            }
            None if end.refill => self.check_nobody_fits(node),
            None => {}
        }
    }

    fn fire(&mut self, upto: u64, max: u32, reply: &Reply) {
        let now = self.now;
        let upto = upto.min(now);
        let mut due: Vec<(u64, u128)> = self.jobs.iter().filter_map(|job| Some((job.due()?, job.timed_by()))).collect();
        due.retain(|(at, _)| *at <= upto);
        due.sort_unstable();
        due.dedup();
        due.truncate(max as usize);
        for (_, id) in &due {
            let timed = self.jobs.iter_mut().filter(|job| job.timed_by() == *id && job.due().is_some());
            timed.for_each(|job| job.fire(now));
        }
        let more = self.jobs.iter().any(|job| job.due().is_some_and(|at| at <= upto));
        assert_eq!(*reply, Reply::TimersFired { jobs: due.len() as u32, more });
    }

    fn expire_jobs(&mut self, mut asked: Vec<u128>, reply: &Reply) {
        let count = asked.len();
        asked.sort_unstable();
        asked.dedup();
        let is_ended = |id: &u128| self.jobs.iter().any(|job| job.id == *id && matches!(job.state, State::Ended(_)));
        if asked.len() != count || !asked.iter().all(is_ended) {
            return assert_eq!(*reply, Reply::Refused(Refusal::ExpiryIsStale));
        }
        assert_eq!(*reply, Reply::Expired { records: count as u32 });
        self.jobs.retain(|job| !asked.contains(&job.id));
    }

    fn start(&mut self, id: u128, node: u32, fence: u64) {
        let job = self.jobs.iter().find(|job| job.id == id).expect("only accepted jobs start");
        assert!(matches!(job.state, State::Queued(_)), "I6: only queued jobs start, not {:?}", job.state);
        assert!(!self.is_held(job), "nothing that is paused starts: {job:?}");
        assert!(self.fits(job, node), "I7: {:?} does not fit node {node}", job.spec.demand);
        assert!(fence > self.last_fence, "I4: fences rise");
        self.last_fence = fence;
        let at = self.now;
        let job = self.jobs.iter_mut().find(|job| job.id == id).expect("just seen");
        job.fresh = false;
        job.state = State::Running { node, at };
        job.attempts.push((fence, false));
    }
}
