//! The TLS side of a client: who it is, whom it trusts, and the QUIC parameters that decide how soon a dead server shows.
//!
//! A server is verified against the cluster's CA under one fixed name: identity is a key, never an address.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::QuicClientConfig;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::error::SetupError;

/// ALPN of the client plane.
pub const ALPN: &[u8] = b"quorla-client/1";
/// The name that every node's certificate carries.
pub const SERVER_NAME: &str = "quorla-node";
/// A server closes a connection with this code when the certificate's role may not open the client plane.
pub const CLOSED_FOR_ROLE: u32 = 2;
/// A server closes a connection with this code when the certificate is of another cluster or carries no role.
pub const CLOSED_FOR_CLUSTER: u32 = 3;

const IDLE_TIMEOUT: Duration = Duration::from_millis(2_000);
const KEEP_ALIVE: Duration = Duration::from_millis(500);
const STREAM_WINDOW_BYTES: u32 = 8 * 1024 * 1024;

/// PEM in memory or in a file.
#[derive(Clone)]
pub enum Pem {
    /// A file, read when the client is set up.
    File(PathBuf),
    /// The bytes.
    Bytes(Vec<u8>),
}

impl std::fmt::Debug for Pem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "Pem({})", path.display()),
            Self::Bytes(_) => f.write_str("Pem(in memory)"),
        }
    }
}

/// A client's certificate and key, and the CA that it trusts.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The cluster's CA certificates.
    pub ca: Pem,
    /// The client's certificate chain.
    pub cert: Pem,
    /// The client's key.
    pub key: Pem,
}

impl Pem {
    fn read(&self, what: &'static str) -> Result<Vec<u8>, SetupError> {
        match self {
            Self::Bytes(bytes) => Ok(bytes.clone()),
            Self::File(path) => {
                std::fs::read(path).map_err(|source| SetupError::Read { what, path: path.clone(), source })
            }
        }
    }
}

/// The configuration of every connection of one client.
pub(crate) fn client_config(credentials: &Credentials) -> Result<quinn::ClientConfig, SetupError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(unusable)?
        .with_root_certificates(roots(&credentials.ca)?)
        .with_client_auth_cert(certificates(&credentials.cert, "the client's certificate")?, key(&credentials.key)?)
        .map_err(unusable)?;
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let quic = QuicClientConfig::try_from(tls).map_err(unusable)?;
    let mut config = quinn::ClientConfig::new(Arc::new(quic));
    config.transport_config(Arc::new(transport()));
    Ok(config)
}

fn transport() -> quinn::TransportConfig {
    let mut transport = quinn::TransportConfig::default();
    let idle = IDLE_TIMEOUT.try_into().expect("two seconds are a valid QUIC idle timeout");
    transport.max_idle_timeout(Some(idle));
    transport.keep_alive_interval(Some(KEEP_ALIVE));
    transport.stream_receive_window(STREAM_WINDOW_BYTES.into());
    transport.max_concurrent_uni_streams(0_u32.into());
    transport
}

fn roots(pem: &Pem) -> Result<RootCertStore, SetupError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem, "the CA's certificate")? {
        roots.add(certificate).map_err(unusable)?;
    }
    Ok(roots)
}

fn certificates(pem: &Pem, what: &'static str) -> Result<Vec<CertificateDer<'static>>, SetupError> {
    let bytes = pem.read(what)?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| SetupError::Tls { reason: format!("{what}: {error}") })?;
    if certificates.is_empty() {
        return Err(SetupError::Tls { reason: format!("{what}: it holds no certificate") });
    }
    Ok(certificates)
}

fn key(pem: &Pem) -> Result<PrivateKeyDer<'static>, SetupError> {
    let bytes = pem.read("the client's key")?;
    PrivateKeyDer::from_pem_slice(&bytes)
        .map_err(|error| SetupError::Tls { reason: format!("the client's key: {error}") })
}

fn unusable(error: impl std::fmt::Display) -> SetupError {
    SetupError::Tls { reason: error.to_string() }
}
