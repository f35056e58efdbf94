//! A checker that was never seen to go red proves nothing: each planted bug must be caught, by the invariant that is there
//! for it, within a bounded number of seeds.

use quorla_ledger::Defect;

use super::campaign::run_seeds;

/// Other invariants may break too; that does not count.
fn must_be_caught(defect: Defect, by: &str, seeds_max: u64) {
    let (failure, _) = run_seeds(seeds_max, defect, |failure| failure.broken == by);
    let Some(failure) = failure else { panic!("{by} did not catch {defect:?} within {seeds_max} seeds") };
    println!("{defect:?} was caught at seed {}: {}", failure.seed, failure.what);
}

#[test]
fn a_fence_check_that_is_off_is_caught() {
    must_be_caught(Defect::FenceCheckOff, "I3", 200);
}

#[test]
fn a_slot_freed_at_cancel_is_caught() {
    must_be_caught(Defect::SlotFreedAtCancel, "I7", 200);
}

#[test]
fn a_dispatch_never_sent_again_is_caught() {
    must_be_caught(Defect::DispatchNeverSentAgain, "I16", 200);
}

#[test]
fn a_stale_leader_that_acknowledges_is_caught() {
    must_be_caught(Defect::StaleLeaderAcknowledges, "I5", 2_000);
}

#[test]
fn a_cap_that_forgets_what_is_being_stopped_is_caught() {
    must_be_caught(Defect::CapForgetsStopping, "I8", 500);
}

#[test]
fn a_queue_that_stays_paused_is_caught() {
    must_be_caught(Defect::QueueStaysPaused, "I16", 200);
}

#[test]
fn a_guard_that_is_forgotten_is_caught() {
    must_be_caught(Defect::GuardForgotten, "R22", 200);
}

#[test]
fn a_digest_with_jitter_is_caught() {
    must_be_caught(Defect::DigestWithJitter, "I2", 200);
}

#[test]
fn an_early_reassignment_is_caught() {
    must_be_caught(Defect::EarlyReassignment, "I5", 200);
}

#[test]
fn a_drain_that_costs_an_attempt_is_caught() {
    must_be_caught(Defect::DrainCostsAttempt, "R18", 200);
}

#[test]
fn a_drains_deadline_that_is_forgotten_is_caught() {
    must_be_caught(Defect::DrainDeadlineForgotten, "R18", 1_000);
}
