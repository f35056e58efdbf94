//! Queues are counted with every change, bounded in number, and their oldest waiting job is known.

use quorla_ledger::{
    command::Command,
    limits::{DEMANDS_MAX, QUEUES_MAX},
    outcome::Exit,
    queues::{Oldest, QueueCounts, QueueView},
    reply::{Refusal, Reply},
    spec::JobSpec,
    units::{Bytes, Millis},
};

use crate::{
    build::{plain, retried, spec},
    world::World,
};

fn in_queue(queue: &str, priority: u8) -> JobSpec {
    spec(|spec| (spec.queue, spec.priority) = (queue.into(), priority))
}

fn of(world: &World, queue: &str) -> Option<QueueView> {
    world.ledger.queues_after(None, usize::MAX).into_iter().find(|view| view.name == queue)
}

fn counts(world: &World, queue: &str) -> QueueCounts {
    of(world, queue).unwrap().counts
}

#[test]
fn every_job_and_task_is_counted_where_it_stands() {
    let (mut world, ..) = World::with_node(2);
    let later = spec(|spec| spec.not_before = Some(Millis(world.now + 1_000)));
    world.submit(later);
    let fails = world.running(retried(2, 500));
    let _runs = world.running(plain());
    let stops = world.queued(plain());
    world.end(fails, Exit::Code(1));
    world.plan_all();
    world.cancel(stops);
    let held = world.queued(plain());
    world.pause(held, true);
    let array = world.submit_array(plain(), 5);
    let expected = QueueCounts { waiting: 5, held: 1, pausing: 2, running: 1, stopping: 1 };
    assert_eq!(counts(&world, "default"), expected);
    world.pause(array, true);
    assert_eq!(counts(&world, "default"), QueueCounts { waiting: 0, held: 6, ..expected });
    world.cancel(array);
    assert_eq!(counts(&world, "default"), QueueCounts { waiting: 0, ..expected });
    assert_eq!(counts(&world, "default").all(), 5);
}

#[test]
fn a_queue_is_known_while_it_has_jobs_or_is_paused() {
    let (mut world, ..) = World::with_node(1);
    let job = world.running(in_queue("batch", 50));
    assert!(of(&world, "batch").is_some());
    world.pause_queue("batch", true);
    world.end(job, Exit::Code(0));
    let view = of(&world, "batch").unwrap();
    assert!(view.pause.is_some() && view.counts.all() == 0 && view.oldest == Oldest::None);
    world.pause_queue("batch", false);
    assert_eq!(of(&world, "batch"), None);
}

#[test]
fn the_oldest_waiting_job_is_found_whatever_its_priority_and_demand() {
    let (mut world, ..) = World::with_node(1);
    let _runs = world.running(plain());
    let other = world.queued(in_queue("other", 100));
    let oldest = world.queued(in_queue("batch", 10));
    world.queued(in_queue("batch", 90));
    world.queued(spec(|spec| (spec.queue, spec.demand.resources.memory) = ("batch".into(), Bytes(7))));
    let find = |world: &World, queue| of(world, queue).unwrap().oldest;
    assert_eq!(find(&world, "batch"), Oldest::Job(oldest));
    assert_eq!(find(&world, "other"), Oldest::Job(other));
    world.pause_queue("batch", true);
    assert_eq!(find(&world, "batch"), Oldest::Job(oldest), "a paused queue has one, too");
    world.pause(oldest, true);
    assert_ne!(find(&world, "batch"), Oldest::Job(oldest), "what is held itself waits for no place");
}

#[test]
fn queues_are_told_in_pages() {
    let mut world = World::new();
    for queue in ["c", "a", "b"] {
        world.submit(in_queue(queue, 50));
    }
    let names = |after, max| {
        let page = world.ledger.queues_after(after, max);
        page.into_iter().map(|view| view.name).collect::<Vec<_>>()
    };
    assert_eq!(names(None, 2), ["a", "b"]);
    assert_eq!(names(Some("b"), 2), ["c"]);
    let all: Vec<&str> = world.ledger.queue_counts().map(|(name, _)| name).collect();
    assert_eq!(all, ["a", "b", "c"]);
}

#[test]
fn different_queues_are_bounded() {
    let mut world = World::new();
    let mut jobs = Vec::new();
    for n in 0..QUEUES_MAX {
        let submit = world.submission(in_queue(&format!("queue-{n}"), 50));
        jobs.push(submit.request.id);
        world.apply_bytes(&[quorla_ledger::codec::encode_command(&Command::Submit(submit))]);
    }
    assert_eq!(world.ledger.queue_counts().count(), QUEUES_MAX);
    let more = Command::Submit(world.submission(in_queue("more", 50)));
    assert_eq!(world.refused(more), Refusal::QueuesAreExhausted);
    let request = world.request();
    let paused = Command::PauseQueue { request, queue: "more".into(), paused: true, reason: None };
    assert_eq!(world.refused(paused), Refusal::QueuesAreExhausted);
    world.submit(in_queue("queue-0", 50));
    assert_eq!(world.cancel(jobs[1]), Reply::Cancelled);
    world.submit(in_queue("more", 50));
}

#[test]
fn one_demand_counts_once_in_each_queue() {
    let mut world = World::new();
    let wanted = |n: usize, queue: &str| {
        spec(|spec| {
            (spec.queue, spec.demand.resources.memory) = (queue.into(), Bytes(u64::try_from(n).unwrap()));
        })
    };
    for n in 0..DEMANDS_MAX / 2 {
        let both = ["one", "other"].map(|queue| Command::Submit(world.submission(wanted(n, queue))));
        world.apply_bytes(&both.map(|command| quorla_ledger::codec::encode_command(&command)));
    }
    let more = Command::Submit(world.submission(wanted(DEMANDS_MAX, "one")));
    assert_eq!(world.refused(more), Refusal::DemandsAreExhausted);
}
