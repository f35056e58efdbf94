//! What a snapshot consists of: its place in the log, read back out of the finished checkpoint, and every file's hash (R3).

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use rocksdb::{DB, Options};
use serde::{Deserialize, Serialize};

use super::StateError;
use super::database::{self, Applied};
use crate::keys::GroupId;
use crate::log_store::{is_damage, read_all};
use crate::types::SnapshotMeta;
use crate::{codec, sealed};

/// The manifest's own name inside a snapshot.
pub(crate) const FILE_NAME: &str = "QUORLA_MANIFEST";
const VERSION: u8 = 1;

/// One file of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileEntry {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) hash: [u8; 32],
}

/// The list of files, and what they hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) version: u8,
    pub(crate) group: u16,
    pub(crate) meta: SnapshotMeta,
    pub(crate) files: Vec<FileEntry>,
}

impl Manifest {
    /// Reads a finished checkpoint and hashes its files.
    pub(crate) fn of_checkpoint(path: &Path, group: GroupId) -> Result<Self, StateError> {
        let applied = applied_in_checkpoint(path, group)?;
        let meta = SnapshotMeta { last_log_id: applied.log_id, last_membership: applied.membership };
        let mut files = Vec::new();
        for file in fs::read_dir(path).map_err(StateError::io("list", path))? {
            let file = file.map_err(StateError::io("list", path))?;
            let name = file.file_name().to_string_lossy().into_owned();
            // Opening it to read leaves a log of RocksDB's own behind.
            if name != FILE_NAME && !name.starts_with("LOG") && name != "LOCK" {
                files.push(hash_file(path, name)?);
            }
        }
        files.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Self { version: VERSION, group: group.0, meta, files })
    }

    pub(crate) fn write(&self, snapshot: &Path) -> Result<(), StateError> {
        let path = snapshot.join(FILE_NAME);
        sealed::write(&path, &codec::encode(self)?).map_err(StateError::io("write", &path))
    }

    pub(crate) fn read(snapshot: &Path) -> Result<Option<Self>, StateError> {
        let path = snapshot.join(FILE_NAME);
        let Some(bytes) = sealed::read(&path).map_err(StateError::io("read", &path))? else { return Ok(None) };
        let manifest: Self = codec::decode(&bytes)?;
        manifest.check(snapshot)?;
        Ok(Some(manifest))
    }

    /// Refuses what this version can't use, and names that would leave the directory.
    pub(crate) fn check(&self, snapshot: &Path) -> Result<(), StateError> {
        let refuse = |reason: String| StateError::Snapshot { path: snapshot.to_path_buf(), reason };
        if self.version != VERSION {
            return Err(refuse(format!("its manifest has version {}", self.version)));
        }
        let is_plain = |name: &str| !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0']);
        match self.files.iter().find(|file| !is_plain(&file.name)) {
            Some(file) => Err(refuse(format!("a file is called {:?}", file.name))),
            None => Ok(()),
        }
    }

    /// Reads every file again and compares: nothing missing, nothing shorter, no bit flipped.
    pub(crate) fn verify(&self, snapshot: &Path) -> Result<(), StateError> {
        for file in &self.files {
            let found = hash_file(snapshot, file.name.clone())?;
            if found != *file {
                let reason = format!("{} differs from its manifest", file.name);
                return Err(StateError::Snapshot { path: snapshot.to_path_buf(), reason });
            }
        }
        Ok(())
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

fn hash_file(directory: &Path, name: String) -> Result<FileEntry, StateError> {
    let path = directory.join(&name);
    let mut file = File::open(&path).map_err(StateError::io("open", &path))?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 256 << 10];
    let mut bytes = 0;
    loop {
        let read = file.read(&mut buffer).map_err(StateError::io("read", &path))?;
        if read == 0 {
            return Ok(FileEntry { name, bytes, hash: *hasher.finalize().as_bytes() });
        }
        hasher.update(&buffer[..read]);
        bytes += u64::try_from(read).expect("a length fits 64 bits");
    }
}

/// The place in the log that a checkpoint really has.
fn applied_in_checkpoint(path: &Path, group: GroupId) -> Result<Applied, StateError> {
    let failed = |reason: String, is_damage| StateError::Rocks {
        attempt: "read a checkpoint of",
        path: path.to_path_buf(),
        reason,
        is_damage,
    };
    let rocks_error = |error: rocksdb::Error| failed(error.to_string(), is_damage(&error));
    let mut options = Options::default();
    options.set_log_level(rocksdb::LogLevel::Fatal);
    let rocks = DB::open_for_read_only(&options, path, false).map_err(rocks_error)?;
    // A snapshot of a damaged state would carry the damage to others: its hashes would hold.
    read_all(&rocks, |_, _| ()).map_err(rocks_error)?;
    database::read_applied(&rocks, group).map_err(|reason| failed(reason, true))
}
