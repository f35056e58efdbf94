//! Who gets which place: priority, age, best fit, constraints, and the node kept free for who was overtaken too often.

use quorla_ledger::{
    command::Command,
    event::Event,
    ids::{JobId, NodeId},
    limits::{HEADS_PLANNED_MAX, OVERTAKINGS_MAX},
    outcome::Exit,
    record::JobState,
    reply::{Refusal, Rejection, Reply},
    spec::{JobSpec, LabelTest, Resources},
    units::{Bytes, MilliCpu},
};

use crate::{
    build::{bound_to, labels, plain, registration, slots, spec, urgent, wide},
    world::World,
};

fn amount(cpu: u64, memory: u64, count: u32) -> Resources {
    Resources { cpu: MilliCpu(cpu), memory: Bytes(memory), slots: count }
}

fn labelled(world: &mut World, n: u8, capacity: Resources, pairs: &[(&str, &str)]) -> NodeId {
    let mut registration = registration(n, 1_000 + u128::from(n), capacity);
    registration.labels = labels(pairs);
    let Reply::NodeRegistered { node, .. } = world.run(Command::RegisterNode(registration)) else {
        panic!("registered")
    };
    node
}

/// Which of these nodes, from 1 on, takes a job that needs this.
fn check_fit(nodes: &[Resources], share: Resources, expected: Option<u32>) {
    let mut world = World::new();
    for (n, capacity) in (1..).zip(nodes) {
        world.register(n, *capacity);
    }
    let job = world.submit(spec(|spec| spec.demand.resources = share));
    let node = world.state(job).placed().map(|placed| placed.node.0);
    assert_eq!(node, expected, "{share:?} on {nodes:?}");
}

#[test]
fn the_node_with_the_least_left_over_takes_it() {
    let (small, large) = (amount(1_000, 1_000, 4), amount(8_000, 8_000, 32));
    check_fit(&[large, small], amount(500, 500, 2), Some(2));
    check_fit(&[large, small], amount(1_001, 0, 1), Some(1));
    check_fit(&[large, small], amount(0, 1_001, 1), Some(1));
    check_fit(&[large, small], amount(0, 0, 5), Some(1));
    check_fit(&[large, small], amount(8_001, 0, 1), None);
    check_fit(&[large, small], amount(0, 8_001, 1), None);
    check_fit(&[large, small], amount(0, 0, 33), None);
    check_fit(&[small, small], amount(1_000, 1_000, 4), Some(1));
    check_fit(&[], slots(1), None);
}

#[test]
fn labels_decide_between_equal_nodes() {
    let mut world = World::new();
    let special = labelled(&mut world, 1, slots(1), &[("gpu", "a100")]);
    let ordinary = labelled(&mut world, 2, slots(1), &[]);
    let first = world.running(plain());
    assert_eq!(world.node_of(first), ordinary, "labels are left for who asks for them");
    let second = world.running(bound_to("gpu", LabelTest::Exists));
    assert_eq!(world.node_of(second), special);
}

#[test]
fn constraints_hold_for_labels() {
    let texts = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
    for (test, fits_eu, fits_none) in [
        (LabelTest::Is("eu".into()), true, false),
        (LabelTest::Is("us".into()), false, false),
        (LabelTest::IsNot("us".into()), true, true),
        (LabelTest::IsNot("eu".into()), false, true),
        (LabelTest::In(texts(&["us", "eu"])), true, false),
        (LabelTest::In(texts(&["us"])), false, false),
        (LabelTest::In(vec![]), false, false),
        (LabelTest::Exists, true, false),
    ] {
        for (pairs, fits) in [([("zone", "eu")].as_slice(), fits_eu), (&[], fits_none)] {
            let mut world = World::new();
            let node = labelled(&mut world, 1, slots(1), pairs);
            let job = world.submit(bound_to("zone", test.clone()));
            assert_eq!(world.state(job).placed().is_some(), fits, "{test:?} on {pairs:?}");
            if !fits {
                let refusal = Refusal::NodeRejects(Rejection::LabelsDiffer { label: "zone".into() });
                assert_eq!(world.assign(job, node), Reply::Refused(refusal));
            }
        }
    }
}

#[test]
fn the_planner_goes_by_priority_then_age() {
    let mut world = World::new();
    let specs = [urgent(10), urgent(90), urgent(10), urgent(90), urgent(50)];
    let jobs: Vec<JobId> = specs.into_iter().map(|spec| world.queued(spec)).collect();
    world.register(1, slots(9));
    let planned: Vec<JobId> = world.ledger.plan(9).iter().map(|assign| assign.job).collect();
    assert_eq!(planned, [jobs[1], jobs[3], jobs[4], jobs[0], jobs[2]]);
    assert_eq!(world.ledger.plan(2).len(), 2, "no more than asked for");
}

#[test]
fn a_plan_fits_as_a_whole() {
    let mut world = World::new();
    for share in [3, 1, 2, 2, 1, 3] {
        world.queued(wide(share));
    }
    world.register(1, slots(4));
    world.register(2, slots(3));
    let plan = world.ledger.plan(99);
    assert!(!plan.is_empty());
    for assign in plan {
        assert!(matches!(world.run(Command::Assign(assign)), Reply::Assigned(_)));
    }
    assert_eq!(world.ledger.plan(99), [], "nothing more fits");
}

/// R19: a newcomer starts at once only where nobody ahead of it could use the node.
fn check_overtaking(waits: JobSpec, newcomer: JobSpec, starts: bool) {
    let mut world = World::new();
    // It waits although there is a place now: the planner has not looked yet.
    world.queued(waits);
    world.register(1, slots(2));
    let job = world.submit(newcomer);
    assert_eq!(world.state(job).placed().is_some(), starts);
}

#[test]
fn a_newcomer_does_not_overtake_who_could_use_the_node() {
    check_overtaking(plain(), plain(), false);
    check_overtaking(wide(2), plain(), false);
    check_overtaking(urgent(60), urgent(50), false);
    check_overtaking(urgent(40), urgent(50), true);
    check_overtaking(wide(3), plain(), true);
    check_overtaking(bound_to("gpu", LabelTest::Exists), plain(), true);
}

#[test]
fn a_newcomer_behind_more_lines_than_are_looked_at_waits() {
    let mut world = World::new();
    for n in 0..=quorla_ledger::limits::HEADS_SCANNED_MAX {
        world.queued(bound_to(&format!("l{n}"), LabelTest::Exists));
    }
    world.register(1, slots(2));
    let job = world.queued(plain());
    assert_eq!(world.ledger.plan(9)[0].job, job, "the planner looks at all");
}

/// A cluster of two nodes with two slots, both half taken, and a wide job that could only run on one of them empty.
struct Crowd {
    world: World,
    wide: JobId,
    nodes: [NodeId; 2],
}

impl Crowd {
    fn new() -> Self {
        let mut world = World::new();
        let nodes = [world.register(1, slots(2)).0, world.register(2, slots(2)).0];
        for _ in 0..4 {
            world.running(plain());
        }
        let wide = world.queued(wide(2));
        Self { world, wide, nodes }
    }

    /// Ends one narrow attempt on that node and starts a newcomer on its place.
    fn overtake(&mut self, node: NodeId) -> JobId {
        let job = *self.world.ledger.node(node).unwrap().held().values().next().unwrap();
        self.world.end(job, Exit::Code(0));
        self.world.submit(plain())
    }

    fn reserve(&mut self) -> NodeId {
        for overtaking in 1..=OVERTAKINGS_MAX {
            assert_eq!(self.world.job(self.wide).reserved, None, "not before overtaking {overtaking}");
            let node = self.nodes[0];
            let newcomer = self.overtake(node);
            assert_eq!(self.world.node_of(newcomer), node);
            assert_eq!(self.world.job(self.wide).overtaken, overtaking);
        }
        self.world.job(self.wide).reserved.expect("reserved after so many overtakings")
    }
}

#[test]
fn who_is_overtaken_too_often_reserves_a_node() {
    let mut crowd = Crowd::new();
    let node = crowd.reserve();
    let reserved = Event::NodeReserved { job: crowd.wide, node };
    assert_eq!(crowd.world.events().iter().filter(|event| **event == reserved).count(), 1);
    let newcomer = crowd.overtake(node);
    assert!(matches!(crowd.world.state(newcomer), JobState::Queued { .. }), "the node is kept free");
    let rejection = Rejection::Reserved { by: crowd.wide };
    assert_eq!(crowd.world.assign(newcomer, node), Reply::Refused(Refusal::NodeRejects(rejection)));
    let other = *crowd.nodes.iter().find(|other| **other != node).unwrap();
    let elsewhere = crowd.overtake(other);
    crowd.world.plan_all();
    assert_eq!(crowd.world.node_of(newcomer), other, "the older newcomer first");
    assert!(matches!(crowd.world.state(elsewhere), JobState::Queued { .. }));
    let last = *crowd.world.ledger.node(node).unwrap().held().values().next().unwrap();
    let mut report = crowd.world.report(last, Exit::Code(0));
    report.refill = true;
    let Reply::AttemptEnded { next: Some(next) } = crowd.world.run(Command::EndAttempt(report)) else {
        panic!("refilled")
    };
    assert_eq!((next.job, next.node), (crowd.wide, node), "the reserved node takes who it was kept for");
    assert_eq!(crowd.world.job(crowd.wide).reserved, None, "and the reservation is over");
}

#[test]
fn a_more_urgent_job_may_use_a_reserved_node() {
    let mut crowd = Crowd::new();
    let node = crowd.reserve();
    let job = *crowd.world.ledger.node(node).unwrap().held().values().next().unwrap();
    crowd.world.end(job, Exit::Code(0));
    let urgent = crowd.world.running(urgent(99));
    assert_eq!(crowd.world.node_of(urgent), node);
}

#[test]
fn a_reservation_ends_with_its_node_or_its_job() {
    type End = fn(&mut Crowd, NodeId);
    let ends: [(&str, End); 4] = [
        ("lapse", |crowd, node| crowd.world.lapse(node)),
        ("drain", |crowd, node| drop(crowd.world.drain(node, true))),
        ("restart", |crowd, node| {
            let n = crowd.world.ledger.node(node).unwrap().record().key.0[0];
            crowd.world.register(n, slots(1));
        }),
        ("cancel", |crowd, _| drop(crowd.world.cancel(crowd.wide))),
    ];
    for (name, end) in ends {
        let mut crowd = Crowd::new();
        let node = crowd.reserve();
        end(&mut crowd, node);
        assert_eq!(crowd.world.job(crowd.wide).reserved, None, "{name}");
    }
}

#[test]
fn a_lost_reservation_is_made_again_elsewhere() {
    let mut crowd = Crowd::new();
    let node = crowd.reserve();
    let other = *crowd.nodes.iter().find(|other| **other != node).unwrap();
    crowd.world.drain(node, true);
    crowd.overtake(other);
    assert_eq!(crowd.world.job(crowd.wide).reserved, Some(other));
}

#[test]
fn who_could_run_nowhere_is_not_overtaken() {
    let (mut world, ..) = World::with_node(2);
    let impossible = world.queued(wide(3));
    world.running(plain());
    assert_eq!(world.job(impossible).overtaken, 0);
}

#[test]
fn one_look_of_the_planner_tries_a_bounded_number_of_lines_and_the_next_one_goes_on() {
    let mut world = World::new();
    for n in 0..=HEADS_PLANNED_MAX {
        world.queued(bound_to(&format!("l{n}"), LabelTest::Exists));
    }
    let last = world.queued(plain());
    world.register(1, slots(2));
    let first = world.ledger.plan_some(9, None);
    assert!(first.assignments.is_empty() && first.next.is_some(), "{first:?}");
    let second = world.ledger.plan_some(9, first.next);
    assert_eq!(second.assignments.iter().map(|assign| assign.job).collect::<Vec<_>>(), [last]);
    assert_eq!(second.next, None);
}
