//! One claim of the dispatch memory per test; a scripted ledger of one node.

use quorla_ledger::{
    defect::Defect,
    ids::{Epoch, Fence, JobId, NodeId},
    outcome::StopCause,
};

use super::{Assigned, Dispatch, Dispatched};
use crate::messages::Listed;

const NODE: NodeId = NodeId(1);
const EPOCH: Epoch = Epoch(5);

fn runs(fence: u64) -> Listed {
    Listed { job: JobId(u128::from(fence)), fence: Fence(fence), stop: None }
}

fn stops(fence: u64) -> Listed {
    Listed { stop: Some(StopCause::Cancel), ..runs(fence) }
}

/// What is sent, in short: `full 1 2`, `start 1`, `stop 1`.
fn settle(dispatch: &mut Dispatch, attempts: &[Listed]) -> Vec<String> {
    settle_in(dispatch, EPOCH, attempts, usize::MAX)
}

fn settle_in(dispatch: &mut Dispatch, epoch: Epoch, attempts: &[Listed], room: usize) -> Vec<String> {
    let sent = dispatch.settle(NODE, Assigned { epoch, as_of: 1, attempts }, room);
    let short = |message: Dispatched| match message {
        Dispatched::Start(order) => format!("start {}", order.fence.0),
        Dispatched::Stop(stop) => format!("stop {}", stop.order.fence.0),
        Dispatched::Desired(full) => {
            full.attempts.iter().fold("full".to_owned(), |text, listed| format!("{text} {}", listed.fence.0))
        }
    };
    sent.into_iter().map(short).collect()
}

/// A link over which the full set of nothing went.
fn settled() -> Dispatch {
    let mut dispatch = Dispatch::new(Defect::None);
    dispatch.link_opened(NODE, EPOCH);
    assert_eq!(settle(&mut dispatch, &[]), ["full"]);
    dispatch
}

#[test]
fn a_fresh_link_begins_with_the_full_set() {
    let mut dispatch = Dispatch::new(Defect::None);
    dispatch.link_opened(NODE, EPOCH);
    assert_eq!(settle(&mut dispatch, &[runs(1), stops(2)]), ["full 1 2"]);
    assert!(settle(&mut dispatch, &[runs(1), stops(2)]).is_empty());
}

#[test]
fn a_new_attempt_is_started_once() {
    let mut dispatch = settled();
    assert_eq!(settle(&mut dispatch, &[runs(1)]), ["start 1"]);
    assert!(settle(&mut dispatch, &[runs(1)]).is_empty());
}

#[test]
fn a_stop_follows_its_start() {
    let mut dispatch = settled();
    settle(&mut dispatch, &[runs(1)]);
    assert_eq!(settle(&mut dispatch, &[stops(1)]), ["stop 1"]);
    assert!(settle(&mut dispatch, &[stops(1)]).is_empty());
}

#[test]
fn an_attempt_stopped_before_its_start_was_sent_is_only_stopped() {
    assert_eq!(settle(&mut settled(), &[stops(1)]), ["stop 1"]);
}

#[test]
fn an_ended_attempt_needs_no_message() {
    let mut dispatch = settled();
    settle(&mut dispatch, &[runs(1)]);
    assert!(settle(&mut dispatch, &[]).is_empty());
}

#[test]
fn what_the_agent_misses_is_sent_again() {
    let mut dispatch = settled();
    settle(&mut dispatch, &[runs(1), runs(2)]);
    dispatch.fetched(NODE, EPOCH, &[Fence(2), Fence(3)]);
    assert_eq!(settle(&mut dispatch, &[runs(1), runs(2)]), ["start 2"]);
}

#[test]
fn a_lost_link_loses_no_message() {
    let mut dispatch = settled();
    settle(&mut dispatch, &[runs(1)]);
    dispatch.link_closed(NODE);
    assert!(settle(&mut dispatch, &[runs(1)]).is_empty(), "nobody listens");
    dispatch.link_opened(NODE, EPOCH);
    assert_eq!(settle(&mut dispatch, &[runs(1)]), ["full 1"]);
}

#[test]
fn a_differing_digest_brings_the_full_set() {
    let mut dispatch = settled();
    settle(&mut dispatch, &[runs(1)]);
    dispatch.full_set_wanted(NODE);
    assert_eq!(settle(&mut dispatch, &[runs(1)]), ["full 1"]);
}

#[test]
fn what_finds_no_room_is_sent_later() {
    let mut dispatch = settled();
    let wanted = [runs(1), runs(2), runs(3)];
    assert_eq!(settle_in(&mut dispatch, EPOCH, &wanted, 2), ["start 1", "start 2"]);
    assert_eq!(settle_in(&mut dispatch, EPOCH, &wanted, 2), ["start 3"]);
}

#[test]
fn an_agent_of_another_epoch_is_sent_nothing() {
    assert!(settle_in(&mut settled(), Epoch(6), &[runs(1)], 9).is_empty());
}

#[test]
fn planted_dispatch_is_never_sent_again() {
    let mut dispatch = Dispatch::new(Defect::DispatchNeverSentAgain);
    dispatch.link_opened(NODE, EPOCH);
    assert_eq!(settle(&mut dispatch, &[runs(1)]), ["start 1"]);
    dispatch.fetched(NODE, EPOCH, &[Fence(1)]);
    dispatch.full_set_wanted(NODE);
    dispatch.link_closed(NODE);
    dispatch.link_opened(NODE, EPOCH);
    assert!(settle(&mut dispatch, &[runs(1)]).is_empty());
}
