//! What an epoch remembers of attempts that it no longer holds, so that a late order starts none of them again (I3, I5).
//!
//! Owns three facts: the index of the newest full set, the ended attempts that an order newer than that set might still
//! name, and up to which fence the bound made it forget. An order older than the full set says nothing that the set did not.

use std::collections::BTreeMap;

use quorla_ledger::ids::Fence;

/// Ended attempts that are remembered; beyond it the oldest are only known to lie below a fence.
pub(super) const ENDED_REMEMBERED_MAX: usize = 4_096;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Memory {
    full_set_at: u64,
    /// Each with an index at which the ledger had its end.
    ended: BTreeMap<Fence, u64>,
    forgotten_upto: Option<Fence>,
}

/// What is known of an attempt that is not held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// It never ran here.
    New,
    /// It ended here, and that is recorded.
    Ended,
    /// It may have ended here, too long ago to know.
    Forgotten,
}

impl Memory {
    /// Whether an order read at that index is older than the newest full set.
    pub(super) const fn supersedes(&self, as_of: u64) -> bool {
        as_of < self.full_set_at
    }

    /// A full set was taken in: what was recorded before it can never be named again by an order that counts.
    pub(super) fn full_set_taken(&mut self, as_of: u64) {
        self.full_set_at = self.full_set_at.max(as_of);
        self.ended.retain(|_, recorded_at| *recorded_at > as_of);
    }

    /// An attempt's end is in the ledger at that index, if not before.
    pub(super) fn recorded(&mut self, fence: Fence, as_of: u64) {
        if as_of <= self.full_set_at {
            return;
        }
        self.ended.insert(fence, as_of);
        if self.ended.len() > ENDED_REMEMBERED_MAX {
            let oldest = self.ended.pop_first().map(|(fence, _)| fence);
            self.forgotten_upto = self.forgotten_upto.max(oldest);
        }
    }

    pub(super) fn of(&self, fence: Fence) -> Known {
        if self.ended.contains_key(&fence) {
            Known::Ended
        } else if self.forgotten_upto.is_some_and(|upto| fence <= upto) {
            Known::Forgotten
        } else {
            Known::New
        }
    }
}
