//! Whoever wants to get in, with any certificate or none and any protocol; and what the node makes of them.

use std::net::SocketAddr;
use std::sync::Arc;

use quinn::crypto::rustls::QuicClientConfig;
use quinn::{Connection, ConnectionError};
use quorla_node::endpoint::Refusal;
use quorla_node::identity::{Credentials, KeyFiles};
use quorla_tests::trial::Trial;
use rustls::RootCertStore;

pub(super) const NODE: &[u8] = b"quorla-node/1";
pub(super) const CLIENT: &[u8] = b"quorla-client/1";

/// Opens connections to one node.
pub(super) struct Stranger {
    endpoint: quinn::Endpoint,
    to: SocketAddr,
}

impl Stranger {
    pub(super) fn at(trial: &Trial, position: usize) -> Self {
        let endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        Self { endpoint, to: address(trial, position) }
    }

    pub(super) async fn dial(&self, credentials: Credentials, alpn: &[u8]) -> Result<Connection, ConnectionError> {
        let config = config(credentials, alpn);
        self.endpoint.connect_with(config, self.to, "quorla-node").unwrap().await
    }

    /// How the node refuses: in TLS 1.3 a client may think it is in before the server has seen its certificate.
    pub(super) async fn refusal(&self, credentials: Credentials, alpn: &[u8]) -> Refusal {
        match self.dial(credentials, alpn).await {
            Ok(connection) => Refusal::of(&connection.closed().await),
            Err(error) => Refusal::of(&error),
        }
    }

    /// Nothing of it is left when this returns.
    pub(super) async fn leave(self) {
        self.endpoint.close(0_u32.into(), b"");
        self.endpoint.wait_idle().await;
    }
}

/// Where a node's QUIC endpoint is.
pub(super) fn address(trial: &Trial, position: usize) -> SocketAddr {
    trial.cluster.nodes()[position].ready().unwrap().quic.parse().unwrap()
}

/// The certificate of a node of this cluster, as a thief would use it.
pub(super) fn of_node(trial: &Trial, name: &str) -> Credentials {
    Credentials::load(&KeyFiles::within(&trial.cluster.directory().join(name).join("keys"), "node")).unwrap()
}

/// The certificate of this cluster's client.
pub(super) fn of_client(trial: &Trial) -> Credentials {
    let profile = trial.cluster.profile();
    let files = KeyFiles { certificate: profile.cert, key: profile.key, ca: profile.ca };
    Credentials::load(&files).unwrap()
}

fn config(own: Credentials, alpn: &[u8]) -> quinn::ClientConfig {
    let mut roots = RootCertStore::empty();
    for ca in own.ca {
        roots.add(ca).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider);
    let tls = tls.with_protocol_versions(&[&rustls::version::TLS13]).unwrap().with_root_certificates(roots);
    let mut tls = tls.with_client_auth_cert(own.chain, own.key).unwrap();
    tls.alpn_protocols = vec![alpn.to_vec()];
    quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()))
}
