//! Groups of a node wherever an earlier process of it made them: in another cgroup, or under another configuration.
//!
//! They are known by their place, `quorla/<node>`, and no other node has that name.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use super::{QUORLA, files};

/// Cgroups of one hierarchy that are looked through at the most, the highest first: a start must not take as long as a
/// machine likes.
const LOOKED_THROUGH_MAX: usize = 16_384;

/// The node's directories below the roots of these hierarchies.
pub(super) fn find(roots: &[PathBuf], node: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = roots.iter().flat_map(|root| below(root, node)).collect();
    found.sort();
    found.dedup();
    found
}

fn below(root: &Path, node: &str) -> Vec<PathBuf> {
    let (mut found, mut waiting) = (Vec::new(), VecDeque::from([root.to_owned()]));
    for _ in 0..LOOKED_THROUGH_MAX {
        let Some(directory) = waiting.pop_front() else { return found };
        let own = directory.join(QUORLA).join(node);
        if own.is_dir() {
            found.push(own);
        }
        waiting.extend(files::children(&directory));
    }
    tracing::warn!(root = %root.display(), LOOKED_THROUGH_MAX, "cgroups are too many to look through for leftovers");
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_finds_its_own_groups_wherever_they_are_and_no_others() {
        let root = tempfile::tempdir().unwrap();
        let place = |path: &str| root.path().join(path);
        let mut own = ["quorla/n", "system.slice/quorla.service/quorla/n", "a/b/c/d/quorla/n"].map(place).to_vec();
        for directory in own.iter().chain(&["quorla/m/7", "a/quorla/m", "a/n", "x/quorla-node"].map(place)) {
            std::fs::create_dir_all(directory).unwrap();
        }
        own.sort();
        assert_eq!(find(&[root.path().to_owned()], "n"), own);
        assert_eq!(find(&[place("a"), place("nowhere")], "n"), [place("a/b/c/d/quorla/n")]);
    }
}
