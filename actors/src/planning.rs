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

/// Expiries of jobs that are on their way together: one at a time would be slower than jobs can end.
const JOB_EXPIRIES_MAX: usize = 16;
const EXPIRIES: [Task; 4] = [Task::ExpireJobs, Task::ExpireRequests, Task::ExpireEvents, Task::ExpireArrays];

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
    /// The running tasks of a cancelled array stop.
    StopTasks,
    /// Old arrays go.
    ExpireArrays,
    /// Uploads that nobody goes on with go.
    ExpireUploads,
    /// What runs on a node past its drain's deadline stops.
    StopDrained,
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
    /// Kinds of history that held nothing to remove, until they are looked at again.
    retain_again_at: BTreeMap<Task, Millis>,
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
            retain_again_at: BTreeMap::new(),
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
        if self.is_idle(Task::StopTasks)
            && let Some(array) = ledger.array_to_stop()
        {
            proposals.push(Proposal { task: Task::StopTasks, command: Command::StopTasks { array } });
        }
        if self.is_idle(Task::StopDrained)
            && let Some(node) = ledger.node_to_clear(now)
        {
            proposals.push(Proposal { task: Task::StopDrained, command: Command::StopDrained { node } });
        }
        if self.is_idle(Task::ExpireUploads)
            && let Some(upload) = ledger.upload_to_expire(now)
        {
            proposals.push(Proposal { task: Task::ExpireUploads, command: Command::ExpireUpload { upload } });
        }
        proposals.extend(self.assignments(ledger, now));
        proposals.extend(self.assertion(ledger.meta()));
        self.sent(proposals)
    }

    /// Whether [`Self::plan`] stopped where the ledger was looked at for long enough, and would go on at once.
    pub const fn goes_on(&self) -> bool {
        self.plan_from.is_some()
    }

    /// Whether [`Self::retain`] would look at some history now.
    pub fn retention_is_due(&self, now: Millis) -> bool {
        EXPIRIES.iter().any(|task| self.expiry_is_due(*task, now))
    }

    /// What retention removes, oldest first. `history` is a view at least as new as `meta`. Each kind goes on by itself:
    /// much of one does not keep another waiting.
    pub fn retain(&mut self, meta: &MetaRecord, history: &dyn History, now: Millis) -> Vec<Proposal> {
        let mut proposals = Vec::new();
        for task in EXPIRIES {
            if !self.expiry_is_due(task, now) {
                continue;
            }
            let commands = self.expiries(task, meta, history, now);
            if commands.is_empty() {
                self.retain_again_at.insert(task, now.after(RETENTION_PAUSE));
            }
            proposals.extend(commands.into_iter().map(|command| Proposal { task, command }));
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
        if pauses || !self.is_idle(Task::Assign) || !ledger.has_lines() {
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

    /// The commands that remove what is oldest of one kind. Jobs take the most commands, so several go at once, each with
    /// jobs of its own.
    fn expiries(&self, task: Task, meta: &MetaRecord, history: &dyn History, now: Millis) -> Vec<Command> {
        let Self { retention, .. } = self;
        match task {
            Task::ExpireJobs => {
                let jobs = retention.jobs(meta, history, now, JOB_EXPIRIES_MAX * EXPIRED_JOBS_MAX);
                let each = jobs.chunks(EXPIRED_JOBS_MAX);
                each.map(|jobs| Command::ExpireJobs { jobs: jobs.to_vec() }).collect()
            }
            Task::ExpireRequests => {
                let requests = retention.requests(meta, history, now, EXPIRED_RECORDS_MAX);
                if requests.is_empty() { Vec::new() } else { vec![Command::ExpireRequests { requests }] }
            }
            Task::ExpireEvents => {
                let pages = retention.event_pages(meta, history, now, EXPIRED_RECORDS_MAX);
                if pages.is_empty() { Vec::new() } else { vec![Command::ExpireEvents { pages }] }
            }
            Task::ExpireArrays => {
                let array = retention.array(meta, history, now);
                array.map(|array| Command::ExpireArray { array }).into_iter().collect()
            }
            Task::Assign | Task::FireTimers | Task::AssertHash => Vec::new(),
            Task::StopTasks | Task::ExpireUploads | Task::StopDrained => Vec::new(),
        }
    }

    fn expiry_is_due(&self, task: Task, now: Millis) -> bool {
        self.is_idle(task) && self.retain_again_at.get(&task).is_none_or(|again_at| *again_at <= now)
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
