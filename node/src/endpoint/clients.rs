//! A client's connection, as it is handed to whoever serves requests: a verified principal, and streams of frames.
//!
//! Frames are the client crate's; this file only moves them. What a request means is decided by the session.

use std::fmt;
use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use quinn::{Connection, VarInt};
use quorla_client::{
    codec::{CodecError, put_frame, take_frame},
    limits::{FRAME_BYTES_MAX, FRAME_HEADER_BYTES},
};
use thiserror::Error;
use tokio::sync::OwnedSemaphorePermit;

use super::{Shared, code};
use crate::identity::{KeyId, PeerCertificate};

/// A verified client and its connection. Dropping it closes the connection.
pub struct ClientConnection {
    peer: PeerCertificate,
    connection: Connection,
    _permit: OwnedSemaphorePermit,
}

/// Why a client's stream can't go on.
#[derive(Debug, Error)]
pub enum ClientStreamError {
    /// The bytes are no frames, or too large ones.
    #[error("read the client's frames: {0}")]
    Frame(#[from] CodecError),
    /// The stream ended within a frame.
    #[error("read the client's frames: the stream ended within one")]
    Truncated,
    /// The connection or the stream broke while reading.
    #[error("read from the client: {0}")]
    Read(#[from] quinn::ReadError),
    /// The connection or the stream broke while writing.
    #[error("write to the client: {0}")]
    Write(#[from] quinn::WriteError),
}

/// The requests on one stream of a client.
#[derive(Debug)]
pub struct RequestReader {
    recv: quinn::RecvStream,
    buffer: BytesMut,
}

/// The replies on one stream of a client, in any order.
#[derive(Debug)]
pub struct ReplyWriter {
    send: quinn::SendStream,
    buffer: BytesMut,
}

/// Bytes taken from a stream at once.
const CHUNK_BYTES_MAX: usize = 256 * 1_024;

impl RequestReader {
    /// Size of the next request's body, from its header; `None` when the client finished. Safe to cancel.
    pub async fn body_bytes(&mut self) -> Result<Option<u32>, ClientStreamError> {
        while self.buffer.len() < FRAME_HEADER_BYTES {
            if !self.read_more().await? {
                return Ok(None);
            }
        }
        let bytes = self.buffer.first_chunk().map_or(0, |length| u32::from_le_bytes(*length));
        match bytes {
            0..=FRAME_BYTES_MAX => Ok(Some(bytes)),
            _ => Err(CodecError::FrameTooLarge { bytes: bytes.into() }.into()),
        }
    }

    /// The next correlation id and body; `None` when the client finished. Safe to cancel.
    pub async fn next(&mut self) -> Result<Option<(u64, Bytes)>, ClientStreamError> {
        loop {
            if let Some(frame) = take_frame(&mut self.buffer)? {
                return Ok(Some(frame));
            }
            if !self.read_more().await? {
                return Ok(None);
            }
        }
    }

    /// Takes the next bytes of the stream; false when it ended between two frames.
    async fn read_more(&mut self) -> Result<bool, ClientStreamError> {
        match self.recv.read_chunk(CHUNK_BYTES_MAX, true).await? {
            Some(chunk) => self.buffer.extend_from_slice(&chunk.bytes),
            None if self.buffer.is_empty() => return Ok(false),
            None => return Err(ClientStreamError::Truncated),
        }
        Ok(true)
    }
}

impl ReplyWriter {
    /// Queues one reply; nothing is sent before [`ReplyWriter::flush`], so that many share a packet.
    pub fn push(&mut self, id: u64, body: &[u8]) -> Result<(), ClientStreamError> {
        Ok(put_frame(&mut self.buffer, id, body)?)
    }

    /// Bytes queued and not sent.
    pub fn queued_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Sends what is queued; waits while the client is too slow. Not to be cancelled: it would tear a frame.
    pub async fn flush(&mut self) -> Result<(), ClientStreamError> {
        let queued = self.buffer.split().freeze();
        Ok(self.send.write_chunk(queued).await?)
    }

    /// Says that no reply follows.
    pub fn finish(&mut self) {
        // A stream that is closed already is finished.
        let _ = self.send.finish();
    }
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
    pub async fn accept_stream(&self) -> Option<(RequestReader, ReplyWriter)> {
        let (send, recv) = self.connection.accept_bi().await.ok()?;
        let reader = RequestReader { recv, buffer: BytesMut::new() };
        Some((reader, ReplyWriter { send, buffer: BytesMut::new() }))
    }

    /// Completes when the connection is closed, by whichever side.
    pub async fn closed(&self) {
        self.connection.closed().await;
    }

    /// Closes the connection with a code of [`code`] and words for the log of the other side.
    pub fn close(&self, code: u32, reason: &str) {
        self.connection.close(VarInt::from_u32(code), reason.as_bytes());
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
        f.debug_struct("ClientConnection").field("peer", &self.peer).finish_non_exhaustive()
    }
}

pub(super) fn hand_over(shared: &Shared, connection: Connection, peer: PeerCertificate, permit: OwnedSemaphorePermit) {
    tracing::debug!(remote = %connection.remote_address(), client = %peer.name, "client connected");
    let client = ClientConnection { peer, connection, _permit: permit };
    if let Some(client) = shared.routes.client(client) {
        client.close(code::NOT_READY, "the node is starting");
    }
}
