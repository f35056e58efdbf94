//! Keys on disk: the `keys/` directory beside a data directory (R1), and reading them into memory.
//!
//! Directories are made with mode 0700 and files with 0600; a private key that others may read is refused. Files are
//! written under another name, synced and renamed, so that a crash leaves the old ones.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::authority::Issued;
use super::{IdentityError, PeerCertificate};

/// Where one identity's three files lie.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyFiles {
    /// The certificate (PEM).
    pub certificate: PathBuf,
    /// The private key (PEM, mode 0600).
    pub key: PathBuf,
    /// The CA certificates that are trusted (PEM; several while the CA is being rotated).
    pub ca: PathBuf,
}

impl KeyFiles {
    /// The standard names within `directory`: `<role>.crt`, `<role>.key`, `ca.crt`.
    pub fn within(directory: &Path, role: &str) -> Self {
        Self {
            certificate: directory.join(format!("{role}.crt")),
            key: directory.join(format!("{role}.key")),
            ca: directory.join("ca.crt"),
        }
    }

    /// The `keys` directory that belongs to a data directory: beside it, never in it (R1).
    pub fn directory_beside(data_dir: &Path) -> PathBuf {
        data_dir.parent().unwrap_or(Path::new(".")).join("keys")
    }

    pub(super) fn write(&self, issued: &Issued, ca_pem: &str) -> Result<(), IdentityError> {
        write_private(&self.ca, ca_pem)?;
        write_private(&self.certificate, &issued.certificate_pem)?;
        write_private(&self.key, &issued.key_pem)
    }
}

/// An identity in memory, ready for TLS. The private key is never printed.
pub struct Credentials {
    /// The certificate chain, own certificate first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The private key.
    pub key: PrivateKeyDer<'static>,
    /// Trusted CA certificates.
    pub ca: Vec<CertificateDer<'static>>,
    /// What the own certificate says.
    pub own: PeerCertificate,
}

impl Credentials {
    /// Reads the three files, and checks that key and certificate belong together.
    pub fn load(files: &KeyFiles) -> Result<Self, IdentityError> {
        refuse_readable_key(&files.key)?;
        let chain = certificates(&files.certificate)?;
        let ca = certificates(&files.ca)?;
        let pem = read(&files.key)?;
        let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|source| not_pem(&files.key, "private key", source))?;
        let own = PeerCertificate::parse(&chain[0])?;
        let signer = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).ok();
        let spki = signer.as_ref().and_then(|signer| signer.public_key());
        if spki.is_none_or(|spki| super::KeyId::of_spki(&spki) != own.key) {
            let (certificate, key) = (files.certificate.clone(), files.key.clone());
            return Err(IdentityError::KeyMismatch { certificate, key });
        }
        Ok(Self { chain, key, ca, own })
    }
}

impl Clone for Credentials {
    fn clone(&self) -> Self {
        Self { chain: self.chain.clone(), key: self.key.clone_key(), ca: self.ca.clone(), own: self.own.clone() }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("own", &self.own).finish_non_exhaustive()
    }
}

/// Makes `directory` and its parents with mode 0700; an existing one keeps its mode.
pub(super) fn private_directory(directory: &Path) -> Result<(), IdentityError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|source| file_error("create", directory, source))
}

/// Writes `text` durably to `path` with mode 0600.
pub(super) fn write_private(path: &Path, text: &str) -> Result<(), IdentityError> {
    let unfinished = path.with_extension("new");
    let written = write_synced(&unfinished, text).and_then(|()| fs::rename(&unfinished, path));
    let synced = written.and_then(|()| match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    });
    synced.map_err(|source| file_error("write", path, source))
}

fn write_synced(path: &Path, text: &str) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn refuse_readable_key(path: &Path) -> Result<(), IdentityError> {
    let metadata = fs::metadata(path).map_err(|source| file_error("read", path, source))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(IdentityError::KeyIsReadableByOthers { path: path.to_owned(), mode })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let pem = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let found = found.map_err(|source| not_pem(path, "certificate", source))?;
    if found.is_empty() {
        return Err(not_pem(path, "certificate", rustls::pki_types::pem::Error::NoItemsFound));
    }
    Ok(found)
}

fn read(path: &Path) -> Result<Vec<u8>, IdentityError> {
    fs::read(path).map_err(|source| file_error("read", path, source))
}

fn not_pem(path: &Path, what: &'static str, source: rustls::pki_types::pem::Error) -> IdentityError {
    IdentityError::NotPem { path: path.to_owned(), what, source }
}

pub(super) fn file_error(attempt: &'static str, path: &Path, source: io::Error) -> IdentityError {
    IdentityError::File { attempt, path: path.to_owned(), source }
}
