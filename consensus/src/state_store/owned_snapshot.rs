//! A RocksDB snapshot that keeps its database alive, so that a view can be passed around.
//!
//! The only `unsafe` of this crate: rocksdb ties a snapshot to a borrow of its database.
#![allow(unsafe_code)]

use std::mem::ManuallyDrop;
use std::sync::Arc;

use rocksdb::{DB, SnapshotWithThreadMode};

use super::StateDb;

/// A snapshot and the database that it belongs to.
pub(crate) struct OwnedSnapshot {
    /// Dropped by hand, before the database.
    snapshot: ManuallyDrop<SnapshotWithThreadMode<'static, DB>>,
    database: Arc<StateDb>,
}

impl OwnedSnapshot {
    pub(crate) fn new(database: Arc<StateDb>) -> Self {
        let rocks: *const DB = database.rocks();
        // SAFETY: `rocks` lies inside the allocation of the `Arc`, which this value holds as long as the snapshot
        // lives: the snapshot is dropped first, in `drop`, and no reference of lifetime 'static leaves this type.
        let rocks: &'static DB = unsafe { &*rocks };
        Self { snapshot: ManuallyDrop::new(rocks.snapshot()), database }
    }

    /// The snapshot, for as long as this value is borrowed.
    pub(crate) fn snapshot<'a>(&'a self) -> &'a SnapshotWithThreadMode<'a, DB> {
        &self.snapshot
    }

    pub(crate) fn database(&self) -> &StateDb {
        &self.database
    }
}

impl Drop for OwnedSnapshot {
    fn drop(&mut self) {
        // SAFETY: called once, here, and the snapshot is not used afterwards; the database is still alive.
        unsafe { ManuallyDrop::drop(&mut self.snapshot) };
    }
}
