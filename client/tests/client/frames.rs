//! A server that sends what is no frame: the connection is given up, nothing is believed, nothing panics.

use bytes::{BufMut as _, Bytes, BytesMut};
use quorla_client::codec::put_frame;
use quorla_client::limits::FRAME_BYTES_MAX;
use quorla_client::{Client, JobRequest};

use crate::authority::Authority;
use crate::pipelining::accept_all;
use crate::server::{Act, Server, options};

/// The first answer is these bytes; the client must give up that connection and be served by the next one.
async fn check(bytes: Bytes) {
    let authority = Authority::new();
    let mut bytes = Some(bytes);
    let server = Server::start(&authority, move |request| match bytes.take() {
        Some(bytes) => Act::Raw(bytes),
        None => accept_all(request),
    });
    let client = Client::connect(options(&authority, &[&server])).await.unwrap();
    let submitted = client.submit(JobRequest::new(["true"])).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen.len(), 2, "the submit was repeated");
    assert_eq!(seen[0], seen[1]);
    assert!(matches!(&seen[1], quorla_client::Request::Submit(submit) if submit.job_id == submitted.job_id));
}

#[tokio::test]
async fn an_oversized_frame_ends_the_connection() {
    let mut bytes = BytesMut::new();
    bytes.put_u32_le(FRAME_BYTES_MAX + 1);
    bytes.put_u64_le(1);
    check(bytes.freeze()).await;
}

#[tokio::test]
async fn a_frame_that_is_no_answer_ends_the_connection() {
    let mut bytes = BytesMut::new();
    put_frame(&mut bytes, 1, &[255; 40]).unwrap();
    check(bytes.freeze()).await;
}

#[tokio::test]
async fn a_truncated_frame_is_no_answer() {
    check(Bytes::from_static(&[40, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 9])).await;
}
