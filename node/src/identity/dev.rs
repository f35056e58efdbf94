//! Writes all identities of a development cluster at once: what `quorla dev` calls before it starts its nodes.
//!
//! The CA's key stays in the private `authority` directory of the cluster's root; nodes and clients get only its
//! certificate. `cluster init` does the same for one node.

use std::path::{Path, PathBuf};

use super::files::{private_directory, write_private};
use super::{Authority, ClusterId, IdentityError, KeyFiles, KeyId, Role};

/// The identities of a new cluster, on disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DevCluster {
    /// The new cluster's id, also in `authority/cluster-id`.
    pub cluster: ClusterId,
    /// The CA's certificate (PEM).
    pub ca_pem: String,
    /// One per node, in the order asked for.
    pub nodes: Vec<DevMember>,
    /// One per client, in the order asked for.
    pub clients: Vec<DevMember>,
}

/// One identity of a [`DevCluster`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DevMember {
    /// Its name.
    pub name: String,
    /// Its directory: `<root>/<name>`; the keys are in `keys/` within, a data directory goes beside that.
    pub directory: PathBuf,
    /// Its files.
    pub files: KeyFiles,
    /// Its identity.
    pub key: KeyId,
}

/// Creates a cluster id, a CA, and a certificate for each node and client, all below `root`, valid from `now_ms`.
pub fn write_dev_cluster(
    root: &Path,
    nodes: &[&str],
    clients: &[&str],
    now_ms: u64,
) -> Result<DevCluster, IdentityError> {
    let cluster = ClusterId::random();
    let authority = Authority::generate(cluster, now_ms)?;
    write_authority(&root.join("authority"), cluster, &authority)?;
    let member = |role, name: &&str| write_member(root, &authority, role, name, now_ms);
    Ok(DevCluster {
        cluster,
        ca_pem: authority.certificate_pem().to_owned(),
        nodes: nodes.iter().map(|name| member(Role::Node, name)).collect::<Result<_, _>>()?,
        clients: clients.iter().map(|name| member(Role::Client, name)).collect::<Result<_, _>>()?,
    })
}

fn write_authority(directory: &Path, cluster: ClusterId, authority: &Authority) -> Result<(), IdentityError> {
    private_directory(directory)?;
    write_private(&directory.join("ca.key"), authority.key_pem())?;
    write_private(&directory.join("ca.crt"), authority.certificate_pem())?;
    write_private(&directory.join("cluster-id"), &format!("{cluster}\n"))
}

fn write_member(
    root: &Path,
    authority: &Authority,
    role: Role,
    name: &str,
    now_ms: u64,
) -> Result<DevMember, IdentityError> {
    let issued = authority.issue(role, name, now_ms)?;
    let directory = root.join(name);
    let keys = directory.join("keys");
    private_directory(&keys)?;
    let files = KeyFiles::within(&keys, role.as_str());
    files.write(&issued, authority.certificate_pem())?;
    Ok(DevMember { name: name.to_owned(), directory, files, key: issued.key })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::super::files::private_directory;
    use super::super::{Authority, Credentials, IdentityError, KeyFiles, Role};
    use super::{DevCluster, write_dev_cluster};
    use crate::clock::SystemClock;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn cluster(root: &Path) -> DevCluster {
        write_dev_cluster(root, &["n1", "n2"], &["me"], SystemClock.wall_ms()).unwrap()
    }

    #[test]
    fn identities_load_again_with_their_roles() {
        let root = tempfile::tempdir().unwrap();
        let cluster = cluster(root.path());
        for (member, role) in [(&cluster.nodes[1], Role::Node), (&cluster.clients[0], Role::Client)] {
            let loaded = Credentials::load(&member.files).unwrap();
            assert_eq!((loaded.own.key, loaded.own.role), (member.key, role));
            assert_eq!(loaded.own.cluster, cluster.cluster);
        }
    }

    #[test]
    fn keys_are_private() {
        let root = tempfile::tempdir().unwrap();
        let member = &cluster(root.path()).nodes[0];
        assert_eq!(mode(&member.directory.join("keys")), 0o700);
        assert_eq!(mode(&member.files.key), 0o600);
        assert_eq!(mode(&root.path().join("authority/ca.key")), 0o600);
    }

    #[test]
    fn key_that_others_may_read_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let member = &cluster(root.path()).nodes[0];
        fs::set_permissions(&member.files.key, fs::Permissions::from_mode(0o640)).unwrap();
        let refused = Credentials::load(&member.files);
        assert!(matches!(refused, Err(IdentityError::KeyIsReadableByOthers { mode: 0o640, .. })));
    }

    #[test]
    fn certificate_of_another_key_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let cluster = cluster(root.path());
        let mut files = cluster.nodes[0].files.clone();
        files.certificate = cluster.nodes[1].files.certificate.clone();
        assert!(matches!(Credentials::load(&files), Err(IdentityError::KeyMismatch { .. })));
    }

    #[test]
    fn kept_authority_issues_certificates_again() {
        let root = tempfile::tempdir().unwrap();
        let cluster = cluster(root.path());
        let key = fs::read_to_string(root.path().join("authority/ca.key")).unwrap();
        let kept = Authority::load(cluster.cluster, cluster.ca_pem.clone(), &key).unwrap();
        let issued = kept.issue(Role::Node, "n3", SystemClock.wall_ms()).unwrap();
        let keys = root.path().join("n3");
        private_directory(&keys).unwrap();
        let files = KeyFiles::within(&keys, "node");
        files.write(&issued, kept.certificate_pem()).unwrap();
        assert_eq!(Credentials::load(&files).unwrap().own.key, issued.key);
    }
}
