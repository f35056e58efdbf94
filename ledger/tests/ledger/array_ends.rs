//! Arrays called off and tried again, whole or in part.

use quorla_ledger::{
    command::Command,
    ids::JobId,
    limits::TASKS_STOPPED_MAX,
    outcome::Exit,
    record::JobState,
    reply::{Refusal, Reply},
    spec::JobSpec,
    tables::Table,
};

use crate::{
    build::{plain, slots, spec},
    world::World,
};

impl World {
    pub(crate) fn retry(&mut self, of: JobId) -> Command {
        let mut request = self.request();
        if of.is_array() {
            request.id = JobId::array(request.id.born_at(), request.id.random() << 20);
        }
        Command::Retry { request, job: of, seed: 1 }
    }
}

#[test]
fn a_cancellation_of_many_running_tasks_is_finished_by_further_commands() {
    let mut world = World::new();
    for node in 1..=4 {
        world.register(node, slots(128));
    }
    let array = world.submit_array(plain(), 600);
    world.plan_all();
    let request = world.request();
    let reason = Some("enough".to_owned());
    assert_eq!(world.run(Command::Cancel { request, job: array, reason }), Reply::Cancelled);
    let stopped = u32::try_from(TASKS_STOPPED_MAX).unwrap();
    let counts = world.counts(array);
    assert_eq!((counts.cancelled, counts.stopping, counts.running), (88, stopped, 512 - stopped));
    assert_eq!(world.ledger.array_to_stop(), Some(array));
    assert!(world.ledger.plan(256).is_empty(), "nothing of it starts any more");
    while let Some(array) = world.ledger.array_to_stop() {
        world.run(Command::StopTasks { array });
    }
    assert_eq!(world.counts(array).stopping, 512);
    assert_eq!(world.refused(Command::StopTasks { array }), Refusal::ArrayIsNotStopping);
    assert_eq!(world.task(array.task(599)).unwrap().cancel_reason.as_deref(), Some("enough"));
    for index in 0..512 {
        world.end_task(array.task(index), Exit::Signal(15));
    }
    assert_eq!(world.counts(array).cancelled, 600);
    let request = world.request();
    let refused = world.refused(Command::Cancel { request, job: array, reason: None });
    assert!(matches!(refused, Refusal::JobHasEnded(JobState::Cancelled { .. })));
}

#[test]
fn a_waiting_task_is_cancelled_alone_and_never_starts() {
    let (mut world, ..) = World::with_node(1);
    let array = world.submit_array(plain(), 4);
    assert_eq!(world.cancel(array.task(1)), Reply::Cancelled);
    assert_eq!(world.cancel(array.task(2)), Reply::Cancelled);
    let request = world.request();
    let refused = world.refused(Command::Cancel { request, job: array.task(1), reason: None });
    assert!(matches!(refused, Refusal::JobHasEnded(JobState::Cancelled { .. })));
    let request = world.request();
    assert_eq!(world.refused(Command::Cancel { request, job: array.task(4), reason: None }), Refusal::JobIsUnknown);
    world.run_out(array, &[]);
    let counts = world.counts(array);
    assert_eq!((counts.succeeded, counts.cancelled), (2, 2));
    assert!(world.task(array.task(1)).unwrap().attempts.is_empty());
    assert!(world.task(array.task(3)).unwrap().state.is_ended());
}

#[test]
fn a_retry_has_the_tasks_that_did_not_succeed() {
    let (mut world, ..) = World::with_node(2);
    let array = world.submit_array(plain(), 9_000);
    world.cancel(array.task(8_999));
    let mut index = 0;
    while index < 5 {
        world.plan_all();
        world.end_task(array.task(index), Exit::Code(u8::from(index % 2 == 1)));
        index += 1;
    }
    world.cancel(array);
    world.run_out(array, &[5, 6]);
    let counts = world.counts(array);
    assert_eq!((counts.succeeded, counts.failed, counts.cancelled), (3, 2, 8_995));
    let retry = world.retry(array);
    let Reply::Submitted { job: again } = world.run(retry.clone()) else { panic!("not accepted") };
    assert_eq!(world.run(retry), Reply::Submitted { job: again }, "R10");
    assert_eq!(world.counts(again).waiting, 8_997);
    assert_eq!(world.array(again).record.retry_of, Some(array));
    world.plan_all();
    for (index, there) in [(0, false), (1, true), (2, false), (3, true), (4, false), (5, true), (8_999, true)] {
        assert_eq!(world.task(again.task(index)).is_some(), there, "task {index}");
    }
    let running: Vec<u32> = (0..9_000)
        .filter(|index| world.task(again.task(*index)).is_some_and(|task| task.state.placed().is_some()))
        .collect();
    assert_eq!(running, [1, 3], "they start in order");
    assert_eq!(world.task(again.task(3)).unwrap().retry_of, Some(array.task(3)));
}

#[test]
fn a_retry_of_what_succeeded_is_refused() {
    let (mut world, ..) = World::with_node(1);
    let array = world.submit_array(plain(), 2);
    let retry = world.retry(array);
    assert_eq!(world.refused(retry), Refusal::JobIsLive);
    world.run_out(array, &[]);
    let retry = world.retry(array);
    assert_eq!(world.refused(retry), Refusal::NothingToRetry);
}

#[test]
fn a_task_is_retried_as_a_job_of_its_own() {
    let (mut world, ..) = World::with_node(1);
    let array = world.submit_array(spec(|spec| spec.command = vec!["work".into(), "n={}".into()]), 2);
    let retry = world.retry(array.task(1));
    assert_eq!(world.refused(retry), Refusal::JobIsLive);
    world.run_out(array, &[1]);
    let retry = world.retry(array.task(1));
    let Reply::Submitted { job } = world.run(retry) else { panic!("not accepted") };
    let specs: Vec<JobSpec> = world.all(Table::Specs);
    let own = specs.iter().find(|spec| spec.command == ["work", "n=1"]).expect("its own command");
    assert_eq!(own.env["QUORLA_ARRAY_INDEX"], "1");
    assert_eq!(world.job(job).retry_of, Some(array.task(1)));
}
