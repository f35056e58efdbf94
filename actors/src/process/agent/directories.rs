//! Fresh working directories: where they are, and getting rid of what attempts left in them.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::ProcessError;

const PREFIX: &str = "attempt-";

/// Everybody may pass through to the directory of an attempt, which is closed to all but its user; nobody may look.
const MODE: u32 = 0o711;

/// Makes the base directory (mode 0711) when it is missing, and removes what attempts of an earlier node left.
pub(super) fn prepare(base: &Path) -> Result<PathBuf, ProcessError> {
    let failed = |source| ProcessError::PrepareDirectories { path: base.to_path_buf(), source };
    let base = std::path::absolute(base).map_err(failed)?;
    DirBuilder::new().recursive(true).mode(MODE).create(&base).map_err(failed)?;
    fs::set_permissions(&base, Permissions::from_mode(MODE)).map_err(failed)?;
    for entry in fs::read_dir(&base).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            remove(&entry.path());
        }
    }
    Ok(base)
}

pub(super) fn of_attempt(base: &Path, fence: u64) -> PathBuf {
    base.join(format!("{PREFIX}{fence}"))
}

/// Removes a directory with all that is in it. Links are not followed. A failure costs disk, not correctness.
pub(super) fn remove(path: &Path) {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "remove a working directory");
        }
        _ => {}
    }
}
