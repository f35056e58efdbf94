//! TLS 1.3 on both planes: who is trusted, and the QUIC settings that go with it.
//!
//! Chains are verified by rustls against the cluster's CA, in both directions. A dialled peer must in addition be a
//! node of this cluster and, where its key is known, hold exactly that key; its address and name decide nothing.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ConnectionId, EndpointConfig, IdleTimeout, VarInt};
use quorla_client::{ALPN as CLIENT_ALPN, SERVER_NAME};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{CertificateError, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};
use thiserror::Error;

use super::reset::{ConnectionIds, ResetKey};
use super::{EndpointError, EndpointSettings, Traffic};
use crate::identity::{ClusterId, KeyId, PeerCertificate, Role};

/// Application protocol of the node plane.
pub(super) const NODE_ALPN: &[u8] = b"quorla-node/1";

/// First bytes of the connection id that a control connection is dialled with: the accepting side must know on which
/// thread to run a connection before its handshake says anything. It grants nothing; the role is checked afterwards.
const CONTROL_MARK: [u8; 4] = *b"qctl";
const CONNECTION_ID_BYTES: usize = 20;

/// A silent connection is kept open by a packet now and then; 2 to 5 s cost nothing measurable.
const KEEP_ALIVE_MIN: Duration = Duration::from_secs(2);
const KEEP_ALIVE_MAX: Duration = Duration::from_secs(5);
/// A guess for machines of one network; it only matters until the first acknowledgement.
const INITIAL_RTT: Duration = Duration::from_millis(50);

/// Streams at once that a peer may open on one node connection.
pub(super) const NODE_STREAMS_MAX: u32 = 1_024;
/// Bytes in flight on one connection, before it is known to be a node's.
const WINDOW_BYTES: u32 = 8 << 20;
/// Bytes in flight on one node connection and on one of its streams: a snapshot at line speed over a fast network.
pub(super) const NODE_WINDOW_BYTES: u32 = 64 << 20;
const STREAM_WINDOW_BYTES: u32 = 8 << 20;

/// Everything that TLS and QUIC need, made once.
pub(super) struct Tls {
    provider: Arc<CryptoProvider>,
    verifier: Arc<WebPkiServerVerifier>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    cluster: ClusterId,
    server: quinn::ServerConfig,
    dialled: Arc<quinn::TransportConfig>,
}

impl Tls {
    pub(super) fn new(settings: &EndpointSettings) -> Result<Self, EndpointError> {
        let credentials = settings.credentials.clone();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        for ca in credentials.ca {
            roots.add(ca)?;
        }
        let roots = Arc::new(roots);
        let verifier = WebPkiServerVerifier::builder_with_provider(roots.clone(), provider.clone()).build()?;
        let mut tls = rustls::ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(WebPkiClientVerifier::builder_with_provider(roots, provider.clone()).build()?)
            .with_single_cert(credentials.chain.clone(), credentials.key.clone_key())?;
        tls.alpn_protocols = vec![NODE_ALPN.to_vec(), CLIENT_ALPN.to_vec()];
        // No resumption: every handshake verifies the certificate anew, so that a removed key stays out.
        tls.send_tls13_tickets = 0;
        let mut server = quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?));
        let idle = IdleTimeout::try_from(settings.idle_timeout)?;
        server.transport_config(Arc::new(accepted_transport(idle, settings.client_streams_max)));
        Ok(Self {
            provider,
            verifier,
            chain: credentials.chain,
            key: credentials.key,
            cluster: credentials.own.cluster,
            server,
            dialled: Arc::new(dialled_transport(idle, settings.idle_timeout)),
        })
    }

    pub(super) fn server_config(&self) -> quinn::ServerConfig {
        self.server.clone()
    }

    pub(super) fn endpoint_config(&self) -> EndpointConfig {
        let mut config = EndpointConfig::new(Arc::new(ResetKey::of(&self.key)));
        config.cid_generator(|| Box::new(ConnectionIds));
        config
    }

    /// The settings to dial with: `expected` is the key that must answer, `None` accepts any node of the cluster.
    pub(super) fn client_config(
        &self,
        expected: Option<KeyId>,
        traffic: Traffic,
    ) -> Result<quinn::ClientConfig, EndpointError> {
        let verifier = NodeVerifier { chain: self.verifier.clone(), cluster: self.cluster, expected };
        let mut tls = rustls::ClientConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_auth_cert(self.chain.clone(), self.key.clone_key())?;
        tls.alpn_protocols = vec![NODE_ALPN.to_vec()];
        tls.resumption = rustls::client::Resumption::disabled();
        let mut config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
        config.transport_config(self.dialled.clone());
        config.initial_dst_cid_provider(Arc::new(move || first_connection_id(traffic)));
        Ok(config)
    }
}

/// On which thread a connection that begins with this id is to run.
pub(super) fn traffic_of(first_id: &ConnectionId) -> Traffic {
    if first_id.starts_with(&CONTROL_MARK) { Traffic::Control } else { Traffic::Bulk }
}

fn first_connection_id(traffic: Traffic) -> ConnectionId {
    let mut id: [u8; CONNECTION_ID_BYTES] = rand::random();
    if traffic == Traffic::Control {
        id[..CONTROL_MARK.len()].copy_from_slice(&CONTROL_MARK);
    }
    ConnectionId::new(&id)
}

/// An accepted connection starts with a client's bounds; a node's are raised after the handshake.
fn accepted_transport(idle: IdleTimeout, client_streams_max: u32) -> quinn::TransportConfig {
    let mut transport = quinn::TransportConfig::default();
    transport
        .max_idle_timeout(Some(idle))
        .initial_rtt(INITIAL_RTT)
        .max_concurrent_bidi_streams(VarInt::from_u32(client_streams_max))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(WINDOW_BYTES))
        .send_window(u64::from(NODE_WINDOW_BYTES))
        .datagram_receive_buffer_size(None);
    transport
}

/// Who dials keeps the connection alive; nobody opens streams towards the one who dialled.
fn dialled_transport(idle: IdleTimeout, idle_timeout: Duration) -> quinn::TransportConfig {
    let mut transport = quinn::TransportConfig::default();
    transport
        .max_idle_timeout(Some(idle))
        .keep_alive_interval(Some((idle_timeout / 3).clamp(KEEP_ALIVE_MIN, KEEP_ALIVE_MAX).min(idle_timeout / 2)))
        .initial_rtt(INITIAL_RTT)
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(NODE_WINDOW_BYTES))
        .send_window(u64::from(NODE_WINDOW_BYTES))
        .datagram_receive_buffer_size(None);
    transport
}

/// Why a certificate of the right CA is still not the peer that was dialled.
#[derive(Error)]
enum WrongPeer {
    #[error("a {0} answered where a node was expected")]
    NotANode(Role),
    #[error("a node of another cluster answered")]
    OtherCluster,
    #[error("the node with the key {found} answered, {expected} was expected")]
    OtherKey { found: KeyId, expected: KeyId },
    #[error("the certificate carries no role")]
    NoRole,
}

/// rustls shows errors of others by their `Debug` form: that one is what people read, too.
impl fmt::Debug for WrongPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Verifies who answers a dial.
struct NodeVerifier {
    chain: Arc<WebPkiServerVerifier>,
    cluster: ClusterId,
    expected: Option<KeyId>,
}

impl fmt::Debug for NodeVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeVerifier").field("expected", &self.expected).finish_non_exhaustive()
    }
}

impl NodeVerifier {
    fn check(&self, certificate: &CertificateDer<'_>) -> Result<(), WrongPeer> {
        let peer = PeerCertificate::parse(certificate).map_err(|_| WrongPeer::NoRole)?;
        if peer.role != Role::Node {
            return Err(WrongPeer::NotANode(peer.role));
        }
        if peer.cluster != self.cluster {
            return Err(WrongPeer::OtherCluster);
        }
        match self.expected {
            Some(expected) if expected != peer.key => Err(WrongPeer::OtherKey { found: peer.key, expected }),
            _ => Ok(()),
        }
    }
}

impl ServerCertVerifier for NodeVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let name = ServerName::try_from(SERVER_NAME).expect("the constant is a DNS name");
        let verified = self.chain.verify_server_cert(end_entity, intermediates, &name, ocsp_response, now)?;
        self.check(end_entity)
            .map_err(|wrong| rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(wrong)))))?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}
