//! The file systems that a node's data lies on, usually one. Blocks: a network's file system may take its time.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::level::Space;

/// A part of the data, by which its file system is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The data directory itself.
    Data,
    /// The log.
    Log,
    /// State and snapshots.
    State,
    /// What jobs print.
    Output,
}

/// One file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSystem {
    /// The first part that lies on it.
    pub part: Part,
    /// Its room.
    pub space: Space,
}

impl Part {
    const ALL: [Self; 4] = [Self::Data, Self::Log, Self::State, Self::Output];

    /// Its name in metrics and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Log => "log",
            Self::State => "state",
            Self::Output => "output",
        }
    }

    fn path(self, data_dir: &Path) -> PathBuf {
        match self {
            Self::Data => data_dir.to_path_buf(),
            part => data_dir.join(part.name()),
        }
    }
}

/// Each file system once. What is not there yet, or can't be looked at, is left out.
pub(super) fn file_systems(data_dir: &Path) -> Vec<FileSystem> {
    let (mut devices, mut found) = (Vec::new(), Vec::new());
    for part in Part::ALL {
        match look(&part.path(data_dir)) {
            Ok((device, _)) if devices.contains(&device) => {}
            Ok((device, space)) => {
                devices.push(device);
                found.push(FileSystem { part, space });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(part = part.name(), %error, "how much room there is can't be seen"),
        }
    }
    found
}

fn look(path: &Path) -> io::Result<(u64, Space)> {
    let (device, space) = (rustix::fs::stat(path)?.st_dev, rustix::fs::statvfs(path)?);
    let bytes = |blocks: u64| blocks.saturating_mul(space.f_frsize);
    Ok((device, Space { free: bytes(space.f_bavail), total: bytes(space.f_blocks) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_is_counted_once_and_what_is_missing_not_at_all() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("log")).unwrap();
        let [FileSystem { part: Part::Data, space }] = file_systems(directory.path())[..] else { panic!("one") };
        assert!(space.free <= space.total && space.total > 0, "{space:?}");
        assert_eq!(file_systems(&directory.path().join("none")), []);
    }
}
