//! Keys and certificates of a local cluster: made once, found again in a directory that is used again.

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
    /// Whether they were made just now, so that the cluster has to be founded.
    pub(super) are_new: bool,
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
        let are_new = !root.join("authority").exists();
        if are_new {
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
        Ok(Self { nodes, client: KeyFiles::within(&root.join(CLIENT).join("keys"), "client"), are_new })
    }

    pub(super) fn credentials(&self) -> Credentials {
        Credentials {
            ca: Pem::File(self.client.ca.clone()),
            cert: Pem::File(self.client.certificate.clone()),
            key: Pem::File(self.client.key.clone()),
        }
    }
}
