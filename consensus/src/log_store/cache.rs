//! Recent entries of one log, so that replication and apply never read disk. Bounded in bytes.
//!
//! Entries that are not yet on disk are never dropped: until then they are nowhere else.

use std::collections::VecDeque;

use openraft::entry::RaftEntry;

use super::entry_bytes;
use crate::types::Entry;

/// Consecutive entries, the newest at the back.
pub(crate) struct Cache {
    entries: VecDeque<Entry>,
    bytes: usize,
    bytes_max: usize,
}

impl Cache {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { entries: VecDeque::new(), bytes: 0, bytes_max }
    }

    fn first_index(&self) -> Option<u64> {
        self.entries.front().map(RaftEntry::index)
    }

    /// Adds entries that follow the last one; drops old ones that are durable up to `durable_index`.
    pub(crate) fn extend(&mut self, entries: &[Entry], durable_index: u64) {
        let (Some(first), last) = (entries.first(), self.entries.back()) else { return };
        if last.is_some_and(|last| last.index() + 1 != first.index()) {
            self.entries.clear();
            self.bytes = 0;
        }
        for entry in entries {
            self.bytes += entry_bytes(entry);
            self.entries.push_back(entry.clone());
        }
        while self.bytes > self.bytes_max && self.first_index().is_some_and(|index| index <= durable_index) {
            self.pop_front();
        }
    }

    /// Where the cache begins within `start..end` (`end` when it holds nothing of it), and its entries there.
    pub(crate) fn range(&self, start: u64, end: u64) -> (u64, Vec<Entry>) {
        let Some(first) = self.first_index() else { return (end, Vec::new()) };
        let from = start.max(first);
        let skipped = usize::try_from(from - first).unwrap_or(usize::MAX).min(self.entries.len());
        let wanted = usize::try_from(end.saturating_sub(from)).unwrap_or(usize::MAX);
        let upto = skipped.saturating_add(wanted).min(self.entries.len());
        (first, self.entries.range(skipped..upto).cloned().collect())
    }

    /// Drops entries from `from` on.
    pub(crate) fn truncate(&mut self, from: u64) {
        while self.entries.back().is_some_and(|entry| entry.index() >= from) {
            if let Some(entry) = self.entries.pop_back() {
                self.bytes -= entry_bytes(&entry);
            }
        }
    }

    /// Drops entries up to `upto`.
    pub(crate) fn purge(&mut self, upto: u64) {
        while self.first_index().is_some_and(|index| index <= upto) {
            self.pop_front();
        }
    }

    fn pop_front(&mut self) {
        if let Some(entry) = self.entries.pop_front() {
            self.bytes -= entry_bytes(&entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use openraft::EntryPayload;

    use super::*;
    use crate::types::{LeaderId, LogId, Payload};

    fn entry(index: u64) -> Entry {
        let log_id = LogId { leader_id: LeaderId { term: 1, node_id: 1 }, index };
        Entry { log_id, payload: EntryPayload::Normal(Payload(Bytes::from(vec![0; 952]))) }
    }

    fn filled() -> Cache {
        let mut cache = Cache::new(10_000);
        for index in 1..=20 {
            cache.extend(&[entry(index)], index.saturating_sub(3));
        }
        cache
    }

    fn indexes(range: (u64, Vec<Entry>)) -> (u64, Vec<u64>) {
        (range.0, range.1.iter().map(RaftEntry::index).collect())
    }

    #[test]
    fn old_entries_leave_when_the_bound_is_reached() {
        assert_eq!(indexes(filled().range(0, 13)), (11, vec![11, 12]));
        assert_eq!(indexes(filled().range(19, 99)), (11, vec![19, 20]));
    }

    #[test]
    fn entries_that_are_not_durable_stay() {
        let mut cache = Cache::new(10_000);
        for index in 1..=20 {
            cache.extend(&[entry(index)], 0);
        }
        assert_eq!(cache.range(1, 99).1.len(), 20);
    }

    #[test]
    fn truncation_and_purge_take_from_the_ends() {
        let mut cache = filled();
        cache.truncate(18);
        cache.purge(13);
        assert_eq!(indexes(cache.range(0, 99)), (14, vec![14, 15, 16, 17]));
    }
}
