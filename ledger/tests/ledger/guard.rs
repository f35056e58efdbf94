//! A node that is short of disk gets nothing new, and says so; what goes on with a full disk goes on (R22).

use quorla_ledger::{
    command::Command,
    disk::DiskLevel,
    event::Event,
    explain::Waiting,
    ids::{Epoch, NodeId, NodeKey},
    outcome::Exit,
    record::JobState,
    reply::{Refusal, Rejection, Reply},
};

use crate::{
    build::{plain, slots, wide},
    world::World,
};

fn guard(world: &mut World, node: NodeId, level: DiskLevel) -> Reply {
    let epoch = world.ledger.node(node).unwrap().record().epoch;
    world.run(Command::GuardNode { node, epoch, level })
}

#[test]
fn a_guarded_node_gets_no_new_attempts_and_keeps_what_it_has() {
    for level in [DiskLevel::Low, DiskLevel::Critical] {
        let (mut world, node, _) = World::with_node(2);
        let running = world.running(plain());
        assert_eq!(guard(&mut world, node, level), Reply::NodeGuarded);
        assert_eq!(world.events().last(), Some(&Event::NodeGuarded { node, level }));
        let queued = world.queued(plain());
        assert_eq!(world.assign(queued, node), Reply::Refused(Refusal::NodeRejects(Rejection::DiskIsLow)));
        assert_eq!(world.ledger.plan(9), []);
        let why = world.ledger.why_waiting(queued, &world.tables);
        assert_eq!(why, Some(Waiting::Place(vec![(node, Rejection::DiskIsLow)])), "I16");
        assert!(matches!(world.state(running), JobState::Running(_)));
        let mut report = world.report(running, Exit::Code(0));
        report.refill = true;
        assert_eq!(world.run(Command::EndAttempt(report)), Reply::AttemptEnded { next: None }, "no refill");
        guard(&mut world, node, DiskLevel::Fine);
        assert_eq!(world.ledger.plan(9).len(), 1);
    }
}

#[test]
fn a_guard_outlasts_the_epoch_that_told_of_it() {
    let (mut world, node, epoch) = World::with_node(1);
    guard(&mut world, node, DiskLevel::Low);
    world.register(1, slots(1));
    assert_eq!(world.ledger.node(node).unwrap().record().disk, DiskLevel::Low, "a restart frees no disk");
    let late = Command::GuardNode { node, epoch, level: DiskLevel::Fine };
    assert_eq!(world.refused(late), Refusal::EpochIsStale, "a former epoch says nothing any more");
    world.lapse(node);
    let epoch = world.ledger.node(node).unwrap().record().epoch;
    assert_eq!(world.refused(Command::GuardNode { node, epoch, level: DiskLevel::Fine }), Refusal::EpochIsStale);
    let unknown = Command::GuardNode { node: NodeId(9), epoch: Epoch(1), level: DiskLevel::Low };
    assert_eq!(world.refused(unknown), Refusal::NodeIsUnknown);
}

#[test]
fn the_same_level_again_changes_nothing() {
    let (mut world, node, _) = World::with_node(1);
    guard(&mut world, node, DiskLevel::Critical);
    let content = world.content();
    assert_eq!(guard(&mut world, node, DiskLevel::Critical), Reply::NodeGuarded);
    assert_eq!(world.content(), content);
}

#[test]
fn a_guarded_node_is_kept_free_for_nobody() {
    let (mut world, node, _) = World::with_node(2);
    let blocker = world.running(plain());
    let large = world.queued(wide(2));
    for _ in 0..quorla_ledger::limits::OVERTAKINGS_MAX {
        let overtaking = world.running(plain());
        world.end(overtaking, Exit::Code(0));
    }
    assert_eq!(world.job(large).reserved, Some(node), "overtaken often enough");
    guard(&mut world, node, DiskLevel::Low);
    assert_eq!(world.job(large).reserved, None);
    world.end(blocker, Exit::Code(0));
    guard(&mut world, node, DiskLevel::Fine);
    assert_eq!(world.ledger.plan(9).len(), 1, "it gets its turn as soon as there is room");
}

#[test]
fn submits_are_refused_where_the_leader_or_a_majority_has_no_room() {
    let mut world = World::new();
    let nodes: Vec<NodeId> = (1..=3).map(|n| world.register(n, slots(1)).0).collect();
    let keys: Vec<NodeKey> = nodes.iter().map(|node| world.ledger.node(*node).unwrap().record().key).collect();
    let mut check = |levels: [DiskLevel; 3], expected: [bool; 3]| {
        nodes.iter().zip(levels).for_each(|(node, level)| drop(guard(&mut world, *node, level)));
        let refuses = [0, 1, 2].map(|leader: usize| world.ledger.disk_refuses(&keys[leader], &keys));
        assert_eq!(refuses, expected, "{levels:?}, with each as the leader");
    };
    let (fine, low, critical) = (DiskLevel::Fine, DiskLevel::Low, DiskLevel::Critical);
    check([fine, low, low], [false; 3]);
    check([critical, fine, low], [true, false, false]);
    check([critical, critical, fine], [true; 3]);
    check([fine; 3], [false; 3]);
    assert!(!world.ledger.disk_refuses(&NodeKey([9; 32]), &[]), "who is not known has told of nothing");
}
