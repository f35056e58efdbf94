//! Frames between nodes over QUIC: the contract of the transport, and what malformed streams cost.

use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use quorla_consensus::transport::suite::{self, Subject};
use quorla_consensus::transport::{Channel, Duplex, Peer, Transport, TransportError};
use quorla_node::endpoint::{Endpoint, NodeStream, Traffic};
use quorla_node::transport::QuicTransport;
use tokio::sync::{Mutex, mpsc};

use crate::rig::{Rig, address, address_of_this_process, endpoint, endpoint_once_free, soon};

/// What arrives at an endpoint, with the name of the thread that carries it.
type Arrived = mpsc::UnboundedReceiver<(NodeStream, String)>;

fn take(endpoint: &Endpoint) -> Arrived {
    let (queue, arrived) = mpsc::unbounded_channel();
    let actors = queue.clone();
    endpoint.routes().to_consensus(move |stream| queue.send((stream, thread_name())).unwrap());
    endpoint.routes().to_actors(move |stream| actors.send((stream, thread_name())).unwrap());
    arrived
}

fn thread_name() -> String {
    std::thread::current().name().unwrap_or_default().to_owned()
}

fn peer(endpoint: &Endpoint) -> Peer {
    let to = address(endpoint);
    Peer { raft_id: 1, node_key: to.key.0, address: to.address }
}

/// Two nodes: the first opens, the second receives.
struct Pair {
    _rig: Rig,
    first: Endpoint,
    second: Endpoint,
    transport: QuicTransport,
    arrived: Mutex<Arrived>,
}

impl Pair {
    fn new() -> Self {
        let rig = Rig::new();
        let (first, second) = (rig.endpoint(0), rig.endpoint(1));
        let arrived = Mutex::new(take(&second));
        Self { _rig: rig, transport: QuicTransport::new(first.clone(), nobody()), first, second, arrived }
    }

    async fn open(&self, channel: Channel) -> Duplex {
        soon(self.transport.open(&peer(&self.second), 0, channel)).await.unwrap()
    }

    async fn next(&self) -> (NodeStream, String) {
        soon(async { self.arrived.lock().await.recv().await }).await.unwrap()
    }

    /// A stream with these bytes on it, as a peer that does not keep to the protocol might open one.
    async fn raw(&self, bytes: &[u8]) -> (quinn::SendStream, quinn::RecvStream) {
        let connection = soon(self.first.connect(&address(&self.second), Traffic::Bulk)).await.unwrap();
        let (mut send, recv) = connection.open_bi().await.unwrap();
        send.write_all(bytes).await.unwrap();
        (send, recv)
    }
}

impl Subject for Pair {
    fn transport(&self) -> &dyn Transport {
        &self.transport
    }

    fn peer(&self) -> Peer {
        peer(&self.second)
    }

    fn absent_peer(&self) -> Peer {
        Peer { raft_id: 9, node_key: [9; 32], address: "127.0.0.1:1".to_owned() }
    }

    fn accept(&self) -> BoxFuture<'_, Option<(u16, Channel, Duplex)>> {
        async {
            let (stream, _) = self.arrived.lock().await.recv().await?;
            Some((stream.group, stream.channel, stream.duplex))
        }
        .boxed()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn transport_keeps_the_contract() {
    suite::run(&Pair::new()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn sender_is_known_by_its_certificate() {
    let pair = Pair::new();
    let mut duplex = pair.open(Channel::APPEND).await;
    duplex.sink.send(Bytes::from("x")).await.unwrap();
    let (stream, _) = pair.next().await;
    assert_eq!((stream.from.key, stream.from.name.as_str()), (pair.first.own().key, "n1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn votes_arrive_on_the_control_thread_and_nothing_else_does() {
    let pair = Pair::new();
    for (channel, control) in [(Channel::VOTE, true), (Channel::APPEND, false), (Channel::AGENT, false)] {
        let mut duplex = pair.open(channel).await;
        duplex.sink.send(Bytes::from("x")).await.unwrap();
        let (stream, thread) = pair.next().await;
        assert_eq!((stream.channel, thread == "quorla-control"), (channel, control), "{thread}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn oversized_frame_of_a_peer_breaks_its_stream_only() {
    let pair = Pair::new();
    let (_send, mut recv) = pair.raw(b"QL\x01\x01\0\0\xff\xff\xff\xffabc").await;
    let (mut stream, _) = pair.next().await;
    let broken = soon(stream.duplex.source.recv()).await.unwrap_err();
    assert!(broken.to_string().contains("a frame of 4294967295 bytes"), "{broken}");
    drop(stream);
    assert!(soon(recv.read_to_end(1)).await.is_err());
    let mut other = pair.open(Channel::APPEND).await;
    other.sink.send(Bytes::from("fine")).await.unwrap();
    assert_eq!(soon(pair.next().await.0.duplex.source.recv()).await.unwrap().unwrap(), "fine");
}

#[tokio::test(flavor = "multi_thread")]
async fn stream_that_ends_within_a_frame_is_broken() {
    let pair = Pair::new();
    let (mut send, _recv) = pair.raw(b"QL\x01\x01\0\0\x09\0\0\0abc").await;
    send.finish().unwrap();
    let (mut stream, _) = pair.next().await;
    let broken = soon(stream.duplex.source.recv()).await.unwrap_err();
    assert!(broken.to_string().contains("ended within a frame"), "{broken}");
}

#[tokio::test(flavor = "multi_thread")]
async fn random_bytes_and_unknown_channels_are_refused_and_harmless() {
    let pair = Pair::new();
    for bytes in [&b"GET / HTTP/1.1\r\n"[..], b"QL\x09\0\0\0", b"QL\x01\xfe\0\0", &[0; 64]] {
        let (_send, mut recv) = pair.raw(bytes).await;
        assert!(soon(recv.read_to_end(1)).await.is_err(), "{bytes:?}");
    }
    let mut duplex = pair.open(Channel::FORWARD).await;
    duplex.sink.send(Bytes::from("fine")).await.unwrap();
    assert_eq!(pair.next().await.0.channel, Channel::FORWARD);
}

#[tokio::test(flavor = "multi_thread")]
async fn stream_that_nobody_takes_yet_is_refused() {
    let rig = Rig::new();
    let (first, second) = (rig.endpoint(0), rig.endpoint(1));
    let transport = QuicTransport::new(first, nobody());
    let mut early = soon(transport.open(&peer(&second), 0, Channel::VOTE)).await.unwrap();
    assert!(matches!(soon(early.source.recv()).await, Err(TransportError::Broken { .. })));
    let mut arrived = take(&second);
    let mut later = soon(transport.open(&peer(&second), 3, Channel::VOTE)).await.unwrap();
    later.sink.send(Bytes::from("x")).await.unwrap();
    assert_eq!(soon(arrived.recv()).await.unwrap().0.group, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn peer_that_shut_down_is_reached_again_when_it_is_back() {
    let rig = Rig::new();
    let first = rig.endpoint(0);
    let second = endpoint(rig.node(1), address_of_this_process());
    let transport = Arc::new(QuicTransport::new(first, nobody()));
    let _arrived = take(&second);
    let to = peer(&second);
    let bind = second.local_addr().unwrap();
    let mut duplex = soon(transport.open(&to, 0, Channel::APPEND)).await.unwrap();
    second.close().await;
    assert!(soon(duplex.source.recv()).await.is_err());
    drop(second);
    let reborn = endpoint_once_free(rig.node(1), bind).await;
    let mut arrived = take(&reborn);
    let reached = async {
        loop {
            if let Ok(mut duplex) = transport.open(&to, 0, Channel::APPEND).await
                && duplex.sink.send(Bytes::from("again")).await.is_ok()
            {
                return duplex;
            }
            tokio::task::yield_now().await;
        }
    };
    let _duplex = soon(reached).await;
    assert_eq!(soon(arrived.recv()).await.unwrap().0.channel, Channel::APPEND);
}

/// Gossip that shows no members: peers are dialled where they are said to be.
fn nobody() -> tokio::sync::watch::Receiver<quorla_node::gossip::Members> {
    tokio::sync::watch::channel(quorla_node::gossip::Members::default()).1
}
