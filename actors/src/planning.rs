//! What the leader proposes without being asked: assignments, due timers, the chain's assertion, retention (R7, R14, R24).
//!
//! Owns the decision and the rule that at most one batch of each kind is on its way; the ledger's `plan` decides who goes
//! where, and apply checks it again. Refuses to know how a proposal travels. Level-triggered: each call looks at the ledger
//! as it is, so a lost doorbell or proposal costs one pause. Time is ledger time, passed in.

use std::collections::BTreeMap;

use quorla_ledger::{
    command::Command,
    ledger::Ledger,
    limits::{EXPIRED_JOBS_MAX, EXPIRED_RECORDS_MAX, TIMERS_FIRED_MAX},
    plan::{Plan, PlanCursor},
    record::MetaRecord,
    units::Millis,
};

use retention::{History, Retention};

pub mod retention;

/// Assignments of one round of planning.
const ASSIGNMENTS_MAX: usize = 256;
/// After a plan that found nothing, before the next one: planning looks at every node for each demand.
const FRUITLESS_PAUSE: Millis = Millis(50);
/// Between two looks at the oldest history, when the last one found nothing to remove.
const RETENTION_PAUSE: Millis = Millis(5_000);

/// Kinds of proposals; at most one batch of each is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Task {
    /// Queued jobs get places.
    Assign,
    /// Due timers fire.
    FireTimers,
    /// The chain is compared.
    AssertHash,
    /// Old jobs go.
    ExpireJobs,
    /// Old requests go.
    ExpireRequests,
    /// Old events go.
    ExpireEvents,
}

/// A command to propose; its outcome, whichever it is, is told to [`Planner::settled`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// Its kind.
    pub task: Task,
    /// The command.
    pub command: Command,
}

/// See the module. One per leadership.
#[derive(Debug)]
pub struct Planner {
    retention: Retention,
    /// Proposals on their way.
    outstanding: BTreeMap<Task, usize>,
    plan_again_at: Millis,
    /// Where the last look at the lines ended without finding anything.
    plan_from: Option<PlanCursor>,
    retain_again_at: Millis,
    asserted_upto: u64,
}

impl Planner {
    /// A planner that has proposed nothing.
    pub const fn new(retention: Retention) -> Self {
        Self {
            retention,
            outstanding: BTreeMap::new(),
            plan_again_at: Millis(0),
            plan_from: None,
            retain_again_at: Millis(0),
            asserted_upto: 0,
        }
    }

    /// What the ledger as it is asks for. Called after a doorbell and on every tick.
    pub fn plan(&mut self, ledger: &Ledger, now: Millis) -> Vec<Proposal> {
        let mut proposals = Vec::new();
        if self.is_idle(Task::FireTimers) && ledger.next_due().is_some_and(|due| due <= now) {
            let command = Command::FireTimers { upto: now, max: TIMERS_FIRED_MAX };
            proposals.push(Proposal { task: Task::FireTimers, command });
        }
        proposals.extend(self.assignments(ledger, now));
        proposals.extend(self.assertion(ledger.meta()));
        self.sent(proposals)
    }

    /// Whether [`Self::plan`] stopped where the ledger was looked at for long enough, and would go on at once.
    pub const fn goes_on(&self) -> bool {
        self.plan_from.is_some()
    }

    /// Whether [`Self::retain`] would look at the history now.
    pub fn retention_is_due(&self, now: Millis) -> bool {
        let expiries = [Task::ExpireJobs, Task::ExpireRequests, Task::ExpireEvents];
        self.retain_again_at <= now && expiries.iter().all(|task| self.is_idle(*task))
    }

    /// What retention removes, oldest first. `history` is a view at least as new as `meta`.
    pub fn retain(&mut self, meta: &MetaRecord, history: &dyn History, now: Millis) -> Vec<Proposal> {
        if !self.retention_is_due(now) {
            return Vec::new();
        }
        let jobs = self.retention.jobs(meta, history, now, EXPIRED_JOBS_MAX);
        let requests = self.retention.requests(meta, history, now, EXPIRED_RECORDS_MAX);
        let pages = self.retention.event_pages(meta, history, now, EXPIRED_RECORDS_MAX);
        let expiries = [
            (Task::ExpireJobs, !jobs.is_empty(), Command::ExpireJobs { jobs }),
            (Task::ExpireRequests, !requests.is_empty(), Command::ExpireRequests { requests }),
            (Task::ExpireEvents, !pages.is_empty(), Command::ExpireEvents { pages }),
        ];
        let wanted = expiries.into_iter().filter(|(_, wanted, _)| *wanted);
        let proposals: Vec<_> = wanted.map(|(task, _, command)| Proposal { task, command }).collect();
        if proposals.is_empty() {
            self.retain_again_at = now.after(RETENTION_PAUSE);
        }
        self.sent(proposals)
    }

    /// One proposal of that kind was answered, refused or lost track of: what is still needed is seen by the next call.
    pub fn settled(&mut self, task: Task) {
        if let Some(left) = self.outstanding.get_mut(&task) {
            *left -= 1;
            if *left == 0 {
                self.outstanding.remove(&task);
            }
        }
    }

    fn assignments(&mut self, ledger: &Ledger, now: Millis) -> Vec<Proposal> {
        let pauses = now < self.plan_again_at && !self.goes_on();
        if pauses || !self.is_idle(Task::Assign) || ledger.queued_jobs() == 0 {
            self.plan_from = None;
            return Vec::new();
        }
        let Plan { assignments, next } = ledger.plan_some(ASSIGNMENTS_MAX, self.plan_from.take());
        self.plan_from = next;
        if assignments.is_empty() && next.is_none() {
            self.plan_again_at = now.after(FRUITLESS_PAUSE);
        }
        let proposal = |assign| Proposal { task: Task::Assign, command: Command::Assign(assign) };
        assignments.into_iter().map(proposal).collect()
    }

    /// Each kept link of the chain is compared once per leadership.
    fn assertion(&mut self, meta: &MetaRecord) -> Option<Proposal> {
        let (index, hash) = meta.kept_link;
        if index <= self.asserted_upto || !self.is_idle(Task::AssertHash) {
            return None;
        }
        self.asserted_upto = index;
        Some(Proposal { task: Task::AssertHash, command: Command::AssertHash { index, hash } })
    }

    fn is_idle(&self, task: Task) -> bool {
        !self.outstanding.contains_key(&task)
    }

    fn sent(&mut self, proposals: Vec<Proposal>) -> Vec<Proposal> {
        for proposal in &proposals {
            *self.outstanding.entry(proposal.task).or_default() += 1;
        }
        proposals
    }
}

#[cfg(test)]
mod tests;
