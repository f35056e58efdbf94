//! Small files that are written whole or not at all: a checksum in front, a temporary name, fsync, rename, fsync.
//!
//! Used for identity, `CURRENT_STATE` and the manifests of snapshots. A torn or flipped file is an error, never
//! half a value.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

const CHECKSUM_BYTES: usize = 16;

/// Writes `content` so that after a crash the file holds either the old or the new content.
pub(crate) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = File::create(&beside)?;
    file.write_all(&seal(content))?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    sync_parent(path)
}

/// Reads what `write` wrote; `None` when there is no such file.
pub(crate) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match open(&bytes) {
        Some(content) => Ok(Some(content.to_vec())),
        None => {
            let message = format!("{} fails its checksum", path.display());
            Err(io::Error::new(io::ErrorKind::InvalidData, message))
        }
    }
}

/// The content behind its checksum.
pub(crate) fn seal(content: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(CHECKSUM_BYTES + content.len());
    sealed.extend_from_slice(&blake3::hash(content).as_bytes()[..CHECKSUM_BYTES]);
    sealed.extend_from_slice(content);
    sealed
}

/// The content of sealed bytes when the checksum holds.
pub(crate) fn open(sealed: &[u8]) -> Option<&[u8]> {
    let (checksum, content) = sealed.split_at_checked(CHECKSUM_BYTES)?;
    (blake3::hash(content).as_bytes()[..CHECKSUM_BYTES] == *checksum).then_some(content)
}

/// Makes a rename or a new name in the directory of `path` durable.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) => sync_directory(parent),
        None => Ok(()),
    }
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flipped_bit_is_noticed() {
        let mut sealed = seal(b"content");
        assert_eq!(open(&sealed), Some(b"content".as_slice()));
        sealed[CHECKSUM_BYTES + 2] ^= 1;
        assert_eq!(open(&sealed), None);
        assert_eq!(open(&sealed[..3]), None);
    }
}
