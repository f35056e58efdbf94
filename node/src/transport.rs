//! Frames over QUIC streams: what consensus and the actors use to talk to their peers on other nodes.
//!
//! It moves bytes and bounds them; what they mean is decided above. Votes and heartbeats go over the control
//! connection, everything else over the bulk one, each stream by itself, so that no channel waits for another.

use bytes::{BufMut, Bytes, BytesMut};
use futures::FutureExt;
use futures::future::BoxFuture;
use quinn::{ReadError, RecvStream, SendStream, VarInt};
use tokio::sync::watch;

use crate::endpoint::{DialError, Endpoint, PeerAddress, Traffic, code};
use crate::frames::{FrameDecoder, FrameError, LENGTH_BYTES, StreamHeader, length_prefix};
use crate::gossip::Members;
use crate::identity::KeyId;

use quorla_consensus::transport::{Channel, Duplex, FrameSink, FrameSource, Peer, Transport, TransportError};

/// Frames up to this size are copied behind their prefix; larger ones are sent without a copy.
const COPIED_BYTES_MAX: usize = 4_096;
/// Bytes taken from a stream at once.
const CHUNK_BYTES_MAX: usize = 256 * 1_024;

/// The transport over a node's endpoint. Clones share it.
#[derive(Clone)]
pub struct QuicTransport {
    endpoint: Endpoint,
    members: watch::Receiver<Members>,
}

impl QuicTransport {
    /// A transport that dials from `endpoint`, and believes `members` more than the address that a peer is named with:
    /// a node that came back elsewhere is the same node.
    pub fn new(endpoint: Endpoint, members: watch::Receiver<Members>) -> Self {
        Self { endpoint, members }
    }

    fn address_of(&self, to: &Peer) -> PeerAddress {
        let key = KeyId(to.node_key);
        let seen = self.members.borrow().iter().find(|member| member.key == key).map(|member| member.address.clone());
        PeerAddress { key, address: seen.unwrap_or_else(|| to.address.clone()) }
    }

    async fn open_stream(&self, to: &Peer, group: u16, channel: Channel) -> Result<Duplex, TransportError> {
        let peer = self.address_of(to);
        let connection =
            self.endpoint.connect(&peer, traffic_of(channel)).await.map_err(|error| unreachable(&error))?;
        let (mut send, recv) = connection.open_bi().await.map_err(|error| broken(&error))?;
        let header = StreamHeader { group, channel: channel.number() };
        send.write_all(&header.encode()).await.map_err(|error| broken(&error))?;
        Ok(duplex(send, recv, channel))
    }
}

impl Transport for QuicTransport {
    fn open<'a>(&'a self, to: &'a Peer, group: u16, channel: Channel) -> BoxFuture<'a, Result<Duplex, TransportError>> {
        self.open_stream(to, group, channel).boxed()
    }
}

/// Which connection carries a channel.
fn traffic_of(channel: Channel) -> Traffic {
    if channel == Channel::VOTE { Traffic::Control } else { Traffic::Bulk }
}

/// How urgent a channel's streams are among those of its connection; snapshots give way to everything.
fn priority_of(channel: Channel) -> i32 {
    match channel {
        Channel::SNAPSHOT | Channel::OUTPUT => -1,
        Channel::AGENT => 1,
        _ => 0,
    }
}

/// The two directions of a stream, as frames of at most what `channel` allows.
pub(crate) fn duplex(send: SendStream, recv: RecvStream, channel: Channel) -> Duplex {
    // Only fails on a closed stream, where the first send says so.
    let _ = send.set_priority(priority_of(channel));
    let bytes_max = channel.frame_bytes_max();
    Duplex {
        sink: Box::new(QuicSink { send, bytes_max, torn: false, finished: false }),
        source: Box::new(QuicSource { recv, frames: FrameDecoder::new(bytes_max), ended: false }),
    }
}

struct QuicSink {
    send: SendStream,
    bytes_max: usize,
    /// A send was cancelled half way: the rest of its frame will never come.
    torn: bool,
    finished: bool,
}

impl QuicSink {
    async fn send_frame(&mut self, frame: Bytes) -> Result<(), TransportError> {
        let prefix = length_prefix(frame.len(), self.bytes_max).map_err(too_large)?;
        if self.torn {
            return Err(TransportError::Broken { reason: "an earlier send was cut short".to_owned() });
        }
        self.torn = true;
        if frame.len() <= COPIED_BYTES_MAX {
            let mut joined = BytesMut::with_capacity(LENGTH_BYTES + frame.len());
            joined.put_slice(&prefix);
            joined.put_slice(&frame);
            self.send.write_chunk(joined.freeze()).await.map_err(|error| broken(&error))?;
        } else {
            let mut parts = [Bytes::copy_from_slice(&prefix), frame];
            self.send.write_all_chunks(&mut parts).await.map_err(|error| broken(&error))?;
        }
        self.torn = false;
        Ok(())
    }
}

impl FrameSink for QuicSink {
    fn send(&mut self, frame: Bytes) -> BoxFuture<'_, Result<(), TransportError>> {
        self.send_frame(frame).boxed()
    }

    fn finish(&mut self) -> BoxFuture<'_, Result<(), TransportError>> {
        let finished = self.send.finish().map_err(|error| broken(&error));
        self.finished |= finished.is_ok();
        async move { finished }.boxed()
    }
}

impl Drop for QuicSink {
    fn drop(&mut self) {
        // quinn would finish the stream, and the peer would take what came for all there is.
        if !self.finished {
            let _ = self.send.reset(VarInt::from_u32(code::ABANDONED));
        }
    }
}

struct QuicSource {
    recv: RecvStream,
    frames: FrameDecoder,
    ended: bool,
}

impl QuicSource {
    /// Safe to cancel: bytes that arrived stay in the decoder.
    async fn next_frame(&mut self) -> Result<Option<Bytes>, TransportError> {
        loop {
            match self.frames.pop() {
                Ok(Some(frame)) => return Ok(Some(frame)),
                Ok(None) => {}
                Err(error) => return Err(self.refuse(&error)),
            }
            if self.ended {
                return Ok(None);
            }
            match self.recv.read_chunk(CHUNK_BYTES_MAX, true).await {
                Ok(Some(chunk)) => self.frames.push(chunk.bytes),
                Ok(None) => {
                    self.frames.finish().map_err(|error| broken(&error))?;
                    self.ended = true;
                }
                Err(ReadError::ClosedStream) if self.ended => return Ok(None),
                Err(error) => return Err(broken(&error)),
            }
        }
    }

    fn refuse(&mut self, error: &FrameError) -> TransportError {
        // A stream that is closed already needs no stop.
        let _ = self.recv.stop(VarInt::from_u32(code::MALFORMED));
        broken(error)
    }
}

impl FrameSource for QuicSource {
    fn recv(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, TransportError>> {
        self.next_frame().boxed()
    }
}

fn unreachable(error: &DialError) -> TransportError {
    TransportError::Unreachable { reason: error.to_string() }
}

fn broken(error: &impl std::error::Error) -> TransportError {
    TransportError::Broken { reason: error.to_string() }
}

fn too_large(error: FrameError) -> TransportError {
    match error {
        FrameError::Oversized { bytes, bytes_max } => TransportError::FrameTooLarge { bytes, bytes_max },
        other => broken(&other),
    }
}
