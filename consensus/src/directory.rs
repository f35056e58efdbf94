//! The data directory: its format version, its lock, and the identity of the storage in it (R1, R28).
//!
//! `format` and `identity` lie beside `log/` and `state/`; `LOCK` is held as long as the directory is open.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use quorla_ledger::ids::{ClusterId, RaftId, StorageId};
use serde::{Deserialize, Serialize};

use crate::error::StartError;
use crate::{codec, sealed};

/// The format that this version writes, and the newest one that it reads. Raised with every change to what is stored, also
/// while nothing is released: what an older build wrote is then refused by name and not misread.
pub const FORMAT_VERSION: u32 = 3;
/// The oldest format that this version reads.
pub const FORMAT_VERSION_MIN: u32 = 3;

/// The Raft id of the founding storage, by definition.
pub const FOUNDING_RAFT_ID: RaftId = RaftId(1);

/// Who this storage is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The cluster that it belongs to.
    pub cluster: ClusterId,
    /// Drawn when the directory was created.
    pub storage: StorageId,
    /// The storage incarnation: the log index of its admission, 1 for the founding one.
    pub raft_id: RaftId,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Stored {
    V1 { identity: Identity, started: bool },
}

/// An open and locked data directory.
pub struct DataDirectory {
    path: PathBuf,
    stored: Mutex<Option<(Identity, bool)>>,
    _lock: File,
}

impl std::fmt::Debug for DataDirectory {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "DataDirectory({})", self.path.display())
    }
}

impl DataDirectory {
    /// Opens or creates the directory, checks its format, and locks it against another process.
    ///
    /// # Errors
    /// When it can't be made or read, another process has it, or a newer version wrote it.
    pub fn open(path: &Path) -> Result<Self, StartError> {
        fs::create_dir_all(path).map_err(StartError::io("create", path))?;
        let lock = lock(path)?;
        check_format(path)?;
        let identity_path = path.join("identity");
        let stored = match sealed::read(&identity_path) {
            Ok(None) => None,
            Ok(Some(bytes)) => {
                let decoded = codec::decode(&bytes);
                let damaged =
                    |_| StartError::Damaged { path: identity_path.clone(), reason: "it can't be read".to_owned() };
                let Stored::V1 { identity, started } = decoded.map_err(damaged)?;
                Some((identity, started))
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(StartError::Damaged { path: identity_path, reason: error.to_string() });
            }
            Err(error) => return Err(StartError::io("read", &identity_path)(error)),
        };
        Ok(Self { path: path.to_path_buf(), stored: Mutex::new(stored), _lock: lock })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The recorded identity; none in a directory that is a new incarnation.
    pub fn identity(&self) -> Option<Identity> {
        self.stored().map(|(identity, _)| identity)
    }

    /// Records the identity, once: as the founder, or as the ledger admitted it.
    ///
    /// # Errors
    /// When it has another identity, or can't be written.
    pub fn adopt(&self, identity: Identity) -> Result<(), StartError> {
        if let Some(known) = self.identity().filter(|known| *known != identity) {
            return Err(StartError::OtherIdentity { path: self.path.clone(), found: known });
        }
        self.record(identity, self.was_started())
    }

    /// Refuses a directory of another cluster.
    ///
    /// # Errors
    /// When it belongs to another one.
    pub fn check_cluster(&self, expected: ClusterId) -> Result<(), StartError> {
        match self.identity() {
            Some(identity) if identity.cluster != expected => {
                Err(StartError::OtherCluster { path: self.path.clone(), found: identity.cluster, expected })
            }
            _ => Ok(()),
        }
    }

    /// Whether log and state existed here once: then they may not be missing any more.
    pub(crate) fn was_started(&self) -> bool {
        self.stored().is_some_and(|(_, started)| started)
    }

    pub(crate) fn note_started(&self) -> Result<(), StartError> {
        match self.stored() {
            Some((identity, false)) => self.record(identity, true),
            _ => Ok(()),
        }
    }

    fn record(&self, identity: Identity, started: bool) -> Result<(), StartError> {
        let path = self.path.join("identity");
        let bytes = codec::encode(&Stored::V1 { identity, started });
        let bytes = bytes.map_err(|error| StartError::io("write", &path)(error.into()))?;
        sealed::write(&path, &bytes).map_err(StartError::io("write", &path))?;
        *self.guard() = Some((identity, started));
        Ok(())
    }

    fn stored(&self) -> Option<(Identity, bool)> {
        *self.guard()
    }

    fn guard(&self) -> MutexGuard<'_, Option<(Identity, bool)>> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lock(path: &Path) -> Result<File, StartError> {
    let lock_path = path.join("LOCK");
    let file = File::create(&lock_path).map_err(StartError::io("create", &lock_path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StartError::Locked { path: path.to_path_buf() }),
        Err(TryLockError::Error(error)) => Err(StartError::io("lock", &lock_path)(error)),
    }
}

fn check_format(path: &Path) -> Result<(), StartError> {
    let format_path = path.join("format");
    let text = match fs::read_to_string(&format_path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return write_format(&format_path),
        Err(error) => return Err(StartError::io("read", &format_path)(error)),
    };
    let version = text.trim().strip_prefix("quorla-data ").and_then(|version| version.parse::<u32>().ok());
    match version {
        Some(found) if found > FORMAT_VERSION => {
            Err(StartError::NewerFormat { path: path.to_path_buf(), found, known: FORMAT_VERSION })
        }
        Some(found) if found < FORMAT_VERSION_MIN => {
            Err(StartError::OlderFormat { path: path.to_path_buf(), found, oldest: FORMAT_VERSION_MIN })
        }
        Some(_) => Ok(()),
        None => Err(StartError::Damaged { path: format_path, reason: format!("it says {:?}", text.trim()) }),
    }
}

fn write_format(path: &Path) -> Result<(), StartError> {
    let written = fs::write(path, format!("quorla-data {FORMAT_VERSION}\n"))
        .and_then(|()| File::open(path)?.sync_all())
        .and_then(|()| sealed::sync_parent(path));
    written.map_err(StartError::io("write", path))
}

/// Moves a refused directory out of the way and keeps it: `<dir>.refused-<time>`. It must not be open.
///
/// # Errors
/// When it can't be renamed.
pub fn set_aside(path: &Path, now_ms: u64) -> Result<PathBuf, StartError> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".refused-{now_ms}"));
    let aside = PathBuf::from(name);
    fs::rename(path, &aside).map_err(StartError::io("set aside", path))?;
    sealed::sync_parent(path).map_err(StartError::io("sync", path))?;
    Ok(aside)
}
