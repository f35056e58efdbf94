//! What a node left on its disk: storages that it set aside, and what it said in its log.

use std::fs;
use std::path::{Path, PathBuf};

/// Directories that were set aside beside this data directory.
///
/// # Panics
/// When it has no parent.
#[must_use]
pub fn set_aside(data_dir: &Path) -> Vec<PathBuf> {
    let name = data_dir.file_name().expect("a data directory has a name").to_string_lossy();
    let prefix = format!("{name}.refused-");
    let beside =
        fs::read_dir(data_dir.parent().expect("a data directory has a parent")).into_iter().flatten().flatten();
    let set_aside = beside.filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix));
    set_aside.map(|entry| entry.path()).collect()
}

/// How many lines of a log have these words; none when there is no log yet.
#[must_use]
pub fn lines_with(log: &Path, words: &str) -> usize {
    let text = fs::read_to_string(log).unwrap_or_default();
    text.lines().filter(|line| line.contains(words)).count()
}
