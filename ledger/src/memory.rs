//! The tables in memory: what tests and the simulation keep the ledger's changes in.

use std::collections::BTreeMap;

use crate::ledger::{Changes, Records, Tables};

/// All records of one replica, by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryTables {
    records: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl MemoryTables {
    /// Makes the changes of one applied entry.
    pub fn absorb(&mut self, changes: Changes) {
        for (key, value) in changes {
            match value {
                Some(value) => self.records.insert(key, value),
                None => self.records.remove(&key),
            };
        }
    }

    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
}

impl Records for MemoryTables {
    fn read(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.records.get(key).cloned()
    }
}

impl Tables for MemoryTables {
    fn scan(&self, prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8])) {
        let from_prefix = self.records.range(prefix.to_vec()..);
        from_prefix.take_while(|(key, _)| key.starts_with(prefix)).for_each(|(key, value)| visit(key, value));
    }
}
