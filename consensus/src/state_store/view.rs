//! A consistent, read-only view of a group's tables: what lists and gets read (R5).

use std::ops::ControlFlow;
use std::sync::Arc;

use quorla_ledger::{Records, Tables};
use rocksdb::{Direction, IteratorMode, ReadOptions};

use super::StateDb;
use super::owned_snapshot::OwnedSnapshot;
use crate::keys::{self, GroupId};

/// A failed read of the state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read the state: {reason}")]
pub struct ViewError {
    reason: String,
}

impl ViewError {
    pub(crate) fn new(reason: impl std::fmt::Display) -> Self {
        Self { reason: reason.to_string() }
    }
}

/// The tables as they were at one applied index.
pub struct View {
    snapshot: OwnedSnapshot,
    group: GroupId,
    applied_index: u64,
}

impl View {
    pub(crate) fn new(database: Arc<StateDb>, group: GroupId) -> Result<Self, ViewError> {
        let snapshot = OwnedSnapshot::new(database);
        let applied = snapshot.database().applied_in(snapshot.snapshot(), group).map_err(ViewError::new)?;
        let applied_index = applied.log_id.map_or(0, |log_id| log_id.index);
        Ok(Self { snapshot, group, applied_index })
    }

    /// The index that this view is of.
    pub fn applied_index(&self) -> u64 {
        self.applied_index
    }

    /// One record by its ledger key.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ViewError> {
        self.snapshot.snapshot().get(keys::state(self.group, key)).map_err(|error| self.unreadable(&error))
    }

    /// Visits the records whose key begins with `prefix`, in key order, until told to stop.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn scan(&self, prefix: &[u8], visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>) -> Result<(), ViewError> {
        self.walk(prefix, prefix, Direction::Forward, visit)
    }

    /// As `scan`, beginning at `from`, which itself begins with `prefix`.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn scan_from(
        &self,
        prefix: &[u8],
        from: &[u8],
        visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), ViewError> {
        self.walk(prefix, from, Direction::Forward, visit)
    }

    /// As `scan`, from the largest key down; with `below`, only keys smaller than it.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn scan_back(
        &self,
        prefix: &[u8],
        below: Option<&[u8]>,
        mut visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), ViewError> {
        let from = below.map_or_else(|| after(prefix), <[u8]>::to_vec);
        self.walk(prefix, &from, Direction::Reverse, |key, value| {
            if below == Some(key) { ControlFlow::Continue(()) } else { visit(key, value) }
        })
    }

    fn unreadable(&self, error: &rocksdb::Error) -> ViewError {
        ViewError::new(self.snapshot.database().unreadable(error))
    }

    fn walk(
        &self,
        prefix: &[u8],
        from: &[u8],
        direction: Direction,
        mut visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), ViewError> {
        let from = keys::state(self.group, from);
        let is_reverse = matches!(direction, Direction::Reverse);
        let mut options = ReadOptions::default();
        options.set_readahead_size(256 << 10);
        let items = self.snapshot.snapshot().iterator_opt(IteratorMode::From(&from, direction), options);
        for item in items {
            let (key, value) = item.map_err(|error| self.unreadable(&error))?;
            let Some(key) = keys::ledger(self.group, &key) else {
                // Above the last table in reverse lies nothing of ours to skip but our own records.
                if is_reverse && key.starts_with(&self.group.0.to_be_bytes()) {
                    continue;
                }
                break;
            };
            if !key.starts_with(prefix) {
                if is_reverse && key > prefix {
                    continue;
                }
                break;
            }
            if visit(key, &value).is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// The smallest key after everything with this prefix.
fn after(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return end;
        }
    }
    vec![u8::MAX]
}

impl Records for View {
    fn read(&self, key: &[u8]) -> Option<Vec<u8>> {
        match Self::read(self, key) {
            Ok(value) => value,
            Err(error) => give_up(&error),
        }
    }
}

impl Tables for View {
    fn scan(&self, prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8])) {
        let walked = Self::scan(self, prefix, |key, value| {
            visit(key, value);
            ControlFlow::Continue(())
        });
        if let Err(error) = walked {
            give_up(&error);
        }
    }
}

/// The ledger's traits have no room for an error: a state that can't be read ends the process.
fn give_up(error: &ViewError) -> ! {
    tracing::error!(%error, "the state can not be read, this process ends");
    std::process::abort()
}
