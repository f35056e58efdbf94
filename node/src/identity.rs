//! Who a node or a client is: keys, certificates, and the role that a certificate carries.
//!
//! Identity is a key, never a name or an address (R1): a [`KeyId`] is the SHA-256 of the public key. The role, the
//! cluster and a name for people stand in one URI of the certificate, `quorla://<cluster>/<role>/<name>`, signed by the
//! cluster's CA. This module knows nothing of connections; `endpoint` decides what a role may open.

mod authority;
mod certificate;
mod dev;
mod error;
mod files;

use std::fmt;

use sha2::{Digest, Sha256};

pub use authority::{Authority, CA_LIFE_DAYS, CERTIFICATE_LIFE_DAYS};
pub use certificate::PeerCertificate;
pub use dev::{DevCluster, write_dev_cluster};
pub use error::IdentityError;
pub use files::{Credentials, KeyFiles};

/// SHA-256 of a public key in its SubjectPublicKeyInfo form: the identity of a node (R1) or of a client.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 32]);

impl KeyId {
    /// The id of the public key with this SubjectPublicKeyInfo (DER).
    pub fn of_spki(spki: &[u8]) -> Self {
        Self(Sha256::digest(spki).into())
    }

    /// Reads the 64 hexadecimal digits that `Display` writes.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0u8; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).ok()?;
            *byte = u8::from_str_radix(pair, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..6].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// SHA-256 of a whole certificate (DER), in hexadecimal: what a joiner pins and a person compares.
pub fn fingerprint(certificate: &[u8]) -> String {
    KeyId(Sha256::digest(certificate).into()).to_string()
}

/// The id of a cluster, drawn once at random when it is created (R25); 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ClusterId(pub u128);

impl ClusterId {
    /// A new id. Only the creation of a cluster may call this.
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// Reads the 32 hexadecimal digits that `Display` writes.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 32 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        u128::from_str_radix(text, 16).ok().map(Self)
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// What the holder of a certificate may be: it decides which plane it may open.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Role {
    /// A member of the cluster: the node plane.
    Node,
    /// A user's program or the command line: the client plane.
    Client,
}

impl Role {
    /// The word in the certificate's URI.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Client => "client",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        match text {
            "node" => Some(Self::Node),
            "client" => Some(Self::Client),
            _ => None,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::{ClusterId, KeyId};

    #[test]
    fn key_id_reads_back_what_it_writes() {
        let key = KeyId::of_spki(b"a public key");
        assert_eq!(KeyId::parse(&key.to_string()), Some(key));
    }

    #[test]
    fn malformed_key_ids_are_refused() {
        let nearly = "0".repeat(63);
        for text in ["", "00", nearly.as_str(), &format!("{nearly}g"), &format!("{nearly}é")] {
            assert_eq!(KeyId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn cluster_id_reads_back_what_it_writes() {
        let cluster = ClusterId(7);
        assert_eq!(ClusterId::parse(&cluster.to_string()), Some(cluster));
        assert_eq!(ClusterId::parse("+0000000000000000000000000000007"), None);
    }
}
