//! The client plane: verified principals, frames of the client crate, bounds.

use bytes::{Bytes, BytesMut};
use quorla_client::codec::{put_frame, take_frame};
use quorla_node::endpoint::{ClientConnection, Endpoint, Refusal};

use crate::rig::{Rig, Stranger, soon};

/// Serves every client by sending its bodies back.
fn echo(endpoint: &Endpoint) {
    endpoint.routes().to_clients(|client: ClientConnection| {
        tokio::spawn(async move {
            while let Some((mut requests, mut replies)) = client.accept_stream().await {
                while let Ok(Some(announced)) = requests.body_bytes().await {
                    let (id, body) = requests.next().await.unwrap().unwrap();
                    assert_eq!(usize::try_from(announced).unwrap(), body.len());
                    replies.push(id, &body).unwrap();
                    replies.flush().await.unwrap();
                }
            }
        });
    });
}

fn client(rig: &Rig) -> Stranger {
    Stranger { credentials: Some(rig.client()), ca: rig.node(0).ca, alpn: b"quorla-client/1" }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_and_replies_cross_with_their_ids() {
    let rig = Rig::new();
    let endpoint = rig.endpoint(0);
    echo(&endpoint);
    let connection = client(&rig).dial(endpoint.local_addr().unwrap()).await.unwrap();
    let (mut send, mut recv) = soon(connection.open_bi()).await.unwrap();
    let mut sent = BytesMut::new();
    put_frame(&mut sent, 7, b"one").unwrap();
    put_frame(&mut sent, 8, b"two").unwrap();
    send.write_all(&sent).await.unwrap();
    let mut received = BytesMut::new();
    for expected in [(7, Bytes::from("one")), (8, Bytes::from("two"))] {
        let frame = loop {
            if let Some(frame) = take_frame(&mut received).unwrap() {
                break frame;
            }
            let chunk = soon(recv.read_chunk(100, true)).await.unwrap().unwrap();
            received.extend_from_slice(&chunk.bytes);
        };
        assert_eq!(frame, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn random_bytes_end_their_stream_only() {
    let rig = Rig::new();
    let endpoint = rig.endpoint(0);
    echo(&endpoint);
    let connection = client(&rig).dial(endpoint.local_addr().unwrap()).await.unwrap();
    let (mut send, mut recv) = soon(connection.open_bi()).await.unwrap();
    send.write_all(&[0xff; 64]).await.unwrap();
    assert!(!matches!(soon(recv.read_to_end(100)).await, Ok(bytes) if !bytes.is_empty()));
    let (mut send, mut recv) = soon(connection.open_bi()).await.unwrap();
    let mut sent = BytesMut::new();
    put_frame(&mut sent, 1, b"still here").unwrap();
    send.write_all(&sent).await.unwrap();
    let mut received = vec![0; sent.len()];
    soon(recv.read_exact(&mut received)).await.unwrap();
    assert_eq!(received, sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn node_that_is_starting_says_so() {
    let rig = Rig::new();
    let endpoint = rig.endpoint(0);
    let refusal = client(&rig).refusal(endpoint.local_addr().unwrap()).await;
    assert_eq!(refusal, Refusal::Unavailable);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_beyond_the_bound_are_refused() {
    let rig = Rig::new();
    let endpoint = rig.endpoint(0);
    echo(&endpoint);
    let to = endpoint.local_addr().unwrap();
    let mut kept = Vec::new();
    for _ in 0..4 {
        let connection = client(&rig).dial(to).await.unwrap();
        let (mut send, mut recv) = soon(connection.open_bi()).await.unwrap();
        send.write_all(&[0; 12]).await.unwrap();
        // The echo proves that the connection is served and counted.
        soon(recv.read_exact(&mut [0; 12])).await.unwrap();
        kept.push(connection);
    }
    assert_eq!(client(&rig).refusal(to).await, Refusal::TooMany);
}
