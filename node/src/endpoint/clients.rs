//! A client's connection, as it is handed to whoever serves requests.

use std::fmt;
use std::net::SocketAddr;

use quinn::{Connection, VarInt};
use tokio::sync::OwnedSemaphorePermit;

use super::{Shared, code};
use crate::identity::{KeyId, PeerCertificate};

/// A verified client and its connection. Dropping it closes the connection.
pub struct ClientConnection {
    peer: PeerCertificate,
    connection: Connection,
    _permit: OwnedSemaphorePermit,
}

/// One stream that a client opened. Frames on it are the client crate's (`quorla_client::codec`).
#[derive(Debug)]
pub struct ClientStream {
    /// Bytes to the client.
    pub send: quinn::SendStream,
    /// Bytes from the client.
    pub recv: quinn::RecvStream,
}

impl ClientConnection {
    /// The principal: SHA-256 of the client's public key.
    pub fn principal(&self) -> KeyId {
        self.peer.key
    }

    /// The name in the client's certificate; for logs.
    pub fn name(&self) -> &str {
        &self.peer.name
    }

    /// Where it comes from; for logs.
    pub fn remote_address(&self) -> SocketAddr {
        self.connection.remote_address()
    }

    /// The next stream that the client opens, `None` once the connection is closed. Bounded by the streams limit.
    pub async fn accept_stream(&self) -> Option<ClientStream> {
        let (send, recv) = self.connection.accept_bi().await.ok()?;
        Some(ClientStream { send, recv })
    }

    /// Completes when the connection is closed, by whichever side.
    pub async fn closed(&self) {
        self.connection.closed().await;
    }

    /// Closes the connection with a code of [`code`] and words for the log of the other side.
    pub fn close(&self, code: u32, reason: &str) {
        self.connection
            .close(VarInt::from_u32(code), reason.as_bytes());
    }
}

impl Drop for ClientConnection {
    fn drop(&mut self) {
        // Closing a closed connection does nothing.
        self.close(code::SHUTDOWN, "the session ended");
    }
}

impl fmt::Debug for ClientConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConnection")
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

pub(super) fn hand_over(
    shared: &Shared,
    connection: Connection,
    peer: PeerCertificate,
    permit: OwnedSemaphorePermit,
) {
    debug_assert!(
        shared.limits.client_streams_max.into_inner() > 0,
        "a client may open streams"
    );
    tracing::debug!(remote = %connection.remote_address(), client = %peer.name, "client connected");
    let client = ClientConnection {
        peer,
        connection,
        _permit: permit,
    };
    if let Err(client) = shared.routes.client(client) {
        client.close(code::NOT_READY, "the node is starting");
    }
}
