//! One claim of the lease table per test; a scripted leader with one quorum round at a time.

use quorla_ledger::{
    defect::Defect,
    ids::{Epoch, NodeId},
    units::Millis,
};

use super::{LeaseOutput, LeaseTable, LeaseTerms};
use crate::{digest::HeldDigest, messages::Renewal};

const NODE: NodeId = NodeId(1);
const EPOCH: Epoch = Epoch(5);
const TTL_AND_SKEW_MS: u64 = 11_000;
const SAME: HeldDigest = HeldDigest(0);
const OTHER: HeldDigest = HeldDigest(9);

/// A table that knows one node since its start at 0 and has greeted it.
fn table() -> LeaseTable {
    let mut table = fresh(Defect::None);
    assert_eq!(table.renewal(&renewal(EPOCH, 0), SAME, Millis(0)), [LeaseOutput::SendDesired { node: NODE }]);
    let round = table.begin_round().expect("a renewal waits");
    table.round_completed(round);
    table
}

fn fresh(defect: Defect) -> LeaseTable {
    let mut table = LeaseTable::new(LeaseTerms::default(), Millis(0), defect);
    table.observe([(NODE, EPOCH, true)], Millis(0));
    table
}

fn renewal(epoch: Epoch, sequence: u64) -> Renewal {
    Renewal { node: NODE, epoch, sequence, digest: SAME }
}

fn acknowledged(sequence: u64) -> LeaseOutput {
    LeaseOutput::Acknowledge { node: NODE, epoch: EPOCH, sequence }
}

const LAPSE: LeaseOutput = LeaseOutput::Lapse { node: NODE, epoch: EPOCH };

#[test]
fn a_renewal_is_acknowledged_only_behind_a_round() {
    let mut table = table();
    assert_eq!(table.renewal(&renewal(EPOCH, 1), SAME, Millis(1)), []);
    let round = table.begin_round().expect("a renewal waits");
    assert_eq!(table.round_completed(round), [acknowledged(1)]);
    assert_eq!(table.round_completed(round), [], "a round answers once");
}

#[test]
fn a_renewal_received_during_a_round_waits_for_the_next_one() {
    let mut table = table();
    table.renewal(&renewal(EPOCH, 1), SAME, Millis(1));
    let first = table.begin_round().expect("a renewal waits");
    table.renewal(&renewal(EPOCH, 2), SAME, Millis(1));
    assert_eq!(table.begin_round(), None, "one round at a time");
    assert_eq!(table.round_completed(first), [acknowledged(1)]);
    let second = table.begin_round().expect("the later renewal waits");
    assert_eq!(table.round_completed(second), [acknowledged(2)]);
}

#[test]
fn one_round_serves_all_nodes() {
    let mut table = table();
    let other = NodeId(2);
    table.observe([(NODE, EPOCH, true), (other, Epoch(6), true)], Millis(0));
    table.renewal(&renewal(EPOCH, 1), SAME, Millis(1));
    table.renewal(&Renewal { node: other, ..renewal(Epoch(6), 1) }, SAME, Millis(1));
    let round = table.begin_round().expect("renewals wait");
    assert_eq!(table.round_completed(round).len(), 2);
}

#[test]
fn a_failed_round_acknowledges_nothing_and_loses_nothing() {
    let mut table = table();
    table.renewal(&renewal(EPOCH, 1), SAME, Millis(1));
    let failed = table.begin_round().expect("a renewal waits");
    table.round_failed(failed);
    assert_eq!(table.round_completed(failed), []);
    let next = table.begin_round().expect("the renewal waits again");
    assert_eq!(table.round_completed(next), [acknowledged(1)]);
}

#[test]
fn nobody_lapses_before_ttl_and_skew_from_the_leaders_start() {
    let mut table = fresh(Defect::None);
    assert_eq!(table.tick(Millis(TTL_AND_SKEW_MS - 1)), []);
    assert_eq!(table.wakes_at(), Some(Millis(TTL_AND_SKEW_MS)));
    assert_eq!(table.tick(Millis(TTL_AND_SKEW_MS)), [LAPSE]);
}

#[test]
fn an_acknowledged_renewal_moves_the_lapse_to_ttl_and_skew_from_its_receipt() {
    let mut table = table();
    table.renewal(&renewal(EPOCH, 1), SAME, Millis(3_000));
    let round = table.begin_round().expect("a renewal waits");
    table.round_completed(round);
    assert_eq!(table.tick(Millis(3_000 + TTL_AND_SKEW_MS - 1)), []);
    assert_eq!(table.tick(Millis(3_000 + TTL_AND_SKEW_MS)), [LAPSE]);
}

#[test]
fn an_unacknowledged_renewal_does_not_put_the_lapse_off() {
    let mut table = table();
    table.renewal(&renewal(EPOCH, 1), SAME, Millis(3_000));
    assert_eq!(table.tick(Millis(TTL_AND_SKEW_MS)), [LAPSE]);
}

#[test]
fn once_a_lapse_was_decided_nothing_is_acknowledged() {
    let mut table = table();
    table.renewal(&renewal(EPOCH, 1), SAME, Millis(3_000));
    let round = table.begin_round().expect("a renewal waits");
    assert_eq!(table.tick(Millis(TTL_AND_SKEW_MS)), [LAPSE]);
    assert_eq!(table.round_completed(round), []);
    assert_eq!(table.renewal(&renewal(EPOCH, 2), SAME, Millis(TTL_AND_SKEW_MS)), []);
    assert_eq!(table.begin_round(), None);
}

#[test]
fn a_lapse_without_effect_is_proposed_again() {
    let mut table = table();
    assert_eq!(table.tick(Millis(TTL_AND_SKEW_MS)), [LAPSE]);
    assert_eq!(table.tick(Millis(TTL_AND_SKEW_MS + 999)), []);
    assert_eq!(table.tick(Millis(TTL_AND_SKEW_MS + 1_000)), [LAPSE]);
    table.observe([(NODE, EPOCH, false)], Millis(TTL_AND_SKEW_MS + 1_001));
    assert_eq!(table.tick(Millis(TTL_AND_SKEW_MS + 9_000)), []);
}

#[test]
fn a_lapsed_or_replaced_epoch_is_told_so() {
    let mut table = table();
    let older = Epoch(4);
    let over = |epoch| [LeaseOutput::EpochIsOver { node: NODE, epoch }];
    assert_eq!(table.renewal(&renewal(older, 9), SAME, Millis(1)), over(older));
    table.observe([(NODE, EPOCH, false)], Millis(1));
    assert_eq!(table.renewal(&renewal(EPOCH, 9), SAME, Millis(1)), over(EPOCH));
}

#[test]
fn an_epoch_that_the_ledger_has_not_reached_gets_no_answer() {
    let mut table = table();
    assert_eq!(table.renewal(&renewal(Epoch(6), 1), SAME, Millis(1)), []);
    assert_eq!(table.begin_round(), None);
}

#[test]
fn a_new_epoch_gets_a_whole_lease() {
    let mut table = table();
    table.observe([(NODE, Epoch(6), true)], Millis(10_000));
    assert_eq!(table.tick(Millis(10_000 + TTL_AND_SKEW_MS - 1)), []);
    let lapse = LeaseOutput::Lapse { node: NODE, epoch: Epoch(6) };
    assert_eq!(table.tick(Millis(10_000 + TTL_AND_SKEW_MS)), [lapse]);
}

#[test]
fn a_differing_digest_asks_for_the_full_set() {
    let mut table = table();
    assert_eq!(table.renewal(&renewal(EPOCH, 1), OTHER, Millis(1)), [LeaseOutput::SendDesired { node: NODE }]);
    assert_eq!(table.renewal(&renewal(EPOCH, 2), SAME, Millis(1)), []);
}

#[test]
fn a_late_copy_of_a_renewal_does_not_replace_a_newer_one() {
    let mut table = table();
    table.renewal(&renewal(EPOCH, 2), SAME, Millis(1));
    table.renewal(&renewal(EPOCH, 1), SAME, Millis(2));
    let round = table.begin_round().expect("a renewal waits");
    assert_eq!(table.round_completed(round), [acknowledged(2)]);
}

#[test]
fn planted_a_stale_leader_acknowledges_without_a_round() {
    let mut table = fresh(Defect::StaleLeaderAcknowledges);
    assert!(table.renewal(&renewal(EPOCH, 1), SAME, Millis(1)).contains(&acknowledged(1)));
}

#[test]
fn planted_early_reassignment_lapses_at_the_leaders_start() {
    assert_eq!(fresh(Defect::EarlyReassignment).tick(Millis(0)), [LAPSE]);
}
