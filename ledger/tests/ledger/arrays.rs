//! Arrays: many tasks of one specification, each with its own result.

use quorla_ledger::{
    array::{ArrayState, Kept, TaskCounts, kept, task_record},
    command::{Command, SubmitArray, Tasks},
    explain::Waiting,
    ids::JobId,
    limits::{OVERTAKINGS_MAX, TASKS_PAUSING_MAX},
    outcome::{Deadline, Exit, Failure},
    record::{JobRecord, JobState},
    reply::{Refusal, Reply},
    spec::{JobSpec, check::SpecFault},
    tables::Table,
    units::Millis,
};

use crate::{
    build::{plain, retried, slots, spec, wide},
    world::World,
};

impl World {
    pub(crate) fn submission_of_array(&mut self, spec: JobSpec, tasks: u32) -> SubmitArray {
        let mut request = self.request();
        request.id = JobId::array(request.id.born_at(), request.id.random() << 20);
        let tasks = Tasks::Range { first: 0, last: tasks - 1 };
        SubmitArray { request, spec, tasks, running_max: None, seed: 7 }
    }

    pub(crate) fn submit_array(&mut self, spec: JobSpec, tasks: u32) -> JobId {
        let submit = self.submission_of_array(spec, tasks);
        self.accept_array(submit)
    }

    pub(crate) fn accept_array(&mut self, submit: SubmitArray) -> JobId {
        let job = submit.request.id;
        assert_eq!(self.run(Command::SubmitArray(submit)), Reply::Submitted { job });
        job
    }

    pub(crate) fn capped(&mut self, tasks: u32, running_max: u32) -> JobId {
        let mut submit = self.submission_of_array(plain(), tasks);
        submit.running_max = Some(running_max);
        self.accept_array(submit)
    }

    pub(crate) fn array(&self, array: JobId) -> Kept {
        kept(&|key| quorla_ledger::Records::read(&self.tables, key), array).expect("the array is there")
    }

    pub(crate) fn task(&self, task: JobId) -> Option<JobRecord> {
        task_record(&|key| quorla_ledger::Records::read(&self.tables, key), task)
    }

    pub(crate) fn counts(&self, array: JobId) -> TaskCounts {
        self.array(array).progress.counts
    }

    pub(crate) fn stage(&self, array: JobId, index: u32) -> JobState {
        self.task(array.task(index)).expect("the task is there").state
    }

    /// Ends the running attempt of a task, and gives its place to whoever is next.
    pub(crate) fn end_task(&mut self, task: JobId, exit: Exit) -> Reply {
        let fence = self.task(task).expect("the task is there").state.placed().expect("it runs").fence;
        let mut report = quorla_ledger::command::EndAttempt {
            job: task,
            fence,
            end: crate::build::ended(exit),
            tails: Default::default(),
            refill: true,
        };
        report.refill = true;
        self.run(Command::EndAttempt(report))
    }

    /// Runs every task to its end, one after another; those of these indices fail.
    pub(crate) fn run_out(&mut self, array: JobId, failing: &[u32]) {
        loop {
            self.plan_all();
            let held: Vec<JobId> = self.ledger.nodes().flat_map(|node| node.held().values().copied()).collect();
            let Some(task) = held.into_iter().find(|task| task.of_task().is_some_and(|(of, _)| of == array)) else {
                return;
            };
            let failed = task.of_task().is_some_and(|(_, index)| failing.contains(&index));
            self.end_task(task, Exit::Code(u8::from(failed)));
        }
    }
}

#[test]
fn tasks_start_in_order_and_each_ends_once() {
    let (mut world, ..) = World::with_node(2);
    let array = world.submit_array(plain(), 5);
    assert_eq!(world.counts(array).waiting, 5, "nothing is written for those that wait");
    assert_eq!(world.count(Table::LiveTasks), 0);
    world.plan_all();
    assert_eq!(world.counts(array), TaskCounts { waiting: 3, running: 2, ..TaskCounts::default() });
    let first = array.task(0);
    let fence = world.task(first).unwrap().state.placed().unwrap().fence;
    let Reply::AttemptEnded { next: Some(next) } = world.end_task(first, Exit::Code(0)) else { panic!("no refill") };
    assert_eq!(next.job, array.task(2), "the freed place goes to the next task");
    let end = crate::build::ended(Exit::Code(0));
    let again = quorla_ledger::command::EndAttempt { job: first, fence, end, tails: Default::default(), refill: false };
    assert_eq!(world.run(Command::EndAttempt(again)), Reply::AlreadyRecorded, "R11");
    world.run_out(array, &[]);
    let ended = world.array(array).progress;
    assert!(matches!(ended.state, ArrayState::Ended { .. }));
    assert_eq!(ended.counts, TaskCounts { succeeded: 5, ..TaskCounts::default() });
    assert_eq!((world.ledger.live_arrays(), world.ledger.live_jobs(), world.ledger.meta().live_bytes.0), (0, 0, 0));
}

#[test]
fn a_large_array_costs_no_more_than_a_small_one() {
    let (mut world, ..) = World::with_node(1);
    let before = world.tables.len();
    let small = world.submit_array(plain(), 1);
    let cost = world.tables.len() - before;
    let large = world.submit_array(plain(), 1_000_000);
    // The page of events of the entry is counted in both.
    assert_eq!(world.tables.len() - before, 2 * cost);
    assert_eq!(world.ledger.live_jobs(), 0);
    world.cancel(large);
    assert_eq!(world.counts(large).cancelled, 1_000_000);
    assert!(matches!(world.stage(large, 999_999), JobState::Cancelled { .. }));
    assert_eq!(world.counts(small).waiting, 1);
}

#[test]
fn no_more_tasks_hold_a_place_than_the_cap_says() {
    let (mut world, ..) = World::with_node(4);
    let array = world.capped(4, 2);
    world.plan_all();
    assert_eq!(world.counts(array).running, 2);
    let waits = world.ledger.why_waiting(array.task(2), &world.tables);
    assert_eq!(waits, Some(Waiting::Cap(2)));
    world.cancel(array.task(0));
    world.plan_all();
    assert_eq!(world.counts(array).running, 1, "R18: a task that is being stopped holds its place");
    world.end_task(array.task(0), Exit::Signal(15));
    assert_eq!(world.counts(array).running, 2, "the refill is one of the same array");
}

#[test]
fn an_array_takes_its_place_in_the_queue_like_a_job() {
    let (mut world, ..) = World::with_node(1);
    let running = world.running(plain());
    let older = world.queued(plain());
    let array = world.submit_array(plain(), 3);
    let younger = world.queued(plain());
    let urgent = world.queued(crate::build::urgent(90));
    assert_eq!(world.ledger.ahead_of(younger).unwrap().jobs, 5, "its tasks are counted");
    assert_eq!(world.ledger.ahead_of(array.task(1)).unwrap().jobs, 3);
    let mut order = Vec::new();
    let mut current = running;
    for _ in 0..6 {
        let fence = world.ledger.nodes().next().unwrap().held().first_key_value().map(|(fence, _)| *fence).unwrap();
        let end = crate::build::ended(Exit::Code(0));
        let report =
            quorla_ledger::command::EndAttempt { job: current, fence, end, tails: Default::default(), refill: true };
        let Reply::AttemptEnded { next: Some(next) } = world.run(Command::EndAttempt(report)) else { panic!("idle") };
        current = next.job;
        order.push(current);
    }
    assert_eq!(order, [urgent, older, array.task(0), array.task(1), array.task(2), younger]);
}

#[test]
fn a_failed_task_is_tried_again_before_new_ones_start() {
    let (mut world, ..) = World::with_node(1);
    let array = world.submit_array(retried(2, 100), 3);
    world.plan_all();
    world.end_task(array.task(0), Exit::Code(1));
    assert!(matches!(world.stage(array, 0), JobState::BackingOff { .. }));
    assert!(matches!(world.stage(array, 1), JobState::Running(_)), "the others go on meanwhile");
    world.pass(101);
    world.fire(10);
    assert_eq!(world.counts(array).queued, 1);
    let Reply::AttemptEnded { next: Some(next) } = world.end_task(array.task(1), Exit::Code(0)) else { panic!("idle") };
    assert_eq!(next.job, array.task(0));
    world.end_task(array.task(0), Exit::Code(1));
    assert!(matches!(world.stage(array, 0), JobState::Failed { .. }));
    assert_eq!(world.task(array.task(0)).unwrap().attempts_made, 2);
}

#[test]
fn many_failing_tasks_hold_the_others_back() {
    let (mut world, ..) = World::with_node(64);
    let array = world.submit_array(retried(3, 60_000), 2_000);
    let mut failed = 0;
    while failed < TASKS_PAUSING_MAX {
        world.plan_all();
        let held: Vec<JobId> = world.ledger.nodes().flat_map(|node| node.held().values().copied()).collect();
        let ends: Vec<Command> = held
            .iter()
            .map(|task| {
                let fence = world.task(*task).unwrap().state.placed().unwrap().fence;
                let (end, tails) = (crate::build::ended(Exit::Code(1)), Default::default());
                Command::EndAttempt(quorla_ledger::command::EndAttempt { job: *task, fence, end, tails, refill: false })
            })
            .collect();
        world.apply(&ends);
        failed += 64;
    }
    assert!(world.ledger.plan(256).is_empty());
    let waits = world.ledger.why_waiting(array.task(1_999), &world.tables);
    assert_eq!(waits, Some(Waiting::Retries(TASKS_PAUSING_MAX)));
    world.pass(60_001);
    world.fire(1);
    assert_eq!(world.ledger.plan(256).len(), 1, "who waits again goes on");
}

#[test]
fn deadlines_end_waiting_tasks_together() {
    for (queue, job, deadline) in [(Some(50), None, Deadline::Queue), (None, Some(50), Deadline::Job)] {
        let (mut world, ..) = World::with_node(1);
        let array = world.submit_array(
            spec(|spec| (spec.timeouts.queue, spec.timeouts.job) = (queue.map(Millis), job.map(Millis))),
            3,
        );
        world.plan_all();
        world.pass(51);
        world.fire(10);
        let counts = world.counts(array);
        assert_eq!((counts.deadline_exceeded, counts.waiting), (2, 0));
        assert!(matches!(world.stage(array, 2), JobState::DeadlineExceeded { deadline: of, .. } if of == deadline));
        world.end_task(array.task(0), Exit::Code(0));
        let ended = world.array(array).progress;
        assert!(matches!(ended.end(Millis(0)), JobState::DeadlineExceeded { .. }));
    }
}

#[test]
fn a_delayed_array_opens_at_its_time() {
    let (mut world, ..) = World::with_node(1);
    let until = Millis(world.now + 100);
    let array = world.submit_array(spec(|spec| spec.not_before = Some(until)), 2);
    world.plan_all();
    assert_eq!(world.stage(array, 0), JobState::Delayed { until });
    assert_eq!(world.ledger.why_waiting(array.task(0), &world.tables), Some(Waiting::Until(until)));
    world.pass(100);
    world.fire(1);
    world.plan_all();
    assert_eq!(world.counts(array).running, 1);
}

#[test]
fn tasks_lost_with_their_node_run_again_and_not_for_ever() {
    let (mut world, node, _) = World::with_node(2);
    let array = world.submit_array(plain(), 2);
    for _ in 0..16 {
        world.register(1, slots(2));
        world.plan_all();
        assert_eq!(world.counts(array).running, 2);
        world.lapse(node);
    }
    world.fire(10);
    let failed = JobState::Failed { at: Millis(world.now), failure: Failure::LostTooOften };
    assert_eq!(world.stage(array, 0), failed);
    let ended = world.array(array).progress.end(Millis(0));
    assert_eq!(ended, JobState::Failed { at: Millis(0), failure: Failure::Tasks { failed: 2 } });
}

#[test]
fn an_overtaken_array_keeps_a_node_free() {
    let (mut world, node, _) = World::with_node(4);
    let small = world.running(plain());
    let array = world.submit_array(wide(4), 2);
    for _ in 0..OVERTAKINGS_MAX {
        let job = world.running(plain());
        world.end(job, Exit::Code(0));
    }
    world.queued(plain());
    assert_eq!(world.array(array).progress.reserved, Some(node));
    world.end(small, Exit::Code(0));
    world.plan_all();
    assert_eq!(world.counts(array).running, 1, "it got the node, and gave its reservation back");
    assert_eq!(world.array(array).progress.reserved, None);
    world.drain(node, true);
}

#[test]
fn what_is_no_array_is_refused() {
    let mut world = World::new();
    let good = world.submission_of_array(plain(), 2);
    let mut of_job = good.clone();
    of_job.request.id = JobId::new(of_job.request.id.born_at(), 99);
    assert_eq!(world.refused(Command::SubmitArray(of_job)), Refusal::IdIsOfAnotherKind);
    let mut job = world.submission(plain());
    job.request.id = good.request.id;
    assert_eq!(world.refused(Command::Submit(job)), Refusal::IdIsOfAnotherKind);
    for (tasks, running_max, fault) in [
        (Tasks::Range { first: 3, last: 2 }, None, SpecFault::TasksAreEmpty),
        (Tasks::Items { count: 0, digest: [0; 16] }, None, SpecFault::TasksAreEmpty),
        (Tasks::Range { first: 0, last: 0 }, Some(0), SpecFault::RunningIsZero),
    ] {
        let submit = SubmitArray { tasks, running_max, ..good.clone() };
        assert_eq!(world.refused(Command::SubmitArray(submit)), Refusal::SpecIsInvalid(fault));
    }
    let huge = SubmitArray { tasks: Tasks::Range { first: 0, last: 1_000_000 }, ..good.clone() };
    assert!(matches!(world.refused(Command::SubmitArray(huge)), Refusal::SpecIsInvalid(SpecFault::TooMuch { .. })));
    let array = world.accept_array(good.clone());
    let other = SubmitArray { running_max: Some(1), ..good };
    assert_eq!(world.refused(Command::SubmitArray(other)), Refusal::KeyConflicts { first: array }, "I2");
}
