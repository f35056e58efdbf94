//! What goes over a stream between nodes: one header, then length-prefixed frames.
//!
//! Pure: bytes in, frames out; no stream, no clock. A length beyond the channel's bound is refused before a byte of it
//! is stored, so that random bytes cost a stream and nothing else. Wire form, all little-endian:
//!
//! ```text
//! header  'Q' 'L' [version u8 = 1] [channel u8] [group u16]
//! frame   [length u32] [that many bytes]
//! ```

use bytes::{Bytes, BytesMut};
use thiserror::Error;

/// The version of header and framing.
const VERSION: u8 = 1;
const MAGIC: [u8; 2] = *b"QL";

/// Bytes of a frame's length prefix.
pub const LENGTH_BYTES: usize = 4;

/// Why bytes on a stream are no frames of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum FrameError {
    /// The announced length is over the channel's bound.
    #[error("a frame of {bytes} bytes: at most {bytes_max} are allowed here")]
    Oversized {
        /// What the length prefix says.
        bytes: usize,
        /// The bound.
        bytes_max: usize,
    },
    /// The stream ended within a frame.
    #[error("the stream ended within a frame, after {bytes} bytes of it")]
    Truncated {
        /// Bytes of the unfinished frame, prefix included.
        bytes: usize,
    },
    /// The stream does not begin with our header.
    #[error("the stream does not begin with a Quorla header")]
    NotOurs,
    /// The header is of a version that this program does not know.
    #[error("the stream is of version {0}, this program knows {VERSION}: upgrade it")]
    UnknownVersion(u8),
}

/// What a stream is for: the first bytes on it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct StreamHeader {
    /// The Raft group.
    pub group: u16,
    /// The purpose: 0 to 15 consensus, 16 to 31 actors, from 32 on this crate's own.
    pub channel: u8,
}

impl StreamHeader {
    /// Its size on the wire.
    pub const BYTES: usize = 6;

    /// The wire form.
    pub fn encode(self) -> [u8; Self::BYTES] {
        let group = self.group.to_le_bytes();
        [MAGIC[0], MAGIC[1], VERSION, self.channel, group[0], group[1]]
    }

    /// Reads the wire form.
    pub fn decode(bytes: [u8; Self::BYTES]) -> Result<Self, FrameError> {
        let [first, second, version, channel, low, high] = bytes;
        if [first, second] != MAGIC {
            return Err(FrameError::NotOurs);
        }
        if version != VERSION {
            return Err(FrameError::UnknownVersion(version));
        }
        Ok(Self { group: u16::from_le_bytes([low, high]), channel })
    }
}

/// The length prefix for a frame of `bytes`, or why it may not be sent.
pub fn length_prefix(bytes: usize, bytes_max: usize) -> Result<[u8; LENGTH_BYTES], FrameError> {
    let oversized = FrameError::Oversized { bytes, bytes_max };
    if bytes > bytes_max {
        return Err(oversized);
    }
    u32::try_from(bytes).map(u32::to_le_bytes).map_err(|_| oversized)
}

/// Cuts a stream of chunks into frames.
///
/// Inputs: [`push`](Self::push). Outputs: [`pop`](Self::pop), then [`finish`](Self::finish) once at the end.
#[derive(Debug)]
pub struct FrameDecoder {
    bytes_max: usize,
    /// The last chunk, uncopied, while no earlier frame is unfinished.
    chunk: Bytes,
    /// An unfinished frame and what followed it.
    partial: BytesMut,
}

impl FrameDecoder {
    /// A decoder that accepts frames of up to `bytes_max` bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, chunk: Bytes::new(), partial: BytesMut::new() }
    }

    /// Takes the next bytes of the stream.
    pub fn push(&mut self, bytes: Bytes) {
        if self.partial.is_empty() && self.chunk.is_empty() {
            self.chunk = bytes;
        } else {
            self.partial.extend_from_slice(&self.chunk);
            self.chunk.clear();
            self.partial.extend_from_slice(&bytes);
        }
    }

    /// The next whole frame, `None` when more bytes are needed.
    pub fn pop(&mut self) -> Result<Option<Bytes>, FrameError> {
        let whole = if self.partial.is_empty() {
            let end = frame_end(&self.chunk, self.bytes_max)?;
            end.map(|end| self.chunk.split_to(end))
        } else {
            let end = frame_end(&self.partial, self.bytes_max)?;
            end.map(|end| self.partial.split_to(end).freeze())
        };
        Ok(whole.map(|frame| frame.slice(LENGTH_BYTES..)))
    }

    /// To be asked at the end of the stream: whether it ended between two frames.
    pub fn finish(&self) -> Result<(), FrameError> {
        match self.partial.len() + self.chunk.len() {
            0 => Ok(()),
            bytes => Err(FrameError::Truncated { bytes }),
        }
    }
}

/// Where the first frame of `bytes` ends, `None` if it is not all there.
fn frame_end(bytes: &[u8], bytes_max: usize) -> Result<Option<usize>, FrameError> {
    let Some(prefix) = bytes.first_chunk::<LENGTH_BYTES>() else {
        return Ok(None);
    };
    let length = usize::try_from(u32::from_le_bytes(*prefix)).unwrap_or(usize::MAX);
    if length > bytes_max {
        return Err(FrameError::Oversized { bytes: length, bytes_max });
    }
    let end = LENGTH_BYTES + length;
    Ok((bytes.len() >= end).then_some(end))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{FrameDecoder, FrameError, StreamHeader, length_prefix};

    fn wire(frames: &[&[u8]]) -> Vec<u8> {
        let mut wire = Vec::new();
        for frame in frames {
            wire.extend_from_slice(&length_prefix(frame.len(), 1_000).unwrap());
            wire.extend_from_slice(frame);
        }
        wire
    }

    #[test]
    fn frames_survive_any_chunking() {
        let frames: &[&[u8]] = &[b"", b"one", &[7; 300], b"x"];
        let wire = wire(frames);
        for size in 1..=wire.len() {
            let mut decoder = FrameDecoder::new(1_000);
            let mut seen = Vec::new();
            for chunk in wire.chunks(size) {
                decoder.push(Bytes::copy_from_slice(chunk));
                while let Some(frame) = decoder.pop().unwrap() {
                    seen.push(frame);
                }
            }
            assert_eq!(seen, frames, "chunks of {size}");
            assert_eq!(decoder.finish(), Ok(()));
        }
    }

    #[test]
    fn several_chunks_may_be_pushed_before_one_pop() {
        let mut decoder = FrameDecoder::new(10);
        for byte in wire(&[b"ab", b"c"]) {
            decoder.push(Bytes::copy_from_slice(&[byte]));
        }
        assert_eq!(decoder.pop().unwrap().unwrap(), "ab");
        assert_eq!(decoder.pop().unwrap().unwrap(), "c");
        assert_eq!(decoder.pop(), Ok(None));
    }

    #[test]
    fn oversized_frame_is_refused_from_its_prefix_alone() {
        let mut decoder = FrameDecoder::new(10);
        decoder.push(Bytes::from_static(&[0xff, 0xff, 0xff, 0xff]));
        let refused = FrameError::Oversized { bytes: 0xffff_ffff, bytes_max: 10 };
        assert_eq!(decoder.pop(), Err(refused));
        assert!(length_prefix(11, 10).is_err());
    }

    #[test]
    fn stream_that_ends_within_a_frame_is_truncated() {
        let mut decoder = FrameDecoder::new(10);
        decoder.push(Bytes::from_static(&[3, 0, 0, 0, b'a']));
        assert_eq!(decoder.pop(), Ok(None));
        assert_eq!(decoder.finish(), Err(FrameError::Truncated { bytes: 5 }));
    }

    #[test]
    fn header_reads_back_and_its_bytes_are_settled() {
        let header = StreamHeader { group: 0x0102, channel: 3 };
        assert_eq!(header.encode(), [b'Q', b'L', 1, 3, 2, 1]);
        assert_eq!(StreamHeader::decode(header.encode()), Ok(header));
    }

    #[test]
    fn foreign_header_and_newer_version_are_told_apart() {
        assert_eq!(StreamHeader::decode(*b"GET / "), Err(FrameError::NotOurs));
        assert_eq!(StreamHeader::decode(*b"QL\x02\0\0\0"), Err(FrameError::UnknownVersion(2)));
    }
}
