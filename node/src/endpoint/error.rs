//! What can go wrong when the endpoint starts, and when it dials a peer.

use std::io;
use std::net::SocketAddr;

use thiserror::Error;

use super::Refusal;
use crate::identity::Role;

/// Why the endpoint did not start.
#[derive(Debug, Error)]
pub enum EndpointError {
    /// The UDP socket could not be bound.
    #[error("bind the QUIC endpoint to {address}: {source}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// Why the system refused.
        source: io::Error,
    },
    /// The control thread could not be started.
    #[error("start the control thread: {0}")]
    ControlThread(#[source] io::Error),
    /// Keys and certificates do not make a TLS configuration.
    #[error("set up TLS from the node's key and certificates: {0}")]
    Tls(#[from] rustls::Error),
    /// The trusted CA certificates can't verify anybody.
    #[error("set up the verification of peers: {0}")]
    Verifier(#[from] rustls::client::VerifierBuilderError),
    /// The provider offers no cipher suite that QUIC can begin with.
    #[error("set up QUIC: {0}")]
    CipherSuite(#[from] quinn::crypto::rustls::NoInitialCipherSuite),
    /// A setting is outside what QUIC can express.
    #[error("set up QUIC: a value is out of bounds")]
    OutOfBounds(#[from] quinn::VarIntBoundsExceeded),
    /// A node needs a node's certificate.
    #[error("the configured certificate is a {role}'s; a node needs a node's")]
    NotANode {
        /// The role in the certificate.
        role: Role,
    },
    /// The system does not say where the socket is bound.
    #[error("read the endpoint's address: {0}")]
    LocalAddress(#[source] io::Error),
}

/// Why a peer could not be reached.
#[derive(Clone, Debug, Error)]
pub enum DialError {
    /// The host name has no address.
    #[error("resolve {address}: {reason}")]
    Resolve {
        /// `host:port`.
        address: String,
        /// What the resolver said.
        reason: String,
    },
    /// The endpoint could not begin to dial.
    #[error("dial {address}: {source}")]
    Start {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: quinn::ConnectError,
    },
    /// Nobody answered in time.
    #[error("dial {address}: no answer within {waited_ms} ms")]
    TimedOut {
        /// The address.
        address: SocketAddr,
        /// How long.
        waited_ms: u128,
    },
    /// The handshake failed, or the peer closed at once.
    #[error("dial {address}: {refusal}")]
    Refused {
        /// The address.
        address: SocketAddr,
        /// Why.
        refusal: Refusal,
    },
    /// The last attempt failed a moment ago.
    #[error("dial {address}: not again for {remaining_ms} ms after the last failure")]
    BackingOff {
        /// `host:port`.
        address: String,
        /// The rest of the pause.
        remaining_ms: u128,
    },
    /// The endpoint is shutting down.
    #[error("dial: the endpoint is shutting down")]
    ShuttingDown,
}
