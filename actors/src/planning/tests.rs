//! One claim of the planner per test, against the real ledger in memory.

mod borrowed;

use std::collections::BTreeMap;

use quorla_ledger::{
    Batch, BatchBuilder, Command, Entry, Ledger, Reply,
    codec::encode_command,
    command::{DrainNode, DrainOrder, EndAttempt, RegisterNode, Request, Submit},
    defect::Defect,
    ids::{BootId, Fence, JobId, NodeKey, Principal},
    limits::HASH_KEPT_EVERY,
    memory::MemoryTables,
    outcome::{AttemptEnd, Exit, Tails, Usage},
    spec::{Backoff, Demand, JobSpec, Kill, Limits, Resources, RetryPolicy, Timeouts},
    units::{Bytes, MilliCpu, Millis},
};

use super::{Planner, Proposal, Task, retention::Retention};

/// A ledger with its tables and a clock.
struct World {
    ledger: Ledger,
    tables: MemoryTables,
    now: Millis,
    planner: Planner,
}

impl World {
    fn new(retention: Retention) -> Self {
        let (ledger, tables) = (Ledger::founding(Defect::None), MemoryTables::default());
        Self { ledger, tables, now: Millis(1_000_000), planner: Planner::new(retention) }
    }

    fn apply(&mut self, command: &Command) -> Reply {
        let mut builder = BatchBuilder::default();
        builder.push(&encode_command(command));
        let payload = builder.seal(self.now);
        let batch = Batch::parse(&payload).unwrap();
        let entry = Entry { index: self.ledger.meta().index + 1, batch };
        let mut applied = self.ledger.apply(&entry, &self.tables);
        self.tables.absorb(applied.changes);
        applied.replies.remove(0)
    }

    fn register(&mut self) {
        let capacity = Resources { cpu: MilliCpu(1_000), memory: Bytes(1_000), slots: 1 };
        let (key, name, boot) = (NodeKey([1; 32]), "one".to_owned(), BootId(1));
        let registration = RegisterNode { key, name, capacity, labels: BTreeMap::new(), boot, command_version: 1 };
        self.apply(&Command::RegisterNode(registration));
    }

    fn submit(&mut self, number: u128, not_before: Option<Millis>) -> JobId {
        let id = JobId::new(self.now, number);
        let request = Request { principal: Principal([0; 32]), id, key: None };
        let reply = self.apply(&Command::Submit(Submit { request, spec: spec(not_before), seed: 0 }));
        assert!(matches!(reply, Reply::Submitted { .. }), "{reply:?}");
        id
    }

    /// The job's attempt ends well, and the node takes nothing else yet.
    fn end(&mut self, job: JobId) {
        let node = self.ledger.nodes().next().unwrap();
        let fence = node.held().iter().find(|(_, held)| **held == job).map(|(fence, _)| *fence);
        let fence: Fence = fence.expect("it runs");
        let end = AttemptEnd { exit: Exit::Code(0), usage: Usage::default() };
        let report = EndAttempt { job, fence, end, tails: Tails::default(), refill: false };
        self.apply(&Command::EndAttempt(report));
    }

    fn plan(&mut self) -> Vec<Proposal> {
        self.planner.plan(&self.ledger, self.now)
    }

    fn retain(&mut self) -> Vec<Proposal> {
        self.planner.retain(self.ledger.meta(), &self.tables, self.now)
    }

    /// Applies proposals as a leader would.
    fn carry_out(&mut self, proposals: Vec<Proposal>) -> Vec<Reply> {
        let replies = proposals.iter().map(|proposal| self.apply(&proposal.command)).collect();
        proposals.iter().for_each(|proposal| self.planner.settled(proposal.task));
        replies
    }

    /// One job that ended, and one that waits beside an empty node.
    fn with_one_waiting() -> (Self, JobId) {
        let mut world = Self::new(Retention::default());
        world.register();
        let first = world.submit(1, None);
        let second = world.submit(2, None);
        world.end(first);
        (world, second)
    }
}

fn spec(not_before: Option<Millis>) -> JobSpec {
    JobSpec {
        name: "job".to_owned(),
        queue: "default".to_owned(),
        priority: 50,
        command: vec!["/bin/true".to_owned()],
        env: BTreeMap::new(),
        working_dir: None,
        stdin: Vec::new(),
        demand: Demand { resources: Resources { slots: 1, ..Resources::default() }, constraints: Vec::new() },
        limits: Limits::default(),
        run_as: None,
        retry: RetryPolicy {
            attempts_max: 1,
            backoff: Backoff::Fixed(Millis(0)),
            jitter_percent: 0,
            exit_codes: Vec::new(),
        },
        timeouts: Timeouts::default(),
        not_before,
        kill: Kill { signal: 15, grace: Millis(1_000) },
        output_tail_max: Bytes(8_192),
        labels: BTreeMap::new(),
    }
}

fn tasks(proposals: &[Proposal]) -> Vec<Task> {
    proposals.iter().map(|proposal| proposal.task).collect()
}

#[test]
fn a_waiting_job_beside_a_free_node_is_assigned() {
    let (mut world, waiting) = World::with_one_waiting();
    let plan = world.plan();
    assert_eq!(tasks(&plan), [Task::Assign]);
    let replies = world.carry_out(plan);
    assert!(matches!(&replies[..], [Reply::Assigned(assigned)] if assigned.job == waiting), "{replies:?}");
}

#[test]
fn nothing_is_assigned_while_assignments_are_on_their_way() {
    let (mut world, _) = World::with_one_waiting();
    assert_eq!(tasks(&world.plan()), [Task::Assign]);
    assert!(world.plan().is_empty());
    world.planner.settled(Task::Assign);
    assert_eq!(tasks(&world.plan()), [Task::Assign], "it was lost, and is decided anew");
}

#[test]
fn a_fruitless_plan_is_not_repeated_at_once() {
    let mut world = World::new(Retention::default());
    world.submit(1, None);
    assert!(world.plan().is_empty());
    world.register();
    assert!(world.plan().is_empty());
    world.now = world.now.after(super::FRUITLESS_PAUSE);
    assert_eq!(tasks(&world.plan()), [Task::Assign]);
}

#[test]
fn a_due_timer_fires_once_and_not_before() {
    let mut world = World::new(Retention::default());
    world.submit(1, Some(world.now.after(Millis(10))));
    world.now = world.now.after(Millis(9));
    assert!(world.plan().is_empty());
    world.now = world.now.after(Millis(1));
    let plan = world.plan();
    assert_eq!(tasks(&plan), [Task::FireTimers]);
    assert!(world.plan().is_empty());
    assert_eq!(world.carry_out(plan), [Reply::TimersFired { jobs: 1, more: false }]);
}

#[test]
fn each_kept_link_of_the_chain_is_asserted_once() {
    let mut world = World::new(Retention::default());
    for _ in 0..HASH_KEPT_EVERY {
        world.apply(&Command::MarkContentHash);
    }
    let plan = world.plan();
    assert_eq!(tasks(&plan), [Task::AssertHash]);
    assert_eq!(world.carry_out(plan), [Reply::HashAgrees]);
    assert!(world.plan().is_empty());
}

#[test]
fn jobs_beyond_their_age_are_expired() {
    let retention = Retention { jobs_age_max: Millis(100), ..Retention::default() };
    let mut world = World::new(retention);
    world.register();
    let job = world.submit(1, None);
    world.end(job);
    world.now = world.now.after(Millis(100));
    assert!(world.retain().is_empty(), "not older than that");
    world.now = world.now.after(Millis(5_000));
    let expiry = world.retain();
    assert_eq!(tasks(&expiry), [Task::ExpireJobs]);
    assert_eq!(world.carry_out(expiry), [Reply::Expired { records: 1 }]);
    assert_eq!(world.ledger.meta().ended_jobs, 0);
}

#[test]
fn jobs_beyond_their_number_or_bytes_are_expired_oldest_first() {
    let check = |retention: Retention| {
        let mut world = World::new(retention);
        world.register();
        let jobs = [1, 2, 3].map(|number| {
            world.now = world.now.after(Millis(1));
            let job = world.submit(number, None);
            world.end(job);
            job
        });
        let expiry = world.retain();
        let Command::ExpireJobs { jobs: expired } = &expiry[0].command else { panic!("{expiry:?}") };
        assert_eq!(expired[..], jobs[..2]);
    };
    check(Retention { jobs_max: 1, ..Retention::default() });
    let kept = {
        let mut world = World::new(Retention::default());
        world.register();
        let job = world.submit(1, None);
        world.end(job);
        world.ledger.meta().ended_bytes
    };
    check(Retention { jobs_bytes_max: kept, ..Retention::default() });
}

#[test]
fn expiries_of_jobs_go_in_several_commands_and_keep_nothing_else_waiting() {
    let retention = Retention { jobs_max: 0, events_bytes_max: Bytes(0), ..Retention::default() };
    let mut world = World::new(retention);
    world.register();
    let count = 2 * quorla_ledger::limits::EXPIRED_JOBS_MAX + 1;
    for number in 1..=count {
        let job = world.submit(number as u128, None);
        world.end(job);
    }
    let expiry = world.retain();
    let (jobs, others): (Vec<_>, Vec<_>) = expiry.into_iter().partition(|proposal| proposal.task == Task::ExpireJobs);
    assert_eq!((jobs.len(), tasks(&others)), (3, vec![Task::ExpireEvents]));
    world.carry_out(others);
    world.submit(9_999_999, None);
    assert_eq!(tasks(&world.retain()), [Task::ExpireEvents], "the jobs are still on their way");
    let replies = world.carry_out(jobs);
    assert!(replies.iter().all(|reply| matches!(reply, Reply::Expired { .. })), "{replies:?}");
    assert_eq!(world.ledger.meta().ended_jobs, 0);
}

#[test]
fn requests_are_forgotten_after_their_window() {
    let mut world = World::new(Retention::default());
    world.submit(1, None);
    world.now = world.now.after(quorla_ledger::limits::DEDUP_WINDOW).after(Millis(1));
    let expiry = world.retain();
    assert!(tasks(&expiry).contains(&Task::ExpireRequests));
    let expiry = expiry.into_iter().filter(|proposal| proposal.task == Task::ExpireRequests).collect();
    assert_eq!(world.carry_out(expiry), [Reply::Expired { records: 1 }]);
}

#[test]
fn events_beyond_their_bytes_are_expired_from_the_horizon_on() {
    let retention = Retention { events_bytes_max: Bytes(0), ..Retention::default() };
    let mut world = World::new(retention);
    world.submit(1, None);
    world.submit(2, None);
    let expiry = world.retain();
    assert_eq!(tasks(&expiry), [Task::ExpireEvents]);
    assert_eq!(world.carry_out(expiry), [Reply::Expired { records: 2 }]);
    assert_eq!(world.ledger.meta().event_bytes, Bytes(0));
}

#[test]
fn what_runs_past_a_drains_deadline_is_stopped_once() {
    let mut world = World::new(Retention::default());
    world.register();
    world.submit(1, None);
    let node = world.ledger.nodes().next().unwrap().record().id;
    let request = Request { principal: Principal([0; 32]), id: JobId::new(world.now, 9), key: None };
    let drain = Some(DrainOrder { deadline: Some(Millis(100)), ..DrainOrder::default() });
    world.apply(&Command::DrainNode(DrainNode { request, node, drain }));
    assert!(world.plan().is_empty());
    world.now = world.now.after(Millis(100));
    let plan = world.plan();
    assert_eq!(tasks(&plan), [Task::StopDrained]);
    assert!(world.plan().is_empty(), "it is on its way");
    assert_eq!(world.carry_out(plan), [Reply::DrainedStopped { attempts: 1 }]);
    assert!(world.plan().is_empty());
}
