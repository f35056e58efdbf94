//! The reading half: takes frames off the stream and hands each answer to its caller.

use std::sync::Arc;

use bytes::BytesMut;

use super::Pending;
use crate::codec::{CodecError, decode_body, take_frame};

const CHUNK_BYTES_MAX: usize = 256 * 1024;

pub(super) async fn run(mut stream: quinn::RecvStream, pending: Arc<Pending>) {
    let mut buffer = BytesMut::new();
    loop {
        match stream.read_chunk(CHUNK_BYTES_MAX, true).await {
            Ok(Some(chunk)) => buffer.extend_from_slice(&chunk.bytes),
            Ok(None) => return pending.close("the server ended the stream"),
            Err(error) => return pending.close(reason(&error)),
        }
        if let Err(error) = hand_out(&mut buffer, &pending) {
            return pending.close(error);
        }
    }
}

fn hand_out(buffer: &mut BytesMut, pending: &Pending) -> Result<(), CodecError> {
    while let Some((id, body)) = take_frame(buffer)? {
        pending.answer(id, decode_body(&body)?);
    }
    Ok(())
}

fn reason(error: &quinn::ReadError) -> String {
    match error {
        quinn::ReadError::ConnectionLost(lost) => lost.to_string(),
        other => other.to_string(),
    }
}
