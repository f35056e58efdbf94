//! An open data directory with its log database: what all groups of a node share.

use std::path::Path;
use std::sync::Arc;

use rocksdb::{Cache, WriteBufferManager};
use tokio::sync::watch;

use crate::directory::{DataDirectory, Identity};
use crate::error::StartError;
use crate::fatal::{Fatal, FatalSignal};
use crate::keys::GroupId;
use crate::log_store::{self, LogDatabase};
use crate::state_store::StateOptions;

/// Memtables of both databases together (R6).
const WRITE_BUFFERS_BYTES_MAX: usize = 64 << 20;
const BLOCK_CACHE_BYTES: usize = 8 << 20;

/// The open storage of a node.
pub struct Storage {
    directory: DataDirectory,
    identity: Identity,
    log: Arc<LogDatabase>,
    buffers: WriteBufferManager,
    block_cache: Cache,
    fatal: FatalSignal,
}

impl std::fmt::Debug for Storage {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Storage({})", self.directory.path().display())
    }
}

impl Storage {
    /// Opens log and mark of a directory that has an identity. Blocks.
    ///
    /// # Errors
    /// When it has no identity, is in use, can't be read, or proves a loss (R2).
    pub fn open(directory: DataDirectory) -> Result<Arc<Self>, StartError> {
        let path = directory.path().to_path_buf();
        let identity = directory.identity().ok_or_else(|| StartError::NoIdentity { path: path.clone() })?;
        let log_path = path.join("log");
        if directory.was_started() {
            require(&log_path.join("rocks").join("CURRENT"), &path)?;
            require(&path.join("state"), &path)?;
        }
        let fatal = FatalSignal::default();
        let buffers = WriteBufferManager::new_write_buffer_manager(WRITE_BUFFERS_BYTES_MAX, false);
        let log = LogDatabase::open(&log_path, &buffers, fatal.clone())?;
        let block_cache = Cache::new_lru_cache(BLOCK_CACHE_BYTES);
        Ok(Arc::new(Self { directory, identity, log, buffers, block_cache, fatal }))
    }

    /// Who this storage is.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// What ends this node, once something does.
    pub fn fatal(&self) -> watch::Receiver<Option<Fatal>> {
        self.fatal.subscribe()
    }

    pub(crate) fn fatal_signal(&self) -> &FatalSignal {
        &self.fatal
    }

    pub(crate) fn directory(&self) -> &DataDirectory {
        &self.directory
    }

    pub(crate) fn log(&self) -> &Arc<LogDatabase> {
        &self.log
    }

    pub(crate) fn state_options(&self, group: GroupId, defect: quorla_ledger::defect::Defect) -> StateOptions {
        StateOptions {
            directory: self.state_path(group),
            group,
            buffers: self.buffers.clone(),
            block_cache: self.block_cache.clone(),
            fatal: self.fatal.clone(),
            defect,
        }
    }

    /// Each group has its state in a directory of its own, because an install replaces a whole database.
    pub(crate) fn state_path(&self, group: GroupId) -> std::path::PathBuf {
        self.directory.path().join("state").join(group.0.to_string())
    }

    /// Writes the last mark and ends the log's writer; call it after every group has shut down. Blocks.
    pub fn close(&self) {
        self.log.close();
    }
}

fn require(path: &Path, directory: &Path) -> Result<(), StartError> {
    if path.exists() {
        return Ok(());
    }
    let reason = format!("{} is gone, which was there at the last start", path.display());
    Err(StartError::LogLost { path: directory.to_path_buf(), reason })
}

/// Compares a group's log with its state: a log behind what was applied is proven loss, unless an interrupted
/// install explains it; so is a state that ends before the log begins, because a purge waits for a durable state (R2).
pub(crate) fn check_group(
    storage: &Storage,
    log: &log_store::LogStore,
    state: &crate::state_store::StateStore,
) -> Result<(), StartError> {
    let last = log.last_log_id().map_err(StartError::io("read", storage.path()))?;
    let purged = log.purged().map_err(StartError::io("read", storage.path()))?;
    let applied = state.applied_log_id();
    let installed = state.installed_log_id();
    if applied < purged {
        let reason = format!("the state ends at {applied:?}, but the log begins after {purged:?}");
        return Err(StartError::LogLost { path: storage.path().to_path_buf(), reason });
    }
    if last >= applied || (applied.is_some() && applied == installed) {
        return Ok(());
    }
    let reason = format!("the log ends at {last:?}, but {applied:?} was applied");
    Err(StartError::LogLost { path: storage.path().to_path_buf(), reason })
}
