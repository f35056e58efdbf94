//! Serves one accepted node connection: reads the header of each stream and routes it.
//!
//! A stream whose first bytes make no sense is reset; the connection and its other streams go on.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quinn::{Connection, RecvStream, SendStream, VarInt};
use tokio::sync::OwnedSemaphorePermit;

use super::routes::{GOSSIP_CHANNEL, GossipMessage, LINK_CHANNEL, NodeStream, RawStream};
use super::tls::{NODE_STREAMS_MAX, NODE_WINDOW_BYTES};
use super::{Shared, code};
use crate::frames::{FrameError, StreamHeader};
use crate::identity::PeerCertificate;
use crate::transport::duplex;
use quorla_consensus::transport::Channel;

/// How long a peer may take to send the header of a stream it opened.
const HEADER_MAX: Duration = Duration::from_secs(10);
/// chitchat fits its messages into one UDP datagram.
const GOSSIP_BYTES_MAX: usize = 65_535;

/// Serves `connection` until it closes.
pub(super) async fn node(
    shared: Arc<Shared>,
    connection: Connection,
    peer: Arc<PeerCertificate>,
    _permit: OwnedSemaphorePermit,
) {
    let remote = connection.remote_address();
    connection.set_max_concurrent_bi_streams(VarInt::from_u32(NODE_STREAMS_MAX));
    connection.set_max_concurrent_uni_streams(VarInt::from_u32(NODE_STREAMS_MAX));
    connection.set_receive_window(VarInt::from_u32(NODE_WINDOW_BYTES));
    tracing::debug!(%remote, peer = %peer.name, "node connected");
    let ended = loop {
        tokio::select! {
            opened = connection.accept_bi() => match opened {
                Ok((send, recv)) => {
                    let task = bidirectional(shared.clone(), peer.clone(), send, recv);
                    shared.tasks.spawn(task);
                }
                Err(ended) => break ended,
            },
            opened = connection.accept_uni() => match opened {
                Ok(recv) => {
                    let task = unidirectional(shared.clone(), connection.clone(), recv);
                    shared.tasks.spawn(task);
                }
                Err(ended) => break ended,
            },
        }
    };
    tracing::debug!(%remote, peer = %peer.name, reason = %ended, "node disconnected");
}

async fn bidirectional(shared: Arc<Shared>, from: Arc<PeerCertificate>, mut send: SendStream, mut recv: RecvStream) {
    let header = match read_header(&mut recv).await {
        Ok(header) => header,
        Err(reason) => {
            tracing::debug!(peer = %from.name, %reason, "stream refused");
            return refuse(&mut send, &mut recv, code::MALFORMED);
        }
    };
    let StreamHeader { group, channel } = header;
    if channel == LINK_CHANNEL {
        if let Some(mut stream) = shared.routes.link(RawStream { from, send, recv }) {
            refuse(&mut stream.send, &mut stream.recv, code::NOT_READY);
        }
        return;
    }
    let Some(channel) = Channel::from_number(channel) else {
        tracing::debug!(peer = %from.name, channel, "stream refused: no such channel");
        return refuse(&mut send, &mut recv, code::MALFORMED);
    };
    let duplex = duplex(send, recv, channel);
    // Dropping the duplex of a stream that nobody takes resets it: the peer tries again.
    drop(shared.routes.framed(NodeStream { from, group, channel, duplex }));
}

async fn unidirectional(shared: Arc<Shared>, connection: Connection, mut recv: RecvStream) {
    let malformed = VarInt::from_u32(code::MALFORMED);
    match read_header(&mut recv).await {
        Ok(StreamHeader { channel: GOSSIP_CHANNEL, .. }) => {}
        _ => {
            // Already closed streams need no stop.
            let _ = recv.stop(malformed);
            return;
        }
    }
    if let Ok(bytes) = recv.read_to_end(GOSSIP_BYTES_MAX).await {
        let from = connection.remote_address();
        shared.routes.gossip(GossipMessage { from, bytes: Bytes::from(bytes) });
    }
}

async fn read_header(recv: &mut RecvStream) -> Result<StreamHeader, FrameError> {
    let mut bytes = [0; StreamHeader::BYTES];
    match tokio::time::timeout(HEADER_MAX, recv.read_exact(&mut bytes)).await {
        Ok(Ok(())) => StreamHeader::decode(bytes),
        _ => Err(FrameError::NotOurs),
    }
}

/// Ends both directions; a direction that is already closed needs nothing.
fn refuse(send: &mut SendStream, recv: &mut RecvStream, code: u32) {
    let _ = send.reset(VarInt::from_u32(code));
    let _ = recv.stop(VarInt::from_u32(code));
}
