//! Labels that operators set on nodes: over those that the node registers, and lasting longer.

use std::collections::{BTreeMap, BTreeSet};

use quorla_ledger::{
    command::{Command, LabelNode, RegisterNode},
    event::Event,
    ids::NodeId,
    ledger::check_stateless,
    limits::{Limit, OVERTAKINGS_MAX},
    record::JobState,
    reply::{Refusal, Rejection, Reply},
    spec::{LabelTest, check::SpecFault},
};

use crate::{
    build::{bound_to, labels, plain, registration, slots, spec},
    world::World,
};

fn command(world: &mut World, node: NodeId, set: &[(&str, &str)], remove: &[&str]) -> Command {
    let remove: BTreeSet<String> = remove.iter().map(|label| (*label).to_owned()).collect();
    Command::LabelNode(LabelNode { request: world.request(), node, set: labels(set), remove })
}

fn label(world: &mut World, node: NodeId, set: &[(&str, &str)], remove: &[&str]) -> Reply {
    let command = command(world, node, set, remove);
    world.run(command)
}

fn registered(boot: u128, pairs: &[(&str, &str)]) -> RegisterNode {
    RegisterNode { labels: labels(pairs), ..registration(1, boot, slots(2)) }
}

/// A node that registered `zone=eu`.
fn in_zone() -> (World, NodeId) {
    let mut world = World::new();
    let reply = world.run(Command::RegisterNode(registered(1, &[("zone", "eu")])));
    let Reply::NodeRegistered { node, .. } = reply else { panic!("{reply:?}") };
    (world, node)
}

fn in_force(world: &World, node: NodeId) -> BTreeMap<String, String> {
    world.ledger.node(node).unwrap().labels().clone()
}

#[test]
fn a_job_that_waits_for_a_label_starts_once_a_node_has_it() {
    let (mut world, node) = in_zone();
    let waits = world.queued(bound_to("rack", LabelTest::Is("7".into())));
    assert_eq!(world.ledger.plan(9), []);
    assert_eq!(label(&mut world, node, &[("rack", "7")], &[]), Reply::NodeLabelled);
    assert_eq!(world.events().last(), Some(&Event::NodeLabelled(node)));
    world.plan_all();
    assert!(matches!(world.state(waits), JobState::Running(_)));
    label(&mut world, node, &[], &["rack"]);
    assert!(matches!(world.state(waits), JobState::Running(_)), "what runs there goes on");
    let next = world.queued(bound_to("rack", LabelTest::Exists));
    let differs = Rejection::LabelsDiffer { label: "rack".into() };
    assert_eq!(world.assign(next, node), Reply::Refused(Refusal::NodeRejects(differs)));
}

#[test]
fn what_operators_set_hides_what_the_node_registers_and_lasts_over_restarts() {
    let (mut world, node) = in_zone();
    label(&mut world, node, &[("zone", "us"), ("rack", "7")], &[]);
    let expected = labels(&[("rack", "7"), ("zone", "us")]);
    assert_eq!(in_force(&world, node), expected);
    world.run(Command::RegisterNode(registered(2, &[("zone", "asia"), ("disk", "ssd")])));
    let expected = labels(&[("disk", "ssd"), ("rack", "7"), ("zone", "us")]);
    assert_eq!(in_force(&world, node), expected);
    label(&mut world, node, &[], &["zone"]);
    assert_eq!(in_force(&world, node)["zone"], "asia", "what the node registered shows again");
}

#[test]
fn a_label_that_the_node_registers_is_not_removed() {
    let (mut world, node) = in_zone();
    let remove = command(&mut world, node, &[], &["zone"]);
    assert_eq!(world.refused(remove), Refusal::LabelIsRegistered { label: "zone".into() });
    assert_eq!(label(&mut world, node, &[], &["nothing"]), Reply::NodeLabelled, "what is not there is removed");
}

#[test]
fn labels_that_change_nothing_are_no_event() {
    let (mut world, node) = in_zone();
    label(&mut world, node, &[("rack", "7")], &[]);
    let before = world.events().len();
    label(&mut world, node, &[("rack", "7")], &["shelf"]);
    assert_eq!(world.events().len(), before);
}

#[test]
fn labels_over_a_bound_or_of_the_nodes_own_are_refused() {
    let (mut world, node) = in_zone();
    let (names, long): (Vec<String>, _) = ((0..33).map(|n| n.to_string()).collect(), "x".repeat(257));
    let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
    let too_much = |limit, actual| SpecFault::TooMuch { limit, actual };
    for (set, remove, fault) in [
        (&many[..], &[][..], too_much(Limit::Labels, 33)),
        (&[("a", long.as_str())][..], &[][..], too_much(Limit::LabelBytes, 257)),
        (&[][..], &[long.as_str()][..], too_much(Limit::LabelBytes, 257)),
        (&[("a=b", "")][..], &[][..], SpecFault::KeyIsInvalid("a=b".into())),
        (&[("quorla.run-as", "any")][..], &[][..], SpecFault::LabelIsReserved("quorla.run-as".into())),
        (&[][..], &["quorla.run-as"][..], SpecFault::LabelIsReserved("quorla.run-as".into())),
        (&[("a", "")][..], &["a"][..], SpecFault::LabelIsAmbiguous("a".into())),
    ] {
        let asked = command(&mut world, node, set, remove);
        assert_eq!(check_stateless(&asked), Err(Refusal::SpecIsInvalid(fault.clone())));
        assert_eq!(world.refused(asked), Refusal::SpecIsInvalid(fault));
    }
}

#[test]
fn both_kinds_of_labels_share_one_bound_which_keeps_no_node_out() {
    let (mut world, node) = in_zone();
    let names: Vec<String> = (0..32).map(|n| n.to_string()).collect();
    let pairs: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
    let over = command(&mut world, node, &pairs, &[]);
    let fault = SpecFault::TooMuch { limit: Limit::Labels, actual: 33 };
    assert_eq!(world.refused(over), Refusal::SpecIsInvalid(fault));
    assert_eq!(label(&mut world, node, &pairs[1..], &[]), Reply::NodeLabelled);
    let more = registered(2, &[("zone", "eu"), ("disk", "ssd")]);
    assert!(matches!(world.run(Command::RegisterNode(more)), Reply::NodeRegistered { .. }));
    assert_eq!(in_force(&world, node).len(), 33);
}

#[test]
fn a_node_is_not_kept_for_a_job_that_its_new_labels_exclude() {
    let (mut world, node) = in_zone();
    let filling = world.running(plain());
    let wide = world.queued(spec(|spec| {
        spec.demand = bound_to("zone", LabelTest::Is("eu".into())).demand;
        spec.demand.resources = slots(2);
    }));
    for _ in 0..OVERTAKINGS_MAX {
        let overtakes = world.submit(plain());
        world.plan_all();
        world.end(overtakes, quorla_ledger::outcome::Exit::Code(0));
    }
    assert_eq!(world.job(wide).reserved, Some(node));
    label(&mut world, node, &[("zone", "us")], &[]);
    assert_eq!(world.job(wide).reserved, None);
    assert!(matches!(world.state(filling), JobState::Running(_)));
    let next = world.submit(plain());
    world.plan_all();
    assert!(matches!(world.state(next), JobState::Running(_)), "the place is not kept for nobody");
}

#[test]
fn an_unknown_node_has_no_labels() {
    let mut world = World::new();
    let asked = command(&mut world, NodeId(9), &[("a", "b")], &[]);
    assert_eq!(world.refused(asked), Refusal::NodeIsUnknown);
}
