//! What can go wrong with keys and certificates, each with the file or the field it is about.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why an identity could not be made, written, read or trusted.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// A file or directory could not be read or written.
    #[error("{attempt} {path}: {source}")]
    File {
        /// What was being done, as a verb: "read", "write".
        attempt: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why the system refused.
        source: io::Error,
    },
    /// A private key that other users may read is as good as published.
    #[error("the private key {path} may be read by other users (mode {mode:o}): chmod 600 {path}")]
    KeyIsReadableByOthers {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file holds no PEM item of the kind looked for.
    #[error("{path} does not hold a PEM {what}: {source}")]
    NotPem {
        /// The file.
        path: PathBuf,
        /// What was looked for: "certificate", "private key".
        what: &'static str,
        /// What the PEM reader found.
        source: rustls::pki_types::pem::Error,
    },
    /// The certificate's public key is not the one of the private key beside it.
    #[error("the certificate {certificate} does not belong to the private key {key}")]
    KeyMismatch {
        /// The certificate file.
        certificate: PathBuf,
        /// The key file.
        key: PathBuf,
    },
    /// rcgen could not make or sign a key or certificate.
    #[error("make a key or certificate: {0}")]
    Issue(#[from] rcgen::Error),
    /// The bytes are no X.509 certificate.
    #[error("the certificate is malformed")]
    MalformedCertificate,
    /// The certificate lacks the one `quorla://cluster/role/name` URI.
    #[error("the certificate carries no role: it needs one URI of the form quorla://<cluster>/<node|client>/<name>")]
    NoRole,
    /// A name that does not fit into a certificate's URI.
    #[error("the name {name:?} is not usable: 1 to 63 letters, digits, '-', '_' or '.'")]
    UnusableName {
        /// The name.
        name: String,
    },
}
