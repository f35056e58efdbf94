//! Where incoming streams go. Filled while the node starts; what has no taker yet is refused with "not ready".
//!
//! The endpoint starts before consensus, which needs it to talk, so destinations are set one by one afterwards and
//! never change.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::ClientConnection;
use crate::identity::PeerCertificate;
use quorla_consensus::transport::{Channel, Duplex};

/// Channel of ractor_cluster's stream; beyond the channels of consensus and actors.
pub const LINK_CHANNEL: u8 = 32;
/// Channel of gossip messages, one unidirectional stream each.
pub const GOSSIP_CHANNEL: u8 = 33;

/// A framed stream that a peer opened for consensus or the actors.
#[derive(Debug)]
pub struct NodeStream {
    /// Who opened it; verified.
    pub from: Arc<PeerCertificate>,
    /// The Raft group.
    pub group: u16,
    /// The purpose.
    pub channel: Channel,
    /// Its frames.
    pub duplex: Duplex,
}

/// A stream of plain bytes that a peer opened.
#[derive(Debug)]
pub struct RawStream {
    /// Who opened it; verified.
    pub from: Arc<PeerCertificate>,
    /// Bytes to the peer.
    pub send: quinn::SendStream,
    /// Bytes from the peer.
    pub recv: quinn::RecvStream,
}

/// One gossip message.
#[derive(Debug)]
pub struct GossipMessage {
    /// The UDP address it came from.
    pub from: SocketAddr,
    /// The encoded message.
    pub bytes: Bytes,
}

type Taker<T> = OnceLock<Box<dyn Fn(T) + Send + Sync>>;

/// The destinations. A taker is called within the runtime that carries the stream's connection (the control thread for
/// control traffic) and must not block: it spawns or queues.
#[derive(Default)]
pub struct Routes {
    consensus: Taker<NodeStream>,
    actors: Taker<NodeStream>,
    links: Taker<RawStream>,
    clients: Taker<ClientConnection>,
    gossip: OnceLock<mpsc::Sender<GossipMessage>>,
}

impl Routes {
    /// Takes streams of the channels 0 to 15.
    ///
    /// # Panics
    /// When it was set before: two takers are a bug. So do the other setters.
    pub fn to_consensus(&self, taker: impl Fn(NodeStream) + Send + Sync + 'static) {
        set(&self.consensus, Box::new(taker));
    }

    /// Takes streams of the channels 16 to 31.
    pub fn to_actors(&self, taker: impl Fn(NodeStream) + Send + Sync + 'static) {
        set(&self.actors, Box::new(taker));
    }

    /// Takes ractor_cluster's streams.
    pub fn to_links(&self, taker: impl Fn(RawStream) + Send + Sync + 'static) {
        set(&self.links, Box::new(taker));
    }

    /// Takes connections of clients.
    pub fn to_clients(&self, taker: impl Fn(ClientConnection) + Send + Sync + 'static) {
        set(&self.clients, Box::new(taker));
    }

    /// Takes gossip messages; what does not fit into the queue is lost, as gossip may be.
    pub fn to_gossip(&self, queue: mpsc::Sender<GossipMessage>) {
        set(&self.gossip, queue);
    }

    /// Hands over a framed stream; gives it back when nobody takes it yet, as do the other two.
    pub(super) fn framed(&self, stream: NodeStream) -> Option<NodeStream> {
        let taker = if stream.channel.is_consensus() { &self.consensus } else { &self.actors };
        give(taker, stream)
    }

    pub(super) fn link(&self, stream: RawStream) -> Option<RawStream> {
        give(&self.links, stream)
    }

    pub(super) fn client(&self, connection: ClientConnection) -> Option<ClientConnection> {
        give(&self.clients, connection)
    }

    pub(super) fn gossip(&self, message: GossipMessage) {
        if let Some(queue) = self.gossip.get() {
            // Full or closed: lost, and sent again in the next round.
            let _ = queue.try_send(message);
        }
    }
}

fn set<T>(slot: &OnceLock<T>, value: T) {
    assert!(slot.set(value).is_ok(), "each kind of stream has one taker");
}

fn give<T>(taker: &Taker<T>, value: T) -> Option<T> {
    match taker.get() {
        Some(taker) => {
            taker(value);
            None
        }
        None => Some(value),
    }
}
