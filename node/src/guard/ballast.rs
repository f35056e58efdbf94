//! A file of nothing in the data directory, freed when the disk is all but full, so that deletion can still be written (R22).
//!
//! Made when there is room, and again once there is. It is allocated, never written, and at most a hundredth of its file system; where
//! the file system can't promise room, there is none.

use std::{
    fs::{self, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use super::level::{Space, Thresholds};

const NAME: &str = "ballast";
/// Its share of the file system at the most, as a divisor.
const SHARE: u64 = 100;

/// Frees it when less than its own size is left, or makes it where it is missing and there is room. Blocks.
pub(super) fn keep(data_dir: &Path, configured_bytes: u64, space: Space, thresholds: &Thresholds) {
    let (path, bytes) = (path(data_dir), configured_bytes.min(space.total / SHARE));
    let kept = fs::metadata(&path).map(|about| about.len()).ok();
    match kept {
        // Left by a node that ended before it had given the file its size.
        Some(0) => remove(data_dir),
        Some(kept) if space.free < kept || bytes == 0 => {
            tracing::warn!(bytes = kept, free = space.free, "the ballast is freed");
            remove(data_dir);
        }
        None if bytes > 0 && thresholds.has_room_for(bytes, space) => {
            if let Err(error) = make(&path, bytes) {
                tracing::debug!(%error, "the file system keeps no room for the ballast");
                remove(data_dir);
            }
        }
        _ => {}
    }
}

/// Removes it, where there is one.
pub fn remove(data_dir: &Path) {
    if let Err(error) = fs::remove_file(path(data_dir))
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, "the ballast can't be freed");
    }
}

fn path(data_dir: &Path) -> PathBuf {
    data_dir.join(NAME)
}

fn make(path: &Path, bytes: u64) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).open(path)?;
    Ok(rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes)?)
}

#[cfg(test)]
mod tests {
    use super::super::level::Threshold;
    use super::*;

    const RULE: Thresholds = Thresholds {
        low: Threshold { percent: 10, bytes: 1 << 30 },
        critical: Threshold { percent: 5, bytes: 1 << 29 },
    };
    const MIB: u64 = 1 << 20;

    fn kept(directory: &Path, free_mib: u64) -> Option<u64> {
        keep(directory, 2 * MIB, Space { free: free_mib * MIB, total: 1_000 * MIB }, &RULE);
        fs::metadata(path(directory)).map(|about| about.len()).ok()
    }

    #[test]
    fn the_ballast_goes_last_and_comes_back_with_room() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(kept(directory.path(), 110), None, "a new disk that is low");
        assert_eq!(kept(directory.path(), 500), Some(2 * MIB));
        for low_mib in [99, 49, 2] {
            assert_eq!(kept(directory.path(), low_mib), Some(2 * MIB), "{low_mib} MiB left");
        }
        assert_eq!(kept(directory.path(), 1), None);
        assert_eq!(kept(directory.path(), 3), None, "what it freed is not taken again");
        assert_eq!(kept(directory.path(), 500), Some(2 * MIB));
    }

    #[test]
    fn a_small_disk_has_a_small_ballast_or_none() {
        let directory = tempfile::tempdir().unwrap();
        keep(directory.path(), 64 * MIB, Space { free: 100 * MIB, total: 100 * MIB }, &RULE);
        assert_eq!(fs::metadata(path(directory.path())).unwrap().len(), MIB);
        keep(directory.path(), 0, Space { free: 100 * MIB, total: 100 * MIB }, &RULE);
        assert!(!path(directory.path()).exists(), "none is configured any more");
    }
}
