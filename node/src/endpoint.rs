//! The node's one QUIC endpoint: one UDP socket, mutual TLS 1.3, two planes told apart by ALPN and role.
//!
//! A connection is bound to a *key* by its certificate, never to an address. The node plane (`quorla-node/1`) is open
//! to node certificates only, the client plane (`quorla-client/1`) to client certificates only. Each node dials two
//! connections to each peer, [`Traffic::Control`] for votes and heartbeats and [`Traffic::Bulk`] for everything else;
//! the socket's driver and all control connections run on one thread of their own (R21), so that bulk traffic and
//! jobs never delay a heartbeat. What arrives on streams is handed to [`Routes`]; nothing here knows what it means.

mod accept;
mod backoff;
mod clients;
mod control;
mod dial;
mod error;
mod observed;
mod pool;
mod refusal;
mod reset;
mod routes;
mod serve;
mod socket;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::VarInt;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::identity::{Credentials, KeyId, PeerCertificate};
use crate::metrics::Carried;

use control::ControlRuntime;
use observed::Observed;
use pool::Pool;
use refusal::RefusalLog;
use tls::Tls;

pub use clients::{ClientConnection, ClientStreamError, ReplyWriter, RequestReader};
pub use error::{DialError, EndpointError};
pub use refusal::Refusal;
pub use routes::{GOSSIP_CHANNEL, GossipMessage, LINK_CHANNEL, NodeStream, RawStream, Routes};

/// Handshakes in progress at once; more are refused.
const HANDSHAKES_MAX: usize = 256;
/// Accepted connections of nodes at once: two from each peer, and room for their predecessors to time out.
const NODE_CONNECTIONS_MAX: usize = 512;
/// Between two looks at what the connections go through.
const OBSERVE_EVERY: Duration = Duration::from_secs(5);
/// How long [`Endpoint::close`] waits for the last packets to leave.
const CLOSE_MAX: Duration = Duration::from_millis(500);

/// Application error codes of closed connections and reset streams; part of the wire protocol.
pub mod code {
    /// The endpoint is shutting down.
    pub const SHUTDOWN: u32 = 1;
    /// The certificate's role may not open this plane.
    pub const WRONG_ROLE: u32 = 2;
    /// The certificate is of another cluster or carries no role.
    pub const WRONG_CLUSTER: u32 = 3;
    /// Too many connections.
    pub const TOO_MANY: u32 = 4;
    /// The node does not serve this yet; try again.
    pub const NOT_READY: u32 = 5;
    /// Header or frame are malformed or too large.
    pub const MALFORMED: u32 = 6;
    /// The sender gave up within a stream.
    pub const ABANDONED: u32 = 7;
}

/// Which of the two connections to a peer a stream belongs on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Traffic {
    /// Votes and heartbeats: small, urgent, on the control thread.
    Control,
    /// Everything else.
    Bulk,
}

impl Traffic {
    const fn carries(self) -> Carried {
        match self {
            Self::Control => Carried::Control,
            Self::Bulk => Carried::Bulk,
        }
    }
}

/// What an endpoint needs to start.
#[derive(Clone, Debug)]
pub struct EndpointSettings {
    /// UDP address; port 0 lets the system choose.
    pub bind: SocketAddr,
    /// Key, certificate and trusted CAs; the certificate must be a node's.
    pub credentials: Credentials,
    /// Silence after which a connection counts as lost.
    pub idle_timeout: Duration,
    /// Client connections at once.
    pub client_connections_max: u32,
    /// Streams at once on one client connection.
    pub client_streams_max: u32,
}

/// A peer to dial: the key decides, the address is a hint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerAddress {
    /// Who must answer.
    pub key: KeyId,
    /// `host:port` where it was last seen.
    pub address: String,
}

/// The endpoint. Clones share it. It serves until [`Endpoint::close`]: dropping it does not close the socket.
#[derive(Clone)]
pub struct Endpoint {
    shared: Arc<Shared>,
}

struct Shared {
    quic: quinn::Endpoint,
    tls: Tls,
    control: ControlRuntime,
    /// The runtime of bulk and client connections: the one that called [`Endpoint::bind`].
    bulk: tokio::runtime::Handle,
    own: PeerCertificate,
    routes: Arc<Routes>,
    pool: Pool,
    limits: Limits,
    refusals: RefusalLog,
    observed: Observed,
    tasks: TaskTracker,
}

struct Limits {
    handshakes: Arc<Semaphore>,
    nodes: Arc<Semaphore>,
    clients: Arc<Semaphore>,
}

impl Endpoint {
    /// Binds the socket and starts to accept. Must be called within the runtime that is to carry bulk traffic.
    ///
    /// Connections are accepted at once; streams are refused with [`code::NOT_READY`] until `routes` know where they go.
    pub fn bind(settings: EndpointSettings, routes: Arc<Routes>) -> Result<Self, EndpointError> {
        let own = settings.credentials.own.clone();
        if own.role != crate::identity::Role::Node {
            return Err(EndpointError::NotANode { role: own.role });
        }
        let tls = Tls::new(&settings)?;
        let control = ControlRuntime::start()?;
        let socket = socket::bind(settings.bind)?;
        let quic = control
            .enter(|| {
                let server = tls.server_config();
                let runtime = Arc::new(quinn::TokioRuntime);
                quinn::Endpoint::new(tls.endpoint_config(), Some(server), socket, runtime)
            })
            .map_err(|source| EndpointError::Bind { address: settings.bind, source })?;
        let shared = Arc::new(Shared {
            quic,
            tls,
            control,
            bulk: tokio::runtime::Handle::current(),
            own,
            routes,
            pool: Pool::default(),
            limits: Limits::new(&settings),
            refusals: RefusalLog::default(),
            observed: Observed::default(),
            tasks: TaskTracker::new(),
        });
        accept::start(&shared);
        Ok(Self { shared })
    }

    /// The bound UDP address.
    pub fn local_addr(&self) -> Result<SocketAddr, EndpointError> {
        self.shared.quic.local_addr().map_err(EndpointError::LocalAddress)
    }

    /// What this node's own certificate says.
    pub fn own(&self) -> &PeerCertificate {
        &self.shared.own
    }

    /// Where incoming streams go.
    pub fn routes(&self) -> &Arc<Routes> {
        &self.shared.routes
    }

    /// The live connection to `peer` for `traffic`, dialled if there is none.
    ///
    /// After a failed attempt further ones are refused at once until a back-off has passed, 50 ms at first, 2 s at most.
    pub async fn connect(&self, peer: &PeerAddress, traffic: Traffic) -> Result<quinn::Connection, DialError> {
        pool::connect(&self.shared, peer, traffic).await
    }

    /// The live bulk connection to whichever node of this cluster answers at `address`; for gossip and its seeds.
    pub async fn connect_any(&self, address: SocketAddr) -> Result<quinn::Connection, DialError> {
        pool::connect_any(&self.shared, address).await
    }

    /// Counts again and again what the connections go through. Never returns.
    pub async fn observe(self) {
        let mut interval = tokio::time::interval(OBSERVE_EVERY);
        loop {
            interval.tick().await;
            self.shared.observed.look();
        }
    }

    /// Closes every connection, tells the peers, and waits a moment for that to leave.
    pub async fn close(&self) {
        let shared = &self.shared;
        shared.quic.close(VarInt::from_u32(code::SHUTDOWN), b"the node is shutting down");
        shared.tasks.close();
        let idle = async {
            shared.quic.wait_idle().await;
            shared.tasks.wait().await;
        };
        if tokio::time::timeout(CLOSE_MAX, idle).await.is_err() {
            tracing::warn!(wait_ms = CLOSE_MAX.as_millis(), "endpoint closed before all peers knew");
        }
    }
}

impl Shared {
    /// The runtime that carries connections of this kind.
    fn runtime(&self, traffic: Traffic) -> &tokio::runtime::Handle {
        match traffic {
            Traffic::Control => self.control.handle(),
            Traffic::Bulk => &self.bulk,
        }
    }
}

impl Limits {
    fn new(settings: &EndpointSettings) -> Self {
        let clients = usize::try_from(settings.client_connections_max)
            .unwrap_or(Semaphore::MAX_PERMITS)
            .min(Semaphore::MAX_PERMITS);
        Self {
            handshakes: Arc::new(Semaphore::new(HANDSHAKES_MAX)),
            nodes: Arc::new(Semaphore::new(NODE_CONNECTIONS_MAX)),
            clients: Arc::new(Semaphore::new(clients)),
        }
    }
}
