//! Reading and writing the files of control groups: one system call for each value, as the kernel wants it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes a value to a file that is there.
pub(super) fn write(path: &Path, value: &str) -> io::Result<()> {
    OpenOptions::new().write(true).truncate(true).open(path)?.write_all(value.as_bytes())
}

/// As [`write()`], where an older kernel, or one without the feature, may lack the file.
pub(super) fn write_where_there(path: &Path, value: &str) -> io::Result<()> {
    match write(path, value) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

/// Lets the children of a cgroup (version 2) have a controller.
pub(super) fn enable(directory: &Path, controller: &str) -> io::Result<()> {
    write(&directory.join("cgroup.subtree_control"), &format!("+{controller}"))
}

/// The only number of a file.
pub(super) fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The number that a line of a file has after this word.
pub(super) fn number_of(path: &Path, word: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| line.strip_prefix(word)?.strip_prefix(' ')?.trim().parse().ok())
}

/// The processes of one cgroup, not of those below it.
pub(super) fn processes(directory: &Path) -> Vec<u32> {
    let text = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|pid| pid.parse().ok()).collect()
}

/// The cgroups directly below one.
pub(super) fn children(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()).collect()
}

/// A cgroup and all below it, the deepest first: an attempt may have made some of its own.
pub(super) fn tree(directory: &Path) -> Vec<PathBuf> {
    let mut found = vec![directory.to_owned()];
    let mut looked = 0;
    while looked < found.len() {
        found.extend(children(&found[looked]));
        looked += 1;
    }
    found.reverse();
    found
}
