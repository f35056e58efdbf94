//! The state databases on disk: `generation-N` directories, and `CURRENT_STATE` that names the one in use.
//!
//! A generation is born empty or by an install; the former one is removed once its last reader is gone.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rocksdb::{BlockBasedOptions, DB, DBCompressionType, Options, SnapshotWithThreadMode, WriteBatch, WriteOptions};
use serde::{Deserialize, Serialize};

use super::StateOptions;
use crate::codec::{self, CodecError};
use crate::fatal::{Fatal, FatalSignal};
use crate::keys::{self, GroupId};
use crate::log_store::{is_damage, quiet_options, read_all};
use crate::sealed;
use crate::types::{LogId, StoredMembership};

const WRITE_BUFFER_BYTES: usize = 16 << 20;
/// Of a write buffer, for its bloom filter: 320 KiB, about 20 bits for each of the keys that fit.
const BUFFER_BLOOM_RATIO: f64 = 0.02;
const BLOOM_BITS_PER_KEY: f64 = 10.0;
const GENERATION: &str = "generation-";

/// Why the state can't be opened, snapshotted or installed.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A file or directory of the state.
    #[error("{attempt} {path}")]
    Io {
        /// What was attempted.
        attempt: &'static str,
        /// On what.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// RocksDB refuses: damaged, full, or unreadable.
    #[error("{attempt} the state at {path}: {reason}")]
    Rocks {
        /// What was attempted.
        attempt: &'static str,
        /// Where it lies.
        path: PathBuf,
        /// What RocksDB said.
        reason: String,
        /// Whether its content is wrong, rather than the disk full or a file locked.
        is_damage: bool,
    },
    /// A record of ours can't be read.
    #[error("read a record of the state")]
    Record(#[from] CodecError),
    /// The tables make no ledger.
    #[error("rebuild the ledger from {path}: {reason}")]
    Ledger {
        /// Where it lies.
        path: PathBuf,
        /// What the ledger said.
        reason: String,
    },
    /// A snapshot doesn't hold what its manifest or its leader says.
    #[error("use the snapshot at {path}: {reason}")]
    Snapshot {
        /// Where it lies.
        path: PathBuf,
        /// What differs.
        reason: String,
    },
}

impl StateError {
    pub(crate) fn io(attempt: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { attempt, path: path.to_path_buf(), source }
    }
}

/// Which generation is in use, and up to where an install brought it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CurrentState {
    pub(crate) generation: u64,
    /// The log id of the installed snapshot: the log may end before it (R2).
    pub(crate) installed: Option<LogId>,
}

/// What every batch carries beside the ledger's changes (R4).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Applied {
    pub(crate) log_id: Option<LogId>,
    pub(crate) membership: StoredMembership,
}

/// One generation, open.
pub(crate) struct StateDb {
    /// `None` only while it is being dropped.
    rocks: Option<DB>,
    path: PathBuf,
    current: CurrentState,
    fatal: FatalSignal,
    doomed: AtomicBool,
}

impl StateDb {
    pub(crate) fn rocks(&self) -> &DB {
        self.rocks.as_ref().expect("the database is open until drop")
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn current(&self) -> &CurrentState {
        &self.current
    }

    /// Its directory goes when the last reader does.
    pub(crate) fn doom(&self) {
        self.doomed.store(true, Ordering::Release);
    }

    pub(crate) fn write(&self, batch: WriteBatch) -> Result<(), StateError> {
        let mut options = WriteOptions::default();
        options.disable_wal(true);
        self.rocks().write_opt(batch, &options).map_err(|error| self.rocks_error("write", &error))
    }

    pub(crate) fn flush(&self) -> Result<(), StateError> {
        self.rocks().flush().map_err(|error| self.rocks_error("flush", &error))
    }

    /// A read failed: this node can't go on (R22). Returns what RocksDB said.
    pub(crate) fn unreadable(&self, error: &rocksdb::Error) -> String {
        self.fatal.report(Fatal::State { attempt: "read", reason: error.to_string() });
        error.to_string()
    }

    pub(crate) fn rocks_error(&self, attempt: &'static str, error: &rocksdb::Error) -> StateError {
        StateError::Rocks { attempt, path: self.path.clone(), reason: error.to_string(), is_damage: is_damage(error) }
    }

    pub(crate) fn applied(&self, group: GroupId) -> Result<Applied, StateError> {
        read_applied(self.rocks(), group).map_err(|reason| self.applied_error(reason))
    }

    pub(crate) fn applied_in(
        &self,
        snapshot: &SnapshotWithThreadMode<'_, DB>,
        group: GroupId,
    ) -> Result<Applied, StateError> {
        let read = snapshot.get(keys::applied(group));
        let bytes = read.inspect_err(|error| drop(self.unreadable(error)));
        let bytes = bytes.map_err(|error| self.rocks_error("read", &error))?;
        Ok(bytes.map(|bytes| codec::decode(&bytes)).transpose()?.unwrap_or_default())
    }

    fn applied_error(&self, reason: String) -> StateError {
        StateError::Rocks { attempt: "read the applied index of", path: self.path.clone(), reason, is_damage: true }
    }
}

impl Drop for StateDb {
    fn drop(&mut self) {
        drop(self.rocks.take());
        if self.doomed.load(Ordering::Acquire)
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            tracing::warn!(%error, path = %self.path.display(), "a former state stays until the next start");
        }
    }
}

pub(crate) fn read_applied(rocks: &DB, group: GroupId) -> Result<Applied, String> {
    let bytes = rocks.get(keys::applied(group)).map_err(|error| error.to_string())?;
    let applied = bytes.map(|bytes| codec::decode(&bytes)).transpose().map_err(|error| error.to_string())?;
    Ok(applied.unwrap_or_default())
}

pub(crate) fn generation_path(directory: &Path, generation: u64) -> PathBuf {
    directory.join(format!("{GENERATION}{generation}"))
}

fn current_path(directory: &Path) -> PathBuf {
    directory.join("CURRENT_STATE")
}

/// Names the generation in use; after this returns, a crash finds it.
pub(crate) fn write_current(directory: &Path, current: &CurrentState) -> Result<(), StateError> {
    let path = current_path(directory);
    sealed::write(&path, &codec::encode(current)?).map_err(StateError::io("write", &path))
}

/// Opens the generation in use, a first one when there is none; others are orphans and are deleted.
pub(crate) fn open_current(options: &StateOptions) -> Result<StateDb, StateError> {
    let directory = &options.directory;
    fs::create_dir_all(directory).map_err(StateError::io("create", directory))?;
    let path = current_path(directory);
    let current = match sealed::read(&path).map_err(StateError::io("read", &path))? {
        Some(bytes) => codec::decode(&bytes)?,
        None => first_generation(directory)?,
    };
    delete_orphans(directory, current.generation)?;
    open(options, current)
}

fn first_generation(directory: &Path) -> Result<CurrentState, StateError> {
    let current = CurrentState { generation: 1, installed: None };
    write_current(directory, &current)?;
    Ok(current)
}

fn delete_orphans(directory: &Path, in_use: u64) -> Result<(), StateError> {
    for file in fs::read_dir(directory).map_err(StateError::io("list", directory))? {
        let path = file.map_err(StateError::io("list", directory))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let Some(number) = name.strip_prefix(GENERATION) else { continue };
        if number.parse() != Ok(in_use) {
            fs::remove_dir_all(&path).map_err(StateError::io("delete", &path))?;
        }
    }
    Ok(())
}

/// Opens a generation for reading and writing.
pub(crate) fn open(options: &StateOptions, current: CurrentState) -> Result<StateDb, StateError> {
    let path = generation_path(&options.directory, current.generation);
    let opened = DB::open(&rocks_options(options), &path);
    let rocks =
        opened.and_then(|rocks| read_all(&rocks, |_, _| ()).map(|()| rocks)).map_err(|error| StateError::Rocks {
            attempt: "open",
            path: path.clone(),
            reason: error.to_string(),
            is_damage: is_damage(&error),
        })?;
    let fatal = options.fatal.clone();
    Ok(StateDb { rocks: Some(rocks), path, current, fatal, doomed: AtomicBool::new(false) })
}

fn rocks_options(state: &StateOptions) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(&state.block_cache);
    blocks.set_bloom_filter(BLOOM_BITS_PER_KEY, false);
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_block_based_table_factory(&blocks);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    options.set_max_write_buffer_number(3);
    options.set_write_buffer_manager(&state.buffers);
    // Most look-ups are for requests that were never made: the buffer answers those without a search too.
    options.set_memtable_whole_key_filtering(true);
    options.set_memtable_prefix_bloom_ratio(BUFFER_BLOOM_RATIO);
    options.set_paranoid_checks(true);
    quiet_options(&mut options);
    options
}
