//! Opening a connection: resolve, handshake, one stream, hello.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use super::{Connection, ExchangeError, Lane, Link};
use crate::clock::{Stopwatch, wall_ms};
use crate::codec::encode_body;
use crate::error::{Error, SetupError};
use crate::refusal::ErrorBody;
use crate::reply::{Reply, Welcome};
use crate::request::{Hello, PROTOCOL_VERSION, Request};
use crate::retry::TryOutcome;
use crate::tls::{CLOSED_FOR_CLUSTER, CLOSED_FOR_ROLE, Credentials, SERVER_NAME, client_config};

/// A server that takes longer is left for another one.
const DIAL_TIMEOUT: Duration = Duration::from_secs(3);
/// The default of the kernel loses datagrams under load.
const SOCKET_BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// Why an address gave no connection.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// Nothing answers there, now.
    #[error("connect to {address}: {reason}")]
    Unreachable { address: String, reason: String },
    /// Both sides spoke and one of them does not trust the other; trying again changes nothing.
    #[error("connect to {address}: {reason}")]
    Rejected { address: String, reason: String },
    /// The server refused the greeting, and will again.
    #[error("connect to {address}: {body}")]
    Refused { address: String, body: Box<ErrorBody> },
}

impl ConnectError {
    /// What to give up with, when trying again changes nothing.
    pub(crate) fn rejection(&self) -> Option<Error> {
        match self {
            Self::Unreachable { .. } => None,
            Self::Rejected { .. } => Some(Error::HandshakeRefused { reason: self.to_string() }),
            Self::Refused { body, .. } => Some(Error::Refused(body.clone())),
        }
    }
}

/// Opens connections with one identity.
pub(crate) struct Dialer {
    config: quinn::ClientConfig,
    v4: Option<quinn::Endpoint>,
    v6: Option<quinn::Endpoint>,
    agent: String,
}

/// A connection, and how far the server's clock is ahead of this machine's.
pub(crate) struct Dialed {
    pub(crate) connection: Connection,
    pub(crate) clock_offset_ms: i64,
}

impl Dialer {
    pub(crate) fn new(credentials: &Credentials, agent: String) -> Result<Self, SetupError> {
        let config = client_config(credentials)?;
        let v4 = endpoint((Ipv4Addr::UNSPECIFIED, 0).into());
        let v6 = endpoint((Ipv6Addr::UNSPECIFIED, 0).into());
        match (v4, v6) {
            (Err(error), Err(_)) => Err(SetupError::Socket(error)),
            (v4, v6) => Ok(Self { config, v4: v4.ok(), v6: v6.ok(), agent }),
        }
    }

    pub(crate) async fn dial(&self, address: &str) -> Result<Dialed, ConnectError> {
        let unreachable = |reason: String| ConnectError::Unreachable { address: address.to_owned(), reason };
        match tokio::time::timeout(DIAL_TIMEOUT, self.dial_untimed(address)).await {
            Ok(dialed) => dialed,
            Err(_) => Err(unreachable(format!("no answer within {} ms", DIAL_TIMEOUT.as_millis()))),
        }
    }

    async fn dial_untimed(&self, address: &str) -> Result<Dialed, ConnectError> {
        let unreachable = |reason: String| ConnectError::Unreachable { address: address.to_owned(), reason };
        let target = tokio::net::lookup_host(address)
            .await
            .map_err(|error| unreachable(error.to_string()))?
            .find(|target| self.endpoint_for(*target).is_some())
            .ok_or_else(|| unreachable("it has no address that this machine can reach".to_owned()))?;
        let endpoint = self.endpoint_for(target).expect("the target was chosen by this condition");
        let quic = endpoint
            .connect_with(self.config.clone(), target, SERVER_NAME)
            .map_err(|error| unreachable(error.to_string()))?
            .await
            .map_err(|error| classify(address, &error))?;
        let streams = quic.open_bi().await.map_err(|error| classify(address, &error))?;
        let link = Link::start(address.to_owned(), quic, streams);
        self.greet(address, link).await
    }

    async fn greet(&self, address: &str, link: Link) -> Result<Dialed, ConnectError> {
        let (welcome, clock_offset_ms) = hello(&link, &self.agent).await.map_err(|error| {
            // The server's verdict on our certificate arrives only after our side of the handshake is done.
            match (error, link.quic.close_reason()) {
                (HelloError::Exchange(_), Some(closed)) => classify(address, &closed),
                (error, _) => error.at(address),
            }
        })?;
        let connection = Connection { address: address.to_owned(), welcome, link };
        Ok(Dialed { connection, clock_offset_ms })
    }

    fn endpoint_for(&self, target: SocketAddr) -> Option<&quinn::Endpoint> {
        if target.is_ipv4() { self.v4.as_ref() } else { self.v6.as_ref() }
    }
}

impl Connection {
    /// Greets again, to learn the leader and the time anew.
    pub(crate) async fn greet(&self, agent: &str) -> Option<(Welcome, i64)> {
        hello(&self.link, agent).await.ok()
    }
}

enum HelloError {
    Exchange(ExchangeError),
    Refused(Box<ErrorBody>),
    Foreign,
}

impl HelloError {
    fn at(self, address: &str) -> ConnectError {
        let address = address.to_owned();
        match self {
            Self::Exchange(error) => ConnectError::Unreachable { address, reason: error.to_string() },
            Self::Refused(body) => match body.outcome() {
                TryOutcome::Refused { .. } => ConnectError::Refused { address, body },
                // It is stopping, or can't now: another server can, or this one later.
                _ => ConnectError::Unreachable { address, reason: body.to_string() },
            },
            Self::Foreign => {
                ConnectError::Rejected { address, reason: "it answered the greeting with something else".to_owned() }
            }
        }
    }
}

async fn hello(link: &Link, agent: &str) -> Result<(Welcome, i64), HelloError> {
    let hello = Request::Hello(Hello { version: PROTOCOL_VERSION, agent: agent.to_owned() });
    let body = encode_body(&hello).expect("a greeting is small");
    let trip = Stopwatch::start();
    let response = link.exchange(body, Lane::Prompt, DIAL_TIMEOUT).await.map_err(HelloError::Exchange)?;
    match response.outcome {
        Ok(Reply::Welcome(welcome)) => {
            let server_now_ms = welcome.server_time_ms.saturating_add(trip.elapsed_ms() / 2);
            Ok((welcome, server_now_ms.cast_signed().wrapping_sub(wall_ms().cast_signed())))
        }
        Ok(_) => Err(HelloError::Foreign),
        Err(body) => Err(HelloError::Refused(Box::new(body))),
    }
}

/// TLS alerts are transport errors 0x100 to 0x1ff (RFC 9001, section 4.8); they do not pass by waiting, and neither does a
/// certificate of another cluster or role.
fn classify(address: &str, error: &quinn::ConnectionError) -> ConnectError {
    let address = address.to_owned();
    let (rejected, reason) = match error {
        quinn::ConnectionError::TransportError(alert) => (is_alert(u64::from(alert.code)), error.to_string()),
        quinn::ConnectionError::ConnectionClosed(close) => (is_alert(u64::from(close.error_code)), error.to_string()),
        quinn::ConnectionError::ApplicationClosed(close) => {
            let code = close.error_code.into_inner();
            let ours = [CLOSED_FOR_ROLE, CLOSED_FOR_CLUSTER].map(u64::from).contains(&code);
            (ours, format!("the server closed the connection: {}", String::from_utf8_lossy(&close.reason)))
        }
        _ => (false, error.to_string()),
    };
    match rejected {
        true => ConnectError::Rejected { address, reason },
        false => ConnectError::Unreachable { address, reason },
    }
}

fn is_alert(code: u64) -> bool {
    (0x100..0x200).contains(&code)
}

fn endpoint(bind: SocketAddr) -> std::io::Result<quinn::Endpoint> {
    let socket = Socket::new(Domain::for_address(bind), Type::DGRAM, Some(Protocol::UDP))?;
    if bind.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // The kernel caps these silently; a client then merely loses some datagrams, which QUIC repairs.
    socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES)?;
    socket.set_send_buffer_size(SOCKET_BUFFER_BYTES)?;
    socket.bind(&bind.into())?;
    quinn::Endpoint::new(quinn::EndpointConfig::default(), None, socket.into(), Arc::new(quinn::TokioRuntime))
}
