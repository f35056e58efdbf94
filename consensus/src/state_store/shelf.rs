//! The finished snapshots of a group: at most two, the newest is the one that is sent.
//!
//! A snapshot is used through a shared handle. Unless it is on the shelf its directory goes with the last handle: one that
//! is being sent stays whole, and one that was received and is not wanted leaves nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rocksdb::checkpoint::Checkpoint;

use super::{Manifest, StateDb, StateError};
use crate::failpoints;
use crate::keys::GroupId;
use crate::sealed;
use crate::types::SnapshotMeta;

/// The newest one, and the one before it, which may still be on its way to a follower.
const SNAPSHOTS_MAX: usize = 2;
const FINISHED: &str = "snapshot-";
const UNFINISHED: &str = "unfinished-";

/// A finished snapshot on disk.
pub struct KeptSnapshot {
    path: PathBuf,
    manifest: Manifest,
    shelved: AtomicBool,
    spoilt: AtomicBool,
}

impl std::fmt::Debug for KeptSnapshot {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "KeptSnapshot({})", self.path.display())
    }
}

impl KeptSnapshot {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    pub(crate) fn meta(&self) -> &SnapshotMeta {
        &self.manifest.meta
    }

    /// Its files are no longer what the manifest says: nobody can use it.
    pub(crate) fn spoil(&self) {
        self.spoilt.store(true, Ordering::Release);
    }

    pub(crate) fn is_spoilt(&self) -> bool {
        self.spoilt.load(Ordering::Acquire)
    }

    /// Off the shelf its directory goes with the last handle.
    fn set_shelved(&self, shelved: bool) {
        self.shelved.store(shelved, Ordering::Release);
    }
}

impl Drop for KeptSnapshot {
    fn drop(&mut self) {
        if !self.shelved.load(Ordering::Acquire)
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            tracing::warn!(%error, path = %self.path.display(), "a former snapshot stays until the next start");
        }
    }
}

/// Where finished snapshots stand.
pub(crate) struct Shelf {
    directory: PathBuf,
    shelved: Mutex<Shelved>,
}

#[derive(Default)]
struct Shelved {
    /// Oldest state first.
    kept: Vec<Arc<KeptSnapshot>>,
    /// Built for openraft and not yet handed over.
    prepared: Option<Arc<KeptSnapshot>>,
    next_number: u64,
}

impl Shelved {
    fn put(&mut self, snapshot: Arc<KeptSnapshot>) {
        if self.kept.iter().any(|kept| kept.path == snapshot.path) {
            return;
        }
        snapshot.set_shelved(true);
        self.kept.push(snapshot);
        // What one contains decides which is newer, not when it was made or received.
        self.kept.sort_by_key(|kept| kept.meta().last_log_id);
        while self.kept.len() > SNAPSHOTS_MAX {
            self.kept.remove(0).set_shelved(false);
        }
    }
}

impl Shelf {
    /// Finds the finished snapshots and deletes everything else.
    pub(crate) fn open(directory: &Path) -> Result<Self, StateError> {
        fs::create_dir_all(directory).map_err(StateError::io("create", directory))?;
        let mut numbered = Vec::new();
        for file in fs::read_dir(directory).map_err(StateError::io("list", directory))? {
            let path = file.map_err(StateError::io("list", directory))?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let number = name.strip_prefix(FINISHED).and_then(|number| number.parse::<u64>().ok());
            match (number, Manifest::read(&path)) {
                (Some(number), Ok(Some(manifest))) => numbered.push((number, path, manifest)),
                _ => fs::remove_dir_all(&path).map_err(StateError::io("delete", &path))?,
            }
        }
        let next_number = numbered.iter().map(|(number, ..)| number + 1).max().unwrap_or(1);
        let mut shelved = Shelved { kept: Vec::new(), prepared: None, next_number };
        for (_, path, manifest) in numbered {
            shelved.put(kept(path, manifest));
        }
        Ok(Self { directory: directory.to_path_buf(), shelved: Mutex::new(shelved) })
    }

    fn shelved(&self) -> MutexGuard<'_, Shelved> {
        self.shelved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn newest(&self) -> Option<Arc<KeptSnapshot>> {
        self.shelved().kept.last().cloned()
    }

    /// Keeps the newest snapshot for openraft's next request to build one.
    pub(crate) fn prepare(&self, snapshot: Arc<KeptSnapshot>) {
        self.shelved().prepared = Some(snapshot);
    }

    pub(crate) fn take_prepared(&self) -> Option<Arc<KeptSnapshot>> {
        self.shelved().prepared.take()
    }

    /// A directory for a snapshot that is being made; `finish` or `discard` it.
    pub(crate) fn begin(&self) -> (u64, PathBuf) {
        let mut shelved = self.shelved();
        let number = shelved.next_number;
        shelved.next_number += 1;
        (number, self.directory.join(format!("{UNFINISHED}{number}")))
    }

    /// Removes what was begun and failed. Blocks.
    pub(crate) fn discard(&self, unfinished: &Path) {
        if unfinished.exists()
            && let Err(error) = fs::remove_dir_all(unfinished)
        {
            tracing::warn!(%error, path = %unfinished.display(), "a failed snapshot stays until the next start");
        }
    }

    /// Makes a begun snapshot durable and gives it its name. Its files are synced here. Blocks.
    pub(crate) fn finish(
        &self,
        number: u64,
        unfinished: &Path,
        manifest: Manifest,
    ) -> Result<Arc<KeptSnapshot>, StateError> {
        manifest.write(unfinished)?;
        sync_files(unfinished)?;
        let path = self.directory.join(format!("{FINISHED}{number}"));
        fs::rename(unfinished, &path).map_err(StateError::io("rename", unfinished))?;
        sealed::sync_directory(&self.directory).map_err(StateError::io("sync", &self.directory))?;
        Ok(kept(path, manifest))
    }

    /// Puts a finished snapshot on the shelf and lets the oldest go.
    pub(crate) fn put(&self, snapshot: &Arc<KeptSnapshot>) {
        self.shelved().put(Arc::clone(snapshot));
    }

    /// Takes a checkpoint of the database, reads it back, and shelves it. Blocks.
    pub(crate) fn build(&self, database: &StateDb, group: GroupId) -> Result<Arc<KeptSnapshot>, StateError> {
        let (number, unfinished) = self.begin();
        let built = self.checkpoint(database, &unfinished, group).and_then(|manifest| {
            let snapshot = self.finish(number, &unfinished, manifest)?;
            self.put(&snapshot);
            Ok(snapshot)
        });
        if built.is_err() {
            self.discard(&unfinished);
        }
        built
    }

    fn checkpoint(&self, database: &StateDb, path: &Path, group: GroupId) -> Result<Manifest, StateError> {
        failpoints::check("snapshot.build", &self.directory).map_err(StateError::io("build", path))?;
        database.flush()?;
        let taken = Checkpoint::new(database.rocks()).and_then(|checkpoint| checkpoint.create_checkpoint(path));
        taken.map_err(|error| database.rocks_error("take a checkpoint of", &error))?;
        let manifest = Manifest::of_checkpoint(path, group)?;
        failpoints::check("snapshot.built", &self.directory).map_err(StateError::io("build", path))?;
        Ok(manifest)
    }
}

fn kept(path: PathBuf, manifest: Manifest) -> Arc<KeptSnapshot> {
    Arc::new(KeptSnapshot { path, manifest, shelved: AtomicBool::new(false), spoilt: AtomicBool::new(false) })
}

/// Syncs every file of a directory, then its names.
pub(crate) fn sync_files(directory: &Path) -> Result<(), StateError> {
    for file in fs::read_dir(directory).map_err(StateError::io("list", directory))? {
        let path = file.map_err(StateError::io("list", directory))?.path();
        let synced = fs::File::open(&path).and_then(|file| file.sync_all());
        synced.map_err(StateError::io("sync", &path))?;
    }
    sealed::sync_directory(directory).map_err(StateError::io("sync", directory))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{LeaderId, LogId, StoredMembership};

    fn finished(shelf: &Shelf, index: u64) -> Arc<KeptSnapshot> {
        let (number, unfinished) = shelf.begin();
        fs::create_dir_all(&unfinished).unwrap();
        let last_log_id = Some(LogId { leader_id: LeaderId { term: 1, node_id: 1 }, index });
        let meta = SnapshotMeta { last_log_id, last_membership: StoredMembership::default() };
        shelf.finish(number, &unfinished, Manifest { version: 1, group: 0, meta, files: Vec::new() }).unwrap()
    }

    fn newest_index(shelf: &Shelf) -> Option<u64> {
        shelf.newest().and_then(|newest| newest.meta().last_log_id).map(|last| last.index)
    }

    #[test]
    fn a_snapshot_that_nobody_shelved_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(directory.path()).unwrap();
        shelf.put(&finished(&shelf, 5));
        let received = finished(&shelf, 9);
        assert!(received.path().exists());
        let path = received.path().to_path_buf();
        drop(received);
        assert!(!path.exists());
        assert_eq!(newest_index(&Shelf::open(directory.path()).unwrap()), Some(5));
    }

    #[test]
    fn the_newest_state_is_the_newest_snapshot_whenever_it_came() {
        let directory = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(directory.path()).unwrap();
        [8, 5].into_iter().for_each(|index| shelf.put(&finished(&shelf, index)));
        assert_eq!(newest_index(&shelf), Some(8));
        drop(shelf);
        assert_eq!(newest_index(&Shelf::open(directory.path()).unwrap()), Some(8));
    }
}
