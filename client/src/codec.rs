//! Frames of the client plane, and the only place here that calls bincode.
//!
//! A frame is `[body length u32 LE][correlation id u64 LE][body]`, the body one bincode value. Decoding never trusts a
//! length: bodies are bounded, and so is what a decoded value may claim to hold. Bytes after the value are refused.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::limits::{FRAME_BYTES_MAX, FRAME_HEADER_BYTES};

const DECODED_BYTES_MAX: usize = 4 * FRAME_BYTES_MAX as usize;
/// Most bodies fit in so many bytes, and are then written without growing.
const BODY_BYTES_USUAL: usize = 256;

/// Bytes that are no frame, or a value that makes no frame.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// A frame's body exceeds the bound.
    #[error("a frame's body is {bytes} bytes, the bound is {FRAME_BYTES_MAX}")]
    FrameTooLarge {
        /// Its length, as claimed or as encoded.
        bytes: u64,
    },
    /// A body is not the value that was expected.
    #[error("decode a frame's body: {0}")]
    Malformed(#[source] bincode::error::DecodeError),
    /// Bytes follow the value.
    #[error("decode a frame's body: {bytes} bytes follow the value")]
    TrailingBytes {
        /// How many.
        bytes: usize,
    },
    /// A value can't be encoded.
    #[error("encode a frame's body: {0}")]
    Unencodable(#[source] bincode::error::EncodeError),
}

/// Encodes one body, without a header, so that a repeated request is encoded once.
///
/// # Errors
/// [`CodecError::FrameTooLarge`] when it exceeds [`FRAME_BYTES_MAX`].
pub fn encode_body<T: Serialize>(value: &T) -> Result<Bytes, CodecError> {
    let mut body = Vec::with_capacity(BODY_BYTES_USUAL);
    bincode::serde::encode_into_std_write(value, &mut body, bincode::config::standard())
        .map_err(CodecError::Unencodable)?;
    body_length(body.len())?;
    Ok(Bytes::from(body))
}

/// Decodes one body.
///
/// # Errors
/// [`CodecError`] when the bytes are not exactly one value.
pub fn decode_body<T: DeserializeOwned>(body: &[u8]) -> Result<T, CodecError> {
    let config = bincode::config::standard().with_limit::<DECODED_BYTES_MAX>();
    let (value, used) = bincode::serde::decode_from_slice(body, config).map_err(CodecError::Malformed)?;
    match body.len() - used {
        0 => Ok(value),
        bytes => Err(CodecError::TrailingBytes { bytes }),
    }
}

/// Appends a frame to a buffer.
///
/// # Errors
/// [`CodecError::FrameTooLarge`] when the body exceeds [`FRAME_BYTES_MAX`].
pub fn put_frame(buffer: &mut BytesMut, id: u64, body: &[u8]) -> Result<(), CodecError> {
    let length = body_length(body.len())?;
    buffer.reserve(FRAME_HEADER_BYTES + body.len());
    buffer.put_u32_le(length);
    buffer.put_u64_le(id);
    buffer.put_slice(body);
    Ok(())
}

/// Takes the next whole frame from a buffer: its correlation id and body. None when more bytes are needed.
///
/// # Errors
/// [`CodecError::FrameTooLarge`] when the header claims more than [`FRAME_BYTES_MAX`]; the stream can't be read on.
pub fn take_frame(buffer: &mut BytesMut) -> Result<Option<(u64, Bytes)>, CodecError> {
    let Some(header) = buffer.first_chunk::<FRAME_HEADER_BYTES>() else {
        return Ok(None);
    };
    let mut header = &header[..];
    let length = header.get_u32_le();
    let id = header.get_u64_le();
    if length > FRAME_BYTES_MAX {
        return Err(CodecError::FrameTooLarge { bytes: length.into() });
    }
    let length = usize::try_from(length).expect("a frame's bound fits into memory");
    if buffer.len() < FRAME_HEADER_BYTES + length {
        return Ok(None);
    }
    buffer.advance(FRAME_HEADER_BYTES);
    Ok(Some((id, buffer.split_to(length).freeze())))
}

fn body_length(bytes: usize) -> Result<u32, CodecError> {
    u32::try_from(bytes)
        .ok()
        .filter(|length| *length <= FRAME_BYTES_MAX)
        .ok_or(CodecError::FrameTooLarge { bytes: u64::try_from(bytes).unwrap_or(u64::MAX) })
}

#[cfg(test)]
mod tests {
    use bytes::BufMut as _;

    use super::{Bytes, BytesMut, CodecError, FRAME_BYTES_MAX, decode_body, encode_body, put_frame, take_frame};
    use crate::ids::JobId;
    use crate::job::JobRequest;
    use crate::reply::{Reply, Response, Submitted};
    use crate::request::{Request, Submit};

    fn submit() -> Request {
        let mut job = JobRequest::new(["sh", "-c", "exit 7"]).stdin(vec![0, 255]).env("A", "b").name("n");
        job.constraints = vec!["zone in (a, b)".parse().unwrap()];
        Request::Submit(Box::new(Submit { job_id: JobId::from_parts(1, 2), job }))
    }

    #[test]
    fn a_request_survives_the_wire() {
        let body = encode_body(&submit()).unwrap();
        assert_eq!(decode_body::<Request>(&body).unwrap(), submit());
    }

    #[test]
    fn a_reply_survives_the_wire() {
        let submitted = Submitted { job_id: JobId::from_parts(3, 4), existing: false };
        let response = Response { applied_index: 9, outcome: Ok(Reply::SubmittedMany(vec![Ok(submitted)])) };
        let body = encode_body(&response).unwrap();
        assert_eq!(decode_body::<Response>(&body).unwrap(), response);
    }

    #[test]
    fn frames_are_taken_one_by_one_however_they_arrive() {
        let mut sent = BytesMut::new();
        put_frame(&mut sent, 7, b"first").unwrap();
        put_frame(&mut sent, 8, b"").unwrap();
        let mut received = BytesMut::new();
        let mut frames = Vec::new();
        for byte in sent {
            received.put_u8(byte);
            frames.extend(take_frame(&mut received).unwrap());
        }
        assert_eq!(frames, vec![(7, Bytes::from_static(b"first")), (8, Bytes::new())]);
        assert!(received.is_empty());
    }

    #[test]
    fn a_frame_that_claims_too_much_is_refused_before_it_is_read() {
        let mut buffer = BytesMut::new();
        buffer.put_u32_le(FRAME_BYTES_MAX + 1);
        buffer.put_u64_le(1);
        assert!(matches!(take_frame(&mut buffer), Err(CodecError::FrameTooLarge { .. })));
    }

    #[test]
    fn random_truncated_and_lengthened_bodies_are_refused() {
        let body = encode_body(&submit()).unwrap();
        for cut in 0..body.len() {
            assert!(decode_body::<Request>(&body[..cut]).is_err(), "cut at {cut}");
        }
        let mut longer = body.to_vec();
        longer.push(0);
        assert!(matches!(decode_body::<Request>(&longer), Err(CodecError::TrailingBytes { bytes: 1 })));
        assert!(decode_body::<Request>(&[255; 64]).is_err());
    }

    #[test]
    fn a_value_that_claims_to_be_huge_is_refused_without_memory() {
        // A SubmitMany (variant 2) that claims 2^60 jobs.
        let mut body = vec![2, 253];
        body.extend_from_slice(&(1_u64 << 60).to_le_bytes());
        assert!(decode_body::<Request>(&body).is_err());
    }
}
