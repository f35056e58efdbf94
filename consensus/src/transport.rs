//! How groups of different nodes talk: ordered streams of frames, opened per purpose.
//!
//! This crate owns the traits and an implementation in memory with faults; the node implements them over QUIC.
//! A slow channel must not block another one, and votes travel apart from everything else (R21).

use std::fmt;

use bytes::Bytes;
use futures::future::BoxFuture;

pub mod memory;
pub mod suite;

/// Whom to talk to. The key decides, the address is a hint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The storage incarnation (R1).
    pub raft_id: u64,
    /// The key that names the node.
    pub node_key: [u8; 32],
    /// Where it was last seen.
    pub address: String,
}

/// The purpose of a stream. 0 to 15 belong to this crate, 16 to 31 to the actors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Channel(u8);

impl Channel {
    /// Votes and heartbeats; the node gives them a connection of their own.
    pub const VOTE: Self = Self(0);
    /// Pipelined log replication.
    pub const APPEND: Self = Self(1);
    /// Snapshots, file by file.
    pub const SNAPSHOT: Self = Self(2);
    /// Commands and reads forwarded to the leader, and admissions.
    pub const FORWARD: Self = Self(3);
    /// Renewals and reports of the agents.
    pub const AGENT: Self = Self(16);
    /// Output of attempts, read where it is kept.
    pub const OUTPUT: Self = Self(17);

    const COUNT: u8 = 32;

    /// The channel with this number, if there can be one.
    pub fn from_number(number: u8) -> Option<Self> {
        (number < Self::COUNT).then_some(Self(number))
    }

    /// Its number on the wire.
    pub fn number(self) -> u8 {
        self.0
    }

    /// Whether this crate answers it.
    pub fn is_consensus(self) -> bool {
        self.0 < 16
    }

    /// The largest frame that may be sent on it, in bytes.
    pub fn frame_bytes_max(self) -> usize {
        match self {
            Self::VOTE => 1 << 20,
            _ => 16 << 20,
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::VOTE => formatter.write_str("vote"),
            Self::APPEND => formatter.write_str("append"),
            Self::SNAPSHOT => formatter.write_str("snapshot"),
            Self::FORWARD => formatter.write_str("forward"),
            Self::AGENT => formatter.write_str("agent"),
            Self::OUTPUT => formatter.write_str("output"),
            Self(number) => write!(formatter, "channel {number}"),
        }
    }
}

/// Why a stream could not be opened or broke.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// Nobody answers there.
    #[error("reach the peer: {reason}")]
    Unreachable {
        /// What the network said.
        reason: String,
    },
    /// The stream or its connection ended in the middle.
    #[error("keep the stream: {reason}")]
    Broken {
        /// What the network said.
        reason: String,
    },
    /// A frame is larger than its channel allows.
    #[error("send a frame of {bytes} bytes: at most {bytes_max} are allowed")]
    FrameTooLarge {
        /// The size of the frame.
        bytes: usize,
        /// The bound of the channel.
        bytes_max: usize,
    },
}

/// A stream that is of no more use, for whatever reason.
pub(crate) fn broken(reason: impl fmt::Display) -> TransportError {
    TransportError::Broken { reason: reason.to_string() }
}

/// Opens streams to peers.
pub trait Transport: Send + Sync + 'static {
    /// Opens a stream for `group` and `channel`; the other side sees it once the first frame is sent, or earlier.
    fn open<'a>(&'a self, to: &'a Peer, group: u16, channel: Channel) -> BoxFuture<'a, Result<Duplex, TransportError>>;
}

/// Both directions of a stream.
pub struct Duplex {
    /// Frames to the peer.
    pub sink: Box<dyn FrameSink>,
    /// Frames from the peer.
    pub source: Box<dyn FrameSource>,
}

impl fmt::Debug for Duplex {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Duplex")
    }
}

/// Sends frames in order. Dropping it without `finish` breaks the stream.
pub trait FrameSink: Send + 'static {
    /// Sends one frame; waits while the peer is too slow.
    fn send(&mut self, frame: Bytes) -> BoxFuture<'_, Result<(), TransportError>>;
    /// Says that no frame follows. The peer's `recv` returns `None` after the last one.
    fn finish(&mut self) -> BoxFuture<'_, Result<(), TransportError>>;
}

/// Receives frames in order.
pub trait FrameSource: Send + 'static {
    /// The next frame; `None` when the peer finished.
    fn recv(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, TransportError>>;
}
