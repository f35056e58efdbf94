//! Reads the files of the tree. Knows folders, not rules.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders that are nobody's source.
const SKIPPED: &[&str] = &["target", ".git", ".tools", "node_modules", "__pycache__"];

/// Extensions (or whole names) of the files that people write.
const TEXT: &[&str] =
    &["rs", "toml", "md", "sh", "py", "yml", "yaml", "json", "service", "run", "Makefile", "Dockerfile"];

/// All Rust files: path relative to the root, and text.
pub(super) fn rust_files() -> Vec<(String, String)> {
    text_files().into_iter().filter(|(path, _)| path.ends_with(".rs")).collect()
}

/// All files that people write.
pub(super) fn text_files() -> Vec<(String, String)> {
    let root = root();
    let mut paths = Vec::new();
    walk(&root, &mut paths);
    paths.sort();
    paths.iter().map(|path| (relative(&root, path), read_at(path))).collect()
}

/// One file by its path from the root.
pub(super) fn read(path: &str) -> String {
    read_at(&root().join(path))
}

/// The folder of the workspace.
pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace").to_owned()
}

fn read_at(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
}

fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).expect("the walk began at the root").to_string_lossy().into_owned()
}

fn walk(folder: &Path, paths: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("list {}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("a folder that can be listed can be read").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_symlink() || SKIPPED.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            walk(&path, paths);
        } else if is_text(&name) {
            paths.push(path);
        }
    }
}

fn is_text(name: &str) -> bool {
    TEXT.contains(&name.rsplit('.').next().unwrap_or(name))
}

#[test]
fn files_that_people_write_are_told_from_others() {
    for name in ["lib.rs", "Makefile", "run", "cluster.toml", "node.service"] {
        assert!(is_text(name), "{name}");
    }
    for name in ["Cargo.lock", "state.sst", "LICENSE"] {
        assert!(!is_text(name), "{name}");
    }
}
