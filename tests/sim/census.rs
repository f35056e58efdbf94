//! What really happened, counted: a run in which nothing went wrong proves nothing.

use std::collections::BTreeMap;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Census {
    counts: BTreeMap<&'static str, u64>,
}

impl Census {
    pub(super) fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    pub(super) fn of(&self, what: &str) -> u64 {
        self.counts.get(what).copied().unwrap_or_default()
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (what, count) in &other.counts {
            *self.counts.entry(what).or_default() += count;
        }
    }

    /// One line for each kind.
    pub(super) fn table(&self) -> String {
        self.counts.iter().map(|(what, count)| format!("{count:>10}  {what}\n")).collect()
    }
}
