//! Clusters of endpoints for tests, strangers who try to get in, and a guard against hanging.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::QuicClientConfig;
use quorla_node::clock::SystemClock;
use quorla_node::endpoint::{Endpoint, EndpointSettings, PeerAddress, Refusal, Routes};
use quorla_node::identity::{Credentials, DevCluster, KeyId, write_dev_cluster};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

/// Only a guard: nothing is expected to take long.
const HANGS_AFTER: Duration = Duration::from_secs(60);

/// Waits for `future`, and fails instead of hanging.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(HANGS_AFTER, future).await.expect("it must not hang")
}

/// The identities of a cluster, in a directory that goes with it.
pub(crate) struct Rig {
    _root: tempfile::TempDir,
    pub(crate) cluster: DevCluster,
}

impl Rig {
    /// A cluster of three nodes and one client.
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let now_ms = SystemClock.wall_ms();
        let cluster = write_dev_cluster(root.path(), &["n1", "n2", "n3"], &["me"], now_ms).unwrap();
        Self { _root: root, cluster }
    }

    pub(crate) fn node(&self, place: usize) -> Credentials {
        Credentials::load(&self.cluster.nodes[place].files).unwrap()
    }

    pub(crate) fn client(&self) -> Credentials {
        Credentials::load(&self.cluster.clients[0].files).unwrap()
    }

    pub(crate) fn key(&self, place: usize) -> KeyId {
        self.cluster.nodes[place].key
    }

    pub(crate) fn endpoint(&self, place: usize) -> Endpoint {
        endpoint(self.node(place), "127.0.0.1:0".parse().unwrap())
    }
}

/// An address that no other process binds, so that a port of it that was given up is still there to be bound again.
pub(crate) fn address_of_this_process() -> SocketAddr {
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    SocketAddr::from(([127, 64 | high, middle, low], 0))
}

pub(crate) fn endpoint(credentials: Credentials, bind: SocketAddr) -> Endpoint {
    Endpoint::bind(settings(credentials, bind), Arc::new(Routes::default())).unwrap()
}

/// Binds to the address of an endpoint that was just dropped, as soon as its socket is closed.
pub(crate) async fn endpoint_once_free(credentials: Credentials, bind: SocketAddr) -> Endpoint {
    let bound = async {
        loop {
            let settings = settings(credentials.clone(), bind);
            match Endpoint::bind(settings, Arc::new(Routes::default())) {
                Ok(endpoint) => return endpoint,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    soon(bound).await
}

fn settings(credentials: Credentials, bind: SocketAddr) -> EndpointSettings {
    EndpointSettings {
        bind,
        credentials,
        idle_timeout: Duration::from_secs(10),
        client_connections_max: 4,
        client_streams_max: 4,
    }
}

pub(crate) fn address(endpoint: &Endpoint) -> PeerAddress {
    let address = endpoint.local_addr().unwrap().to_string();
    PeerAddress { key: endpoint.own().key, address }
}

/// Whoever wants to get in: any certificate or none, any protocol, trusting `ca`.
pub(crate) struct Stranger {
    pub(crate) credentials: Option<Credentials>,
    pub(crate) ca: Vec<CertificateDer<'static>>,
    pub(crate) alpn: &'static [u8],
}

impl Stranger {
    pub(crate) async fn dial(&self, to: SocketAddr) -> Result<quinn::Connection, quinn::ConnectionError> {
        let endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        let connecting = endpoint.connect_with(self.config(), to, "quorla-node").unwrap();
        soon(connecting).await
    }

    /// How `to` refuses: in TLS 1.3 a client may think it is in before the server has seen its certificate.
    pub(crate) async fn refusal(&self, to: SocketAddr) -> Refusal {
        match self.dial(to).await {
            Ok(connection) => Refusal::of(&soon(connection.closed()).await),
            Err(error) => Refusal::of(&error),
        }
    }

    fn config(&self) -> quinn::ClientConfig {
        let mut roots = RootCertStore::empty();
        for ca in &self.ca {
            roots.add(ca.clone()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots);
        let mut tls = match self.credentials.clone() {
            Some(own) => tls.with_client_auth_cert(own.chain, own.key).unwrap(),
            None => tls.with_no_client_auth(),
        };
        tls.alpn_protocols = vec![self.alpn.to_vec()];
        quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()))
    }
}
