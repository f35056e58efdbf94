//! What a client program wants next, given what it was told so far.

use quorla_ledger::{
    Refusal, Reply,
    command::{DrainOrder, Request},
    ids::{JobId, NodeId},
    spec::JobSpec,
    units::Millis,
};

use super::super::{
    invariants::Outcome,
    messages::{Caller, ClientRequest, Held},
    workload,
    world::World,
};

/// In the calm a node is given back once no late request can drain it again, and after its deadline was seen to be kept.
pub(in super::super) const UNDRAIN_AFTER_MS: u64 = 16_000;

/// See the module.
#[derive(Debug, Default)]
pub(in super::super) struct Wishes {
    /// Jobs still to submit.
    submits: u64,
    /// Other requests in between.
    others: u64,
    /// What was submitted under a key, done or unknown.
    keyed: Vec<(String, JobSpec)>,
    /// Jobs that it was promised.
    jobs: Vec<JobId>,
    /// Nodes that it drained and must give back.
    drained: Vec<NodeId>,
    /// What it paused and must let go on.
    paused: Vec<Held>,
    /// What it may yet have paused: such a request may be done late, so that only the calm undoes it for good.
    perhaps_paused: Vec<Held>,
    keys_drawn: u64,
}

impl Wishes {
    pub(in super::super) fn new(submits: u64, others: u64) -> Self {
        Self { submits, others, ..Self::default() }
    }

    pub(in super::super) const fn is_empty(&self) -> bool {
        self.submits == 0 && self.drained.is_empty() && self.paused.is_empty() && self.perhaps_paused.is_empty()
    }
}

impl World {
    pub(super) fn wish(&mut self, caller: Caller) -> Option<ClientRequest> {
        let now = self.agenda.now();
        let calm = self.calm_since.is_some_and(|calm| now.since(calm).0 >= UNDRAIN_AFTER_MS);
        let wishes = &mut self.callers[caller.0].wishes;
        if let Some(node) = wishes.drained.last().copied()
            && (calm || self.dice.chance(300))
        {
            return Some(self.wish_drain(caller, node, None));
        }
        let wishes = &self.callers[caller.0].wishes;
        let perhaps = wishes.perhaps_paused.last().filter(|_| calm);
        if let Some(what) = perhaps.or(wishes.paused.last()).cloned()
            && (calm || self.dice.chance(200))
        {
            return Some(self.wish_pause(caller, what, false));
        }
        let wishes = &mut self.callers[caller.0].wishes;
        if wishes.others > 0 && self.dice.chance(450) {
            wishes.others -= 1;
            if let Some(request) = self.wish_other(caller) {
                return Some(request);
            }
        }
        let wishes = &mut self.callers[caller.0].wishes;
        if wishes.submits == 0 {
            return None;
        }
        wishes.submits -= 1;
        Some(if self.dice.chance(100) { self.wish_array(caller) } else { self.wish_submit(caller) })
    }

    fn wish_submit(&mut self, caller: Caller) -> ClientRequest {
        let now = self.agenda.now();
        let wishes = &mut self.callers[caller.0].wishes;
        let again = if wishes.keyed.is_empty() || !self.dice.chance(150) {
            None
        } else {
            let nth = self.dice.index(wishes.keyed.len());
            Some(wishes.keyed[nth].clone())
        };
        let (key, spec) = match again {
            Some((key, _)) if self.dice.chance(300) => {
                self.census.count("key used for another job");
                (Some(key), workload::spec(&mut self.dice, now))
            }
            Some((key, spec)) => {
                self.census.count("key used again for the same job");
                (Some(key), spec)
            }
            None => {
                let key = self.dice.chance(400).then(|| self.draw_key(caller));
                (key, workload::spec(&mut self.dice, now))
            }
        };
        let request = self.request(caller, key);
        ClientRequest::Submit { request, spec: Box::new(spec) }
    }

    fn wish_array(&mut self, caller: Caller) -> ClientRequest {
        let now = self.agenda.now();
        let spec = Box::new(workload::spec_of_tasks(&mut self.dice, now));
        let (tasks, running_max) = workload::tasks(&mut self.dice);
        let request = self.request_of_array(caller);
        ClientRequest::SubmitArray { request, spec, tasks, running_max }
    }

    fn wish_other(&mut self, caller: Caller) -> Option<ClientRequest> {
        let job = self.dice.pick(&self.callers[caller.0].wishes.jobs);
        // Of an array as often one of its tasks is meant.
        let job = match job {
            Some(array) if array.is_array() && self.dice.chance(500) => {
                Some(array.task(u32::try_from(self.dice.between(0, workload::LAST_INDEX_MAX)).expect("small")))
            }
            job => job,
        };
        match (self.dice.between(0, 12), job) {
            (0..=3, Some(job)) => Some(ClientRequest::Read { job }),
            (4..=6, Some(job)) => {
                let key = self.dice.chance(200).then(|| self.draw_key(caller));
                Some(ClientRequest::Cancel { request: self.request(caller, key), job })
            }
            (7..=8, Some(job)) if job.is_array() => {
                Some(ClientRequest::Retry { request: self.request_of_array(caller), job })
            }
            (7..=8, Some(job)) => Some(ClientRequest::Retry { request: self.request(caller, None), job }),
            (9, _) if self.calm_since.is_none() => {
                let nodes = u64::try_from(self.machines.len()).expect("few machines");
                let node = NodeId(u32::try_from(self.dice.between(1, nodes)).expect("few machines"));
                let deadline = self.dice.chance(600).then(|| Millis(self.dice.between(0, 3_000)));
                Some(self.wish_drain(caller, node, Some(DrainOrder { deadline, ..DrainOrder::default() })))
            }
            (10..=11, Some(job)) if self.calm_since.is_none() && job.of_task().is_none() => {
                Some(self.wish_pause(caller, Held::Job(job), true))
            }
            (12, _) if self.calm_since.is_none() => {
                let queue = workload::queue(&mut self.dice);
                Some(self.wish_pause(caller, Held::Queue(queue), true))
            }
            _ => None,
        }
    }

    fn wish_drain(&mut self, caller: Caller, node: NodeId, drain: Option<DrainOrder>) -> ClientRequest {
        ClientRequest::Drain { request: self.request(caller, None), node, drain }
    }

    fn wish_pause(&mut self, caller: Caller, what: Held, paused: bool) -> ClientRequest {
        ClientRequest::Pause { request: self.request(caller, None), what, paused }
    }

    fn request(&mut self, caller: Caller, key: Option<String>) -> Request {
        let id = self.draw_id();
        Request { principal: self.callers[caller.0].principal, id, key }
    }

    fn request_of_array(&mut self, caller: Caller) -> Request {
        let request = self.request(caller, None);
        Request { id: JobId::array(request.id.born_at(), self.dice.wide_bits()), ..request }
    }

    fn draw_key(&mut self, caller: Caller) -> String {
        let wishes = &mut self.callers[caller.0].wishes;
        wishes.keys_drawn += 1;
        format!("key-{}-{}", caller.0, wishes.keys_drawn)
    }

    /// What an outcome teaches the program.
    pub(super) fn remember(&mut self, caller: Caller, request: &ClientRequest, outcome: &Outcome) {
        let now = self.agenda.now();
        let calm = self.calm_since.is_some_and(|calm| now.since(calm).0 >= UNDRAIN_AFTER_MS);
        let wishes = &mut self.callers[caller.0].wishes;
        let unsettled = matches!(outcome, Outcome::Unknown);
        if let (ClientRequest::Pause { what, paused: true, .. }, Outcome::Done(_)) = (request, outcome) {
            self.census.count(if matches!(what, Held::Job(_)) { "job paused" } else { "queue paused" });
        }
        match (request, outcome) {
            (ClientRequest::Drain { node, drain: None, .. }, Outcome::Done(_)) => {
                wishes.drained.retain(|drained| drained != node);
            }
            (ClientRequest::Drain { node, drain: Some(_), .. }, Outcome::Done(_) | Outcome::Unknown) => {
                wishes.drained.push(*node);
            }
            // What has ended needs nobody to let it go on.
            (
                ClientRequest::Pause { what, paused: false, .. },
                Outcome::Done(_) | Outcome::Refused(Refusal::JobHasEnded(_)),
            ) => {
                wishes.paused.retain(|paused| paused != what);
                wishes.perhaps_paused.retain(|paused| paused != what || !calm);
            }
            (ClientRequest::Pause { what, paused: true, .. }, Outcome::Done(_)) => wishes.paused.push(what.clone()),
            (ClientRequest::Pause { what, paused: true, .. }, Outcome::Unknown) => {
                wishes.perhaps_paused.push(what.clone());
            }
            (_, Outcome::Done(Reply::Submitted { job })) => wishes.jobs.push(*job),
            _ => {}
        }
        if let ClientRequest::Submit { request, spec } = request
            && let Some(key) = &request.key
            && (unsettled || matches!(outcome, Outcome::Done(_)))
        {
            wishes.keyed.push((key.clone(), (**spec).clone()));
        }
    }
}
