//! The time that a leader stamps on entries: anchored to the median of the voters' wall clocks, advanced by its own
//! monotonic clock (R7).
//!
//! Clocks are learned from the envelope of every frame. One clock that jumps moves the median no further than to its
//! neighbour, and the anchor follows the median slowly, so that nothing expires early.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quorla_ledger::units::Millis;

use crate::clock::Clock;

/// A clock that was not heard of for so long says nothing any more.
const SAMPLE_AGE_MS_MAX: u64 = 60_000;
/// The anchor follows the median by at most this share of the time that passes.
const SLEW_DIVISOR: i64 = 20;

/// How far a voter's clock is from ledger time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockSkew {
    /// The voter.
    pub raft_id: u64,
    /// Its wall clock minus ledger time, in milliseconds, to the nearest 100: whoever watches the status is not woken by
    /// jitter.
    pub ahead_ms: i64,
}

/// What clocks are off by is said in steps of so many milliseconds.
const SKEW_STEP_MS: i64 = 100;

/// A peer's wall clock minus our boot clock, and when we learned it.
#[derive(Debug, Clone, Copy)]
struct Sample {
    offset_ms: i64,
    seen_boot_ms: u64,
}

/// Keeps the samples and the anchor.
pub(crate) struct LedgerTime {
    clock: Arc<dyn Clock>,
    raft_id: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    samples: BTreeMap<u64, Sample>,
    voters: BTreeSet<u64>,
    /// Ledger time minus our boot clock, and when it was last moved.
    anchor: Option<Sample>,
    last_ms: u64,
}

impl LedgerTime {
    /// Nothing known yet but our own clock.
    pub(crate) fn new(clock: Arc<dyn Clock>, raft_id: u64) -> Self {
        Self { clock, raft_id, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn wall_ms(&self) -> u64 {
        self.clock.wall_ms()
    }

    /// Whose clocks count. All is taken anew: a leader begins with the median as it is, whatever this node thought before
    /// it heard of the others. The ledger's own clock keeps its time from going back.
    pub(crate) fn begin(&self, voters: BTreeSet<u64>) {
        let mut state = self.state();
        state.anchor = None;
        state.last_ms = 0;
        state.voters = voters;
    }

    /// The voters changed under the same leader.
    pub(crate) fn set_voters(&self, voters: BTreeSet<u64>) {
        self.state().voters = voters;
    }

    /// A member's wall clock, as an envelope carried it just now.
    pub(crate) fn sample(&self, raft_id: u64, wall_ms: u64) {
        if raft_id == self.raft_id || raft_id == 0 {
            return;
        }
        let seen_boot_ms = self.clock.boot_ms();
        let sample = Sample { offset_ms: offset(wall_ms, seen_boot_ms), seen_boot_ms };
        let mut state = self.state();
        if state.voters.contains(&raft_id) || state.samples.len() < 64 {
            state.samples.insert(raft_id, sample);
        }
    }

    /// Whether a frame of this member came within so many milliseconds.
    pub(crate) fn has_heard(&self, raft_id: u64, within_ms: u64) -> bool {
        let boot_ms = self.clock.boot_ms();
        let state = self.state();
        state.samples.get(&raft_id).is_some_and(|sample| boot_ms.saturating_sub(sample.seen_boot_ms) <= within_ms)
    }

    /// Ledger time now, for an entry: the anchor moves with it, and it never goes back under one leadership.
    pub(crate) fn stamp(&self) -> Millis {
        let boot_ms = self.clock.boot_ms();
        let median_ms = self.median_offset_ms(boot_ms);
        let mut state = self.state();
        let offset_ms = state.offset_ms(boot_ms, median_ms);
        let moved = state.anchor.is_none_or(|anchor| anchor.offset_ms != offset_ms || anchor.offset_ms == median_ms);
        if moved {
            state.anchor = Some(Sample { offset_ms, seen_boot_ms: boot_ms });
        }
        state.last_ms = state.time_ms(boot_ms, offset_ms);
        Millis(state.last_ms)
    }

    /// Ledger time as an entry would be stamped now. Changes nothing, on whichever node it is asked for.
    pub(crate) fn read(&self) -> Millis {
        let boot_ms = self.clock.boot_ms();
        let median_ms = self.median_offset_ms(boot_ms);
        let state = self.state();
        Millis(state.time_ms(boot_ms, state.offset_ms(boot_ms, median_ms)))
    }

    /// The lower median of the voters' offsets, our own among them when we vote.
    fn median_offset_ms(&self, boot_ms: u64) -> i64 {
        let own = offset(self.clock.wall_ms(), boot_ms);
        let state = self.state();
        let mut offsets: Vec<i64> = state
            .samples
            .iter()
            .filter(|(raft_id, sample)| {
                state.voters.contains(raft_id) && boot_ms.saturating_sub(sample.seen_boot_ms) <= SAMPLE_AGE_MS_MAX
            })
            .map(|(_, sample)| sample.offset_ms)
            .collect();
        if state.voters.contains(&self.raft_id) || offsets.is_empty() {
            offsets.push(own);
        }
        offsets.sort_unstable();
        offsets[(offsets.len() - 1) / 2]
    }

    /// Every voter's distance from ledger time, for readiness and metrics.
    pub(crate) fn skews(&self) -> Vec<ClockSkew> {
        let now = self.read();
        let boot_ms = self.clock.boot_ms();
        let reference = offset(now.0, boot_ms);
        let own = offset(self.clock.wall_ms(), boot_ms);
        let state = self.state();
        let others = state.samples.iter().filter(|(raft_id, _)| state.voters.contains(raft_id));
        let mut skews: Vec<ClockSkew> = others
            .map(|(raft_id, sample)| ClockSkew { raft_id: *raft_id, ahead_ms: stepped(sample.offset_ms - reference) })
            .collect();
        skews.push(ClockSkew { raft_id: self.raft_id, ahead_ms: stepped(own - reference) });
        skews
    }
}

fn stepped(ahead_ms: i64) -> i64 {
    (ahead_ms + ahead_ms.signum() * SKEW_STEP_MS / 2) / SKEW_STEP_MS * SKEW_STEP_MS
}

impl State {
    /// Ledger time minus our boot clock: the anchor, as far towards the median as the time that passed allows.
    fn offset_ms(&self, boot_ms: u64, median_ms: i64) -> i64 {
        let Some(anchor) = self.anchor else { return median_ms };
        let passed = i64::try_from(boot_ms.saturating_sub(anchor.seen_boot_ms)).unwrap_or(i64::MAX);
        let step_max = passed / SLEW_DIVISOR;
        anchor.offset_ms + (median_ms - anchor.offset_ms).clamp(-step_max, step_max)
    }

    fn time_ms(&self, boot_ms: u64, offset_ms: i64) -> u64 {
        let time_ms = i64::try_from(boot_ms).unwrap_or(i64::MAX).saturating_add(offset_ms);
        self.last_ms.max(u64::try_from(time_ms).unwrap_or(0))
    }
}

fn offset(wall_ms: u64, boot_ms: u64) -> i64 {
    let signed = |value| i64::try_from(value).unwrap_or(i64::MAX);
    signed(wall_ms) - signed(boot_ms)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[derive(Default)]
    struct Script {
        wall: AtomicU64,
        boot: AtomicU64,
    }

    impl Clock for Script {
        fn wall_ms(&self) -> u64 {
            self.wall.load(Ordering::Relaxed)
        }
        fn boot_ms(&self) -> u64 {
            self.boot.load(Ordering::Relaxed)
        }
    }

    const HOUR_MS: u64 = 3_600_000;

    fn three_voters() -> (Arc<Script>, LedgerTime) {
        let script = Arc::new(Script::default());
        script.wall.store(1_000_000_000, Ordering::Relaxed);
        let time = LedgerTime::new(Arc::clone(&script) as Arc<dyn Clock>, 1);
        time.begin(BTreeSet::from([1, 2, 3]));
        (script, time)
    }

    #[test]
    fn one_clock_an_hour_ahead_moves_nothing() {
        let (_, time) = three_voters();
        time.sample(2, 1_000_000_010);
        time.sample(3, 1_000_000_000 + HOUR_MS);
        assert_eq!(time.stamp(), Millis(1_000_000_010));
        let skews = time.skews();
        assert!(skews.iter().any(|skew| skew.raft_id == 3 && skew.ahead_ms > 3_500_000), "{skews:?}");
    }

    #[test]
    fn the_leaders_own_jump_is_followed_slowly_or_not_at_all() {
        let (script, time) = three_voters();
        time.sample(2, 1_000_000_000);
        assert_eq!(time.stamp(), Millis(1_000_000_000));
        script.wall.store(1_000_000_000 + HOUR_MS, Ordering::Relaxed);
        script.boot.store(1_000, Ordering::Relaxed);
        assert!(time.stamp().0 <= 1_000_001_000 + 50);
    }

    #[test]
    fn reading_the_time_binds_no_later_stamp() {
        let (script, time) = three_voters();
        script.wall.store(1_000_000_000 + HOUR_MS, Ordering::Relaxed);
        assert_eq!(time.read(), Millis(1_000_000_000 + HOUR_MS), "nobody else was heard of");
        time.skews();
        time.sample(2, 1_000_000_000);
        time.sample(3, 1_000_000_010);
        assert_eq!(time.stamp(), Millis(1_000_000_010));
    }

    #[test]
    fn a_leader_begins_with_the_median_whatever_it_stamped_before() {
        let (script, time) = three_voters();
        script.wall.store(1_000_000_000 + HOUR_MS, Ordering::Relaxed);
        assert_eq!(time.stamp(), Millis(1_000_000_000 + HOUR_MS), "nobody else was heard of");
        time.sample(2, 1_000_000_000);
        time.sample(3, 1_000_000_010);
        time.begin(BTreeSet::from([1, 2, 3]));
        assert_eq!(time.stamp(), Millis(1_000_000_010));
    }

    #[test]
    fn time_goes_on_with_the_boot_clock() {
        let (script, time) = three_voters();
        let begin = time.stamp();
        script.boot.store(5_000, Ordering::Relaxed);
        script.wall.store(1_000_005_000, Ordering::Relaxed);
        assert_eq!(time.stamp(), Millis(begin.0 + 5_000));
    }
}
