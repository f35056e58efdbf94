//! Strangers at the QUIC port, and members that send nonsense: turned away alone, while the cluster goes on.

use std::net::UdpSocket;

use bytes::{Bytes, BytesMut};
use quinn::Connection;
use quorla_client::codec::{decode_body, encode_body, put_frame, take_frame};
use quorla_client::{ErrorCode, JobRequest, ReadLevel, Reply, Request, Response};
use quorla_node::endpoint::{Refusal, code};
use quorla_node::identity::{Credentials, Role, write_dev_cluster};
use quorla_tests::trial::{Trial, settings};
use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};

use super::stranger::{CLIENT, NODE, Stranger, address, of_client, of_node};

const SEED: u64 = 20_811;
const DATAGRAMS: usize = 3_000;
const DATAGRAM_BYTES_MAX: usize = 1_400;
/// Streams of a node begin with this: magic, version, channel, group.
const HEADER: [u8; 3] = *b"QL\x01";
/// Votes, appends, snapshots, forwarded proposals, agents; the gossip of one-way streams is apart.
const CHANNELS: [u8; 5] = [0, 1, 2, 3, 16];

#[tokio::test]
async fn strangers_and_nonsense_are_turned_away_and_the_cluster_goes_on() {
    let trial = Trial::start(settings(3)).await;
    let pids = pids(&trial);
    let leader = trial.leader().await;
    random_datagrams(&trial).await;
    for position in [leader, (leader + 1) % 3] {
        strangers_are_refused_with_a_reason(&trial, position).await;
        nonsense_of_a_client_ends_its_stream_only(&trial, position).await;
        nonsense_of_a_node_ends_its_stream_only(&trial, position).await;
    }
    goes_on(&trial).await;
    assert_eq!(self::pids(&trial), pids, "no node was started again");
    trial.replicas_agree().await;
    trial.stop().await;
}

fn pids(trial: &Trial) -> Vec<Option<u32>> {
    trial.cluster.nodes().iter().map(|node| node.pid()).collect()
}

async fn goes_on(trial: &Trial) {
    let jobs = trial.client.submit_many((0..6).map(|_| JobRequest::new(["true"]))).await;
    let jobs: Vec<_> = jobs.into_iter().map(|outcome| outcome.unwrap().job_id).collect();
    trial.all_have_one_result(&jobs).await;
}

async fn random_datagrams(trial: &Trial) {
    let mut random = StdRng::seed_from_u64(SEED);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut datagram = [0; DATAGRAM_BYTES_MAX];
    for number in 0..DATAGRAMS {
        let bytes = random.random_range(1..=DATAGRAM_BYTES_MAX);
        random.fill_bytes(&mut datagram[..bytes]);
        if number % 2 == 0 {
            // As the first packet of a connection in QUIC version 1 begins.
            datagram[..5].copy_from_slice(&[0xc0, 0, 0, 0, 1]);
        }
        socket.send_to(&datagram[..bytes], address(trial, number % 3)).unwrap();
    }
    goes_on(trial).await;
}

async fn strangers_are_refused_with_a_reason(trial: &Trial, position: usize) {
    let stranger = Stranger::at(trial, position);
    let foreign = foreign(trial);
    for alpn in [NODE, CLIENT] {
        let credentials = if alpn == NODE { foreign.0.clone() } else { foreign.1.clone() };
        assert_eq!(stranger.refusal(credentials, alpn).await, Refusal::ForeignCa);
    }
    assert_eq!(stranger.refusal(of_client(trial), b"h3").await, Refusal::WrongAlpn);
    for (credentials, alpn, role) in
        [(of_client(trial), NODE, Role::Client), (of_node(trial, "n2"), CLIENT, Role::Node)]
    {
        let told = Refusal::WrongRole { role }.to_string();
        assert_eq!(stranger.refusal(credentials, alpn).await, Refusal::Other(told));
    }
    stranger.leave().await;
}

/// A node and a client of another CA, who trust the one that they attack.
fn foreign(trial: &Trial) -> (Credentials, Credentials) {
    let directory = tempfile::tempdir().unwrap();
    let now_ms = quorla_client::clock::wall_ms();
    let cluster = write_dev_cluster(directory.path(), &["n1"], &["me"], now_ms).unwrap();
    let load = |files| Credentials { ca: of_client(trial).ca, ..Credentials::load(files).unwrap() };
    (load(&cluster.nodes[0].files), load(&cluster.clients[0].files))
}

async fn nonsense_of_a_client_ends_its_stream_only(trial: &Trial, position: usize) {
    let stranger = Stranger::at(trial, position);
    let connection = stranger.dial(of_client(trial), CLIENT).await.unwrap();
    for nonsense in nonsense(&[], 12) {
        assert_eq!(answer(&connection, &nonsense).await, None);
    }
    let mut unreadable = BytesMut::new();
    put_frame(&mut unreadable, 7, &[0xff; 40]).unwrap();
    let refused = response(&connection, unreadable).await.outcome.unwrap_err();
    assert_eq!(refused.code, ErrorCode::MalformedFrame, "{refused:?}");

    let mut frame = BytesMut::new();
    put_frame(&mut frame, 7, &encode_body(&Request::Nodes(ReadLevel::Stale)).unwrap()).unwrap();
    let answered = response(&connection, frame).await.outcome;
    assert!(matches!(answered, Ok(Reply::Nodes(ref nodes)) if nodes.len() == 3), "{answered:?}");
    connection.close(0_u32.into(), b"");
    stranger.leave().await;
}

async fn nonsense_of_a_node_ends_its_stream_only(trial: &Trial, position: usize) {
    let stranger = Stranger::at(trial, position);
    let thief = &trial.cluster.nodes()[(position + 1) % 3].name;
    let connection = stranger.dial(of_node(trial, thief), NODE).await.unwrap();
    let unknown = [HEADER.as_slice(), &[15, 0, 0]].concat();
    let newer = b"QL\xff\x00\x00\x00".to_vec();
    for (stream, refused) in [(vec![0xa5; 64], code::MALFORMED), (newer, code::MALFORMED)] {
        assert_eq!(reset(&connection, &stream).await, Some(refused), "{stream:?}");
    }
    assert!(reset(&connection, &unknown).await.is_some(), "nobody takes it");
    for channel in CHANNELS {
        let header = [HEADER.as_slice(), &[channel, 0, 0]].concat();
        for nonsense in nonsense(&header, 4) {
            // Whoever serves may have greeted the agent already: what counts is that the stream ends.
            answer(&connection, &nonsense).await;
        }
    }
    assert_eq!(connection.close_reason(), None, "the connection and its other streams go on");
    connection.close(0_u32.into(), b"");
    stranger.leave().await;
}

/// After a header: random bytes as a whole frame, one that is cut short, one that is larger than any may be. A frame's
/// own header begins with its length and has so many bytes.
fn nonsense(header: &[u8], frame_header_bytes: usize) -> Vec<Vec<u8>> {
    let mut random = StdRng::seed_from_u64(SEED);
    let mut bytes = [0; 64];
    random.fill_bytes(&mut bytes);
    let frame = |length: u32, body: &[u8]| {
        let id = vec![0; frame_header_bytes - 4];
        [header, &length.to_le_bytes(), &id, body].concat()
    };
    let mut streams = vec![frame(1_000, &bytes), frame(u32::MAX, &bytes), [header, &[7, 0]].concat()];
    // A client's nonsense in a whole frame is answered, because its frame has a number to answer to.
    if !header.is_empty() {
        streams.push(frame(64, &bytes));
    }
    streams
}

/// What comes back on a stream of its own, up to its end; none when it ends without a byte.
async fn answer(connection: &Connection, sent: &[u8]) -> Option<Bytes> {
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    // The node may stop reading before all is written.
    let _ = send.write_all(sent).await;
    let _ = send.finish();
    let received = receive.read_to_end(1 << 20).await.ok()?;
    (!received.is_empty()).then(|| Bytes::from(received))
}

async fn response(connection: &Connection, frame: BytesMut) -> Response {
    let answered = answer(connection, &frame).await.unwrap();
    let mut answered = BytesMut::from(answered.as_ref());
    let (id, body) = take_frame(&mut answered).unwrap().unwrap();
    assert_eq!(id, 7);
    decode_body(&body).unwrap()
}

/// The code that the node resets a stream with.
async fn reset(connection: &Connection, sent: &[u8]) -> Option<u32> {
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    let _ = send.write_all(sent).await;
    match receive.read_to_end(1 << 20).await {
        Err(quinn::ReadToEndError::Read(quinn::ReadError::Reset(code))) => u32::try_from(code.into_inner()).ok(),
        _ => None,
    }
}
