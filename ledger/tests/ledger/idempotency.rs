//! R10: the same request again gets the same answer, and nothing happens twice.

use std::collections::{BTreeMap, BTreeSet};

use quorla_ledger::{
    codec,
    command::{Command, LabelNode, Request, Submit},
    defect::Defect,
    ids::{JobId, Principal},
    limits::{DEDUP_WINDOW, Limit, REQUEST_AHEAD_MAX},
    reply::{Refusal, Reply},
    spec::{JobSpec, check::SpecFault},
    tables::Table,
    units::Millis,
};

use crate::{
    build::{ALICE, BOB, drain, labels, plain, urgent},
    world::{DAWN, World},
};

fn submit(principal: Principal, random: u128, key: Option<&str>, spec: JobSpec, seed: u64) -> Command {
    let id = JobId::new(Millis(DAWN), random);
    Command::Submit(Submit { request: Request { principal, id, key: key.map(Into::into) }, spec, seed })
}

fn job(random: u128) -> JobId {
    JobId::new(Millis(DAWN), random)
}

/// What a second submit is answered after Alice submitted a plain job as number 1 under the key `k`.
fn check(second: Command, expected: &Reply) {
    let mut world = World::new();
    let first = submit(ALICE, 1, Some("k"), plain(), 7);
    assert_eq!(world.run(first), Reply::Submitted { job: job(1) });
    let (content, counters) = (world.content(), world.counters());
    let known = world.ledger.live_jobs();
    assert_eq!(&world.run(second), expected);
    if world.ledger.live_jobs() == known {
        assert_eq!((content, counters), (world.content(), world.counters()), "a repetition changes nothing");
    }
}

#[test]
fn a_submit_is_known_by_its_id_and_its_key() {
    let first = Reply::Submitted { job: job(1) };
    let second = Reply::Submitted { job: job(2) };
    let conflict = Reply::Refused(Refusal::KeyConflicts { first: job(1) });
    for (command, expected) in [
        (submit(ALICE, 1, Some("k"), plain(), 7), &first),
        // Jitter is the proposer's, not the client's.
        (submit(ALICE, 1, Some("k"), plain(), 8), &first),
        (submit(ALICE, 2, Some("k"), plain(), 7), &first),
        (submit(ALICE, 2, Some("k"), urgent(9), 7), &conflict),
        (submit(ALICE, 1, Some("k"), urgent(9), 7), &conflict),
        (submit(BOB, 1, Some("k"), plain(), 7), &conflict),
        // One id is one request: with another key, or none, it is another request.
        (submit(ALICE, 1, Some("other"), plain(), 7), &conflict),
        (submit(ALICE, 1, None, plain(), 7), &conflict),
        // Keys are each principal's own.
        (submit(BOB, 2, Some("k"), plain(), 7), &second),
        (submit(ALICE, 2, Some("other"), plain(), 7), &second),
        (submit(ALICE, 2, None, plain(), 7), &second),
    ] {
        check(command, expected);
    }
}

#[test]
fn a_key_never_names_two_jobs() {
    let mut world = World::new();
    world.run(submit(ALICE, 1, Some("k"), plain(), 7));
    world.run(submit(ALICE, 2, Some("l"), plain(), 7));
    let crossed = submit(ALICE, 2, Some("k"), plain(), 7);
    assert_eq!(world.refused(crossed), Refusal::KeyConflicts { first: job(2) });
}

#[test]
fn one_entry_sees_its_own_requests() {
    let mut world = World::new();
    let command = submit(ALICE, 1, Some("k"), plain(), 7);
    let applied = world.apply(&[command.clone(), submit(ALICE, 2, Some("k"), plain(), 9), command]);
    assert_eq!(applied.replies, vec![Reply::Submitted { job: job(1) }; 3]);
    assert_eq!(world.count(Table::Live), 1);
}

#[test]
fn an_id_stands_for_one_kind_of_request() {
    let mut world = World::new();
    let first = world.submit(plain());
    let request = Request { principal: ALICE, id: first, key: None };
    for command in [
        Command::Cancel { request: request.clone(), job: first, reason: None },
        Command::Retry { request: request.clone(), job: first, seed: 0 },
        drain(&request, quorla_ledger::ids::NodeId(1), true),
        Command::LabelNode(LabelNode {
            request,
            node: quorla_ledger::ids::NodeId(1),
            set: BTreeMap::new(),
            remove: BTreeSet::new(),
        }),
    ] {
        assert_eq!(world.refused(command), Refusal::KeyConflicts { first });
    }
}

#[test]
fn a_cancel_for_another_reason_is_another_request() {
    let mut world = World::new();
    let (first, request) = (world.submit(plain()), world.request());
    let cancel = |reason: &str| Command::Cancel { request: request.clone(), job: first, reason: Some(reason.into()) };
    assert_eq!(world.run(cancel("one")), Reply::Cancelled);
    assert_eq!(world.run(cancel("one")), Reply::Cancelled);
    assert_eq!(world.refused(cancel("other")), Refusal::KeyConflicts { first: request.id });
}

#[test]
fn every_request_is_answered_the_same_again() {
    let (mut world, node, _) = World::with_node(1);
    let first = world.running(plain());
    let cancel = Command::Cancel { request: world.request(), job: first, reason: None };
    let drained = drain(&world.request(), node, true);
    let (set, remove) = (labels(&[("zone", "eu")]), BTreeSet::from(["rack".to_owned()]));
    let labelled = Command::LabelNode(LabelNode { request: world.request(), node, set, remove });
    for command in [cancel, drained, labelled] {
        let answer = world.run(command.clone());
        let content = world.content();
        assert_eq!(world.run(command), answer);
        assert_eq!(world.content(), content);
    }
    let undrain = drain(&world.request(), node, false);
    let drain_again = drain(&world.request(), node, true);
    world.run(undrain.clone());
    world.run(drain_again);
    assert_eq!(world.run(undrain), Reply::NodeDrained, "the answer of then");
    assert!(world.ledger.node(node).unwrap().record().drain.is_some(), "and no second effect");
}

#[test]
fn a_request_older_than_the_window_is_refused() {
    let mut world = World::new();
    let command = submit(ALICE, 1, None, plain(), 7);
    world.now = DAWN + DEDUP_WINDOW.0 + 1;
    let oldest = Millis(DAWN + 1);
    assert_eq!(world.refused(command.clone()), Refusal::SubmitIsTooOld { oldest });
    let mut world = World::new();
    world.now = DAWN + DEDUP_WINDOW.0;
    assert_eq!(world.run(command), Reply::Submitted { job: job(1) });
}

#[test]
fn a_request_from_the_future_is_refused() {
    let mut world = World::new();
    let command = submit(ALICE, 1, None, plain(), 7);
    world.now = DAWN - REQUEST_AHEAD_MAX.0 - 1;
    assert_eq!(world.refused(command.clone()), Refusal::RequestIsFromFuture { now: Millis(world.now) });
    world.now += 1;
    assert_eq!(world.run(command), Reply::Submitted { job: job(1) });
}

#[test]
fn a_request_up_to_the_horizon_is_refused() {
    let mut world = World::new();
    for random in [4, 5, 6] {
        world.run(submit(ALICE, random, Some("k"), urgent(u8::try_from(random).unwrap()), 7));
    }
    world.now = DAWN + DEDUP_WINDOW.0 + 1;
    assert_eq!(world.run(Command::ExpireRequests { requests: vec![job(4)] }), Reply::Expired { records: 1 });
    // Ledger time goes on from the latest entry, so that only the horizon can speak here.
    let refusal = world.refused(submit(ALICE, 3, None, plain(), 7));
    assert_eq!(refusal, Refusal::SubmitIsTooOld { oldest: Millis(DAWN + 1) });
}

#[test]
fn a_forgotten_key_can_be_used_again() {
    let mut world = World::new();
    world.run(submit(ALICE, 1, Some("k"), plain(), 7));
    world.pass(DEDUP_WINDOW.0 + 1);
    world.run(Command::ExpireRequests { requests: vec![job(1)] });
    assert_eq!((world.count(Table::Requests), world.count(Table::Keys)), (0, 0));
    let mut again = world.submission(plain());
    again.request.key = Some("k".into());
    let id = again.request.id;
    assert_eq!(world.run(Command::Submit(again)), Reply::Submitted { job: id });
}

#[test]
fn a_key_over_its_bound_is_refused_by_name() {
    let mut world = World::new();
    let max = usize::try_from(Limit::IdempotencyKeyBytes.max()).unwrap();
    world.run(submit(ALICE, 1, Some(&"k".repeat(max)), plain(), 7));
    let over = submit(ALICE, 2, Some(&"k".repeat(max + 1)), plain(), 7);
    let fault = SpecFault::TooMuch { limit: Limit::IdempotencyKeyBytes, actual: Limit::IdempotencyKeyBytes.max() + 1 };
    let checked = quorla_ledger::ledger::check_stateless(&over);
    assert_eq!(checked, Err(Refusal::SpecIsInvalid(fault.clone())), "the proposer says so too");
    assert_eq!(world.refused(over), Refusal::SpecIsInvalid(fault));
}

#[test]
fn a_digest_with_the_seed_in_it_is_noticed() {
    let mut world = World::with(Defect::DigestWithJitter);
    let encoded = |seed| codec::encode_command(&submit(ALICE, 1, None, plain(), seed));
    world.apply_bytes(&[encoded(1)]);
    let applied = world.apply_bytes(&[encoded(2)]);
    assert_eq!(applied.replies, [Reply::Refused(Refusal::KeyConflicts { first: job(1) })]);
}
