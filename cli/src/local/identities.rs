//! Keys and certificates of a local cluster: made once, found again in a directory that is used again.
//!
//! Whether a cluster was founded there shows in the nodes' data, never in the keys: until then an interrupted start left
//! nothing that anybody relies on, and all of it is made anew.

use std::path::{Path, PathBuf};

use quorla_client::clock::wall_ms;
use quorla_client::{Credentials, Pem};
use quorla_node::identity::{KeyFiles, write_dev_cluster};

use crate::fault::Fault;

const CLIENT: &str = "dev-client";

/// Who is who in a local cluster.
#[derive(Clone, Debug)]
pub(super) struct Identities {
    pub(super) nodes: Vec<Member>,
    pub(super) client: KeyFiles,
    /// Whether the cluster has still to be founded: no node has a storage.
    pub(super) to_be_founded: bool,
}

/// A node's name and directory.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) directory: PathBuf,
    pub(super) files: KeyFiles,
}

impl Identities {
    pub(super) fn make_or_find(root: &Path, count: usize) -> Result<Self, Fault> {
        let names: Vec<String> = (1..=count).map(|number| format!("n{number}")).collect();
        let to_be_founded = !was_founded(root)?;
        if to_be_founded {
            let nodes: Vec<&str> = names.iter().map(String::as_str).collect();
            write_dev_cluster(root, &nodes, &[CLIENT], wall_ms())
                .map_err(|error| Fault::other("make the cluster's certificates", error))?;
        }
        let member = |name: String| {
            let directory = root.join(&name);
            let files = KeyFiles::within(&directory.join("keys"), "node");
            Member { name, directory, files }
        };
        let nodes: Vec<Member> = names.into_iter().map(member).collect();
        if let Some(missing) = nodes.iter().find(|node| !node.files.key.exists()) {
            let message = format!("start the cluster in {}: it has no node {}", root.display(), missing.name);
            return Err(Fault::usage(message).hint("Start it with as many nodes as before, or elsewhere."));
        }
        Ok(Self { nodes, client: KeyFiles::within(&root.join(CLIENT).join("keys"), "client"), to_be_founded })
    }

    pub(super) fn credentials(&self) -> Credentials {
        Credentials {
            ca: Pem::File(self.client.ca.clone()),
            cert: Pem::File(self.client.certificate.clone()),
            key: Pem::File(self.client.key.clone()),
        }
    }
}

/// Whether any node of the directory, in use now or not, has a storage or one that was set aside.
fn was_founded(root: &Path) -> Result<bool, Fault> {
    let entries = |path: &Path| std::fs::read_dir(path).map(|entries| entries.flatten().map(|entry| entry.path()));
    let members =
        entries(root).map_err(|error| Fault::other(format!("look for a cluster in {}", root.display()), error))?;
    // What can't be read is no node of this user.
    let mut storages = members.filter_map(|member| entries(&member).ok()).flatten();
    Ok(storages.any(|storage| storage.join("identity").exists()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::Identities;

    #[test]
    fn an_interrupted_first_start_is_begun_anew() {
        let root = tempfile::tempdir().unwrap();
        // As a process leaves it that was killed between the authority and the second node.
        fs::create_dir_all(root.path().join("authority")).unwrap();
        fs::create_dir_all(root.path().join("n1/keys")).unwrap();
        let made = Identities::make_or_find(root.path(), 3).unwrap();
        assert!(made.to_be_founded);
        // As one that was killed before the first node had its storage.
        fs::create_dir_all(root.path().join("n1/data")).unwrap();
        assert!(Identities::make_or_find(root.path(), 3).unwrap().to_be_founded);
    }

    #[test]
    fn a_cluster_that_was_founded_is_never_founded_again() {
        for storage in ["n1/data", "n3/data", "n1/data.refused-1"] {
            let root = tempfile::tempdir().unwrap();
            let made = Identities::make_or_find(root.path(), 3).unwrap();
            let certificate = fs::read(&made.nodes[0].files.certificate).unwrap();
            fs::create_dir_all(root.path().join(storage)).unwrap();
            fs::write(root.path().join(storage).join("identity"), "x").unwrap();
            let found = Identities::make_or_find(root.path(), 3).unwrap();
            assert!(!found.to_be_founded, "{storage}");
            assert_eq!(fs::read(&found.nodes[0].files.certificate).unwrap(), certificate, "{storage}");
            assert!(Identities::make_or_find(root.path(), 4).is_err(), "it has no fourth node");
        }
    }
}
