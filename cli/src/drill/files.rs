//! Real files of this machine, and their digests computed without the cluster.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::exit::Exit;
use crate::fault::Fault;

/// Where files lie that do not change while a drill runs.
const PLACES: &[&str] =
    &["/usr/bin", "/usr/lib", "/usr/share", "/usr/include", "/usr/sbin", "/usr/libexec", "/etc", "/opt"];
const FILE_BYTES_MAX: u64 = 8 * 1024 * 1024;
const DIRECTORIES_MAX: usize = 200_000;
const BUFFER_BYTES: usize = 64 * 1024;

/// A file and its digest in hexadecimal.
#[derive(Clone, Debug)]
pub(super) struct Hashed {
    pub(super) path: String,
    pub(super) digest: String,
}

/// That many files, those found first.
pub(super) fn choose(count: usize) -> Result<Vec<Hashed>, Fault> {
    let mut chosen = Vec::with_capacity(count);
    let mut directories: Vec<PathBuf> = PLACES.iter().rev().map(PathBuf::from).collect();
    let mut looked_into = 0;
    while let Some(directory) = directories.pop() {
        looked_into += 1;
        if chosen.len() >= count || looked_into > DIRECTORIES_MAX {
            break;
        }
        look_into(&directory, count, &mut chosen, &mut directories);
    }
    if chosen.len() < count {
        let message = format!("find {count} files to hash: there are only {} that can be read", chosen.len());
        return Err(Fault::new(Exit::OTHER, "too_few_files", message).hint("Ask for fewer with --files."));
    }
    Ok(chosen)
}

/// Directories that can't be read hold no files for us.
fn look_into(directory: &Path, count: usize, chosen: &mut Vec<Hashed>, directories: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    let mut entries: Vec<_> = entries.filter_map(Result::ok).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        if kind.is_dir() {
            directories.push(entry.path());
        } else if kind.is_file() && chosen.len() < count {
            chosen.extend(hash(&entry.path()));
        }
    }
}

fn hash(path: &Path) -> Option<Hashed> {
    // `sha256sum` marks names with these characters in its output.
    let text = path.to_str().filter(|text| !text.contains(['\\', '\n', '\r']))?;
    let length = fs::metadata(path).ok()?.len();
    if length == 0 || length > FILE_BYTES_MAX {
        return None;
    }
    Some(Hashed { path: text.to_owned(), digest: digest(path).ok()? })
}

fn digest(path: &Path) -> std::io::Result<String> {
    let mut file = fs::File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            read => hasher.update(&buffer[..read]),
        }
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::hash;

    #[test]
    fn a_digest_is_the_one_that_sha256sum_prints() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("abc");
        fs::write(&path, "abc").unwrap();
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash(&path).unwrap().digest, expected);
    }

    #[test]
    fn empty_files_are_not_chosen() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("empty"), "").unwrap();
        assert!(hash(&directory.path().join("empty")).is_none());
    }
}
