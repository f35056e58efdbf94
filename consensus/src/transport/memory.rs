//! A transport inside one process with faults: delay, cut links (one way or both), streams broken at random.
//!
//! Streams are reliable as over QUIC: a lost frame would break the protocol above, so loss shows as a broken
//! stream, and a cut link holds frames back until it heals or the stream is dropped.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::sync::{mpsc, watch};

use super::{Channel, Duplex, FrameSink, FrameSource, Peer, Transport, TransportError, broken};

/// Frames that may wait in one direction of a stream.
const FRAMES_QUEUED_MAX: usize = 64;

/// The key that names a node.
pub type NodeKey = [u8; 32];

/// A stream that arrived at a node.
#[derive(Debug)]
pub struct Incoming {
    /// Who opened it.
    pub from: NodeKey,
    /// For which group.
    pub group: u16,
    /// For which purpose.
    pub channel: Channel,
    /// The stream.
    pub duplex: Duplex,
}

/// What is wrong with the network at the moment.
#[derive(Debug, Clone, Default)]
struct Faults {
    /// Directed links over which nothing travels.
    cut: HashSet<(NodeKey, NodeKey)>,
    /// Added to every frame.
    delay: Duration,
    /// Of 1,000 frames so many break their stream.
    broken_per_mille: u64,
    /// State of the generator that decides which.
    random: u64,
    harm: Harm,
}

/// What the faults did so far, so that a test can tell that there were any.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Harm {
    /// Frames that were lost, each with its stream.
    pub lost: u64,
    /// Frames that a cut link held back.
    pub held: u64,
    /// Frames that came later than they were sent.
    pub delayed: u64,
}

/// The network that all nodes of a process share.
#[derive(Clone)]
pub struct MemoryNetwork {
    inner: Arc<Inner>,
}

struct Inner {
    nodes: Mutex<HashMap<NodeKey, mpsc::Sender<Incoming>>>,
    faults: Mutex<Faults>,
    changed: watch::Sender<u64>,
}

impl MemoryNetwork {
    /// A sound network; `seed` decides what breaks once faults are set.
    pub fn new(seed: u64) -> Self {
        let faults = Faults { random: seed | 1, ..Faults::default() };
        let inner = Inner { nodes: Mutex::default(), faults: Mutex::new(faults), changed: watch::Sender::new(0) };
        Self { inner: Arc::new(inner) }
    }

    /// Joins a node: its transport, and the streams that others open to it. Joining again replaces the former one.
    pub fn join(&self, key: NodeKey) -> (MemoryTransport, mpsc::Receiver<Incoming>) {
        let (sender, receiver) = mpsc::channel(1_024);
        lock(&self.inner.nodes).insert(key, sender);
        (MemoryTransport { network: self.clone(), key }, receiver)
    }

    /// Takes a node off the network.
    pub fn leave(&self, key: NodeKey) {
        lock(&self.inner.nodes).remove(&key);
        self.wake();
    }

    /// Nothing travels from `from` to `to` any more; the other direction stays.
    pub fn cut_one_way(&self, from: NodeKey, to: NodeKey) {
        lock(&self.inner.faults).cut.insert((from, to));
        self.wake();
    }

    /// Cuts every link between the two sides.
    pub fn partition(&self, left: &[NodeKey], right: &[NodeKey]) {
        for one in left {
            for other in right {
                self.cut_one_way(*one, *other);
                self.cut_one_way(*other, *one);
            }
        }
    }

    /// Every frame arrives so much later.
    pub fn delay(&self, delay: Duration) {
        lock(&self.inner.faults).delay = delay;
    }

    /// Of 1,000 frames so many are lost, and with them their stream.
    pub fn drop_per_mille(&self, frames: u64) {
        lock(&self.inner.faults).broken_per_mille = frames;
    }

    /// Ends all faults.
    pub fn heal(&self) {
        let mut faults = lock(&self.inner.faults);
        *faults = Faults { random: faults.random, harm: faults.harm, ..Faults::default() };
        drop(faults);
        self.wake();
    }

    /// Makes cut links whole; delays and losses stay.
    pub fn mend_links(&self) {
        lock(&self.inner.faults).cut.clear();
        self.wake();
    }

    /// What the faults did so far.
    pub fn harm(&self) -> Harm {
        lock(&self.inner.faults).harm
    }

    fn wake(&self) {
        self.inner.changed.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn is_cut(&self, from: NodeKey, to: NodeKey) -> bool {
        lock(&self.inner.faults).cut.contains(&(from, to))
    }

    /// The delay of the next frame, or `None` when it is lost.
    fn fate(&self) -> Option<Duration> {
        let mut faults = lock(&self.inner.faults);
        // xorshift64 (Marsaglia, 2003): repeatable from the seed, which is all that is asked of it.
        faults.random ^= faults.random << 13;
        faults.random ^= faults.random >> 7;
        faults.random ^= faults.random << 17;
        if faults.random % 1_000 < faults.broken_per_mille {
            faults.harm.lost += 1;
            return None;
        }
        faults.harm.delayed += u64::from(!faults.delay.is_zero());
        Some(faults.delay)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One node's side of the network.
#[derive(Clone)]
pub struct MemoryTransport {
    network: MemoryNetwork,
    key: NodeKey,
}

impl Transport for MemoryTransport {
    fn open<'a>(&'a self, to: &'a Peer, group: u16, channel: Channel) -> BoxFuture<'a, Result<Duplex, TransportError>> {
        Box::pin(async move {
            let unreachable = || TransportError::Unreachable { reason: "no such node".to_owned() };
            if self.network.is_cut(self.key, to.node_key) || self.network.is_cut(to.node_key, self.key) {
                return Err(TransportError::Unreachable { reason: "the link is cut".to_owned() });
            }
            let node = lock(&self.network.inner.nodes).get(&to.node_key).cloned().ok_or_else(unreachable)?;
            let (our_sink, their_source) = self.half(self.key, to.node_key, channel);
            let (their_sink, our_source) = self.half(to.node_key, self.key, channel);
            let duplex = Duplex { sink: Box::new(their_sink), source: Box::new(their_source) };
            let incoming = Incoming { from: self.key, group, channel, duplex };
            node.send(incoming).await.map_err(|_| unreachable())?;
            Ok(Duplex { sink: Box::new(our_sink), source: Box::new(our_source) })
        })
    }
}

impl MemoryTransport {
    fn half(&self, from: NodeKey, to: NodeKey, channel: Channel) -> (MemorySink, MemorySource) {
        let (sender, receiver) = mpsc::channel(FRAMES_QUEUED_MAX);
        let sink = MemorySink { network: self.network.clone(), from, to, channel, sender: Some(sender) };
        let source = MemorySource { network: self.network.clone(), from, to, receiver, finished: false };
        (sink, source)
    }
}

enum Frame {
    Content(Bytes, tokio::time::Instant),
    Finished,
}

struct MemorySink {
    network: MemoryNetwork,
    from: NodeKey,
    to: NodeKey,
    channel: Channel,
    sender: Option<mpsc::Sender<Frame>>,
}

impl FrameSink for MemorySink {
    fn send(&mut self, frame: Bytes) -> BoxFuture<'_, Result<(), TransportError>> {
        Box::pin(async move {
            let bytes_max = self.channel.frame_bytes_max();
            if frame.len() > bytes_max {
                return Err(TransportError::FrameTooLarge { bytes: frame.len(), bytes_max });
            }
            let Some(delay) = self.network.fate() else {
                self.sender = None;
                return Err(broken("the frame was lost"));
            };
            let sender = self.sender.as_ref().ok_or_else(|| broken("the stream is finished"))?;
            let due = tokio::time::Instant::now() + delay;
            sender.send(Frame::Content(frame, due)).await.map_err(|_| broken("the peer is gone"))
        })
    }

    fn finish(&mut self) -> BoxFuture<'_, Result<(), TransportError>> {
        Box::pin(async move {
            let sender = self.sender.take().ok_or_else(|| broken("the stream is finished"))?;
            sender.send(Frame::Finished).await.map_err(|_| broken("the peer is gone"))
        })
    }
}

impl Drop for MemorySink {
    fn drop(&mut self) {
        tracing::trace!(from = self.from[0], to = self.to[0], channel = %self.channel, "sink dropped");
    }
}

struct MemorySource {
    network: MemoryNetwork,
    from: NodeKey,
    to: NodeKey,
    receiver: mpsc::Receiver<Frame>,
    finished: bool,
}

impl MemorySource {
    /// Waits while the link is cut: what was sent is held back, not lost.
    async fn wait_until_whole(&self) {
        let mut changed = self.network.inner.changed.subscribe();
        if self.network.is_cut(self.from, self.to) {
            lock(&self.network.inner.faults).harm.held += 1;
        }
        while self.network.is_cut(self.from, self.to) {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }
}

impl FrameSource for MemorySource {
    fn recv(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, TransportError>> {
        Box::pin(async move {
            if self.finished {
                return Ok(None);
            }
            let frame = self.receiver.recv().await;
            self.wait_until_whole().await;
            match frame {
                Some(Frame::Content(content, due)) => {
                    tokio::time::sleep_until(due).await;
                    Ok(Some(content))
                }
                Some(Frame::Finished) => {
                    self.finished = true;
                    Ok(None)
                }
                None => Err(broken("the peer dropped the stream")),
            }
        })
    }
}
