//! Records of output, and how they lie in a segment: pure, bytes in and bytes out.
//!
//! ```text
//! segment  'Q' 'O' [version u16 = 1], then frames
//! frame    [body length u32] [CRC-32 of fence and body u32] [body]
//! body     [kind u8: 1 stdout, 2 stderr, 3 end] [sequence u64] [wall time ms u64] [bytes of the stream]
//! ```
//!
//! All little-endian. The fence stands in the file's name and in every checksum, so that a frame of another attempt is
//! none here. An end says how the sequence would go on: all that the attempt wrote was recorded. Whatever is no whole
//! valid frame ends what can be read of a segment.

use std::fmt;

use quorla_ledger::ids::Fence;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, SeqAccess, Visitor},
};

/// Bytes in front of the first frame.
pub(super) const HEADER: [u8; 4] = [b'Q', b'O', 1, 0];
/// Bytes of one record: what a pipe holds by default.
pub const RECORD_BYTES_MAX: usize = 64 * 1_024;
/// Bytes in front of a frame's body: its length and its checksum.
pub(super) const PREFIX_BYTES: usize = 8;
/// Bytes of a body in front of those of the stream.
const FIXED_BYTES: usize = 17;
/// What a record costs beside its own bytes.
pub(super) const OVERHEAD_BYTES: usize = PREFIX_BYTES + FIXED_BYTES;
/// The longest frame.
pub(super) const FRAME_BYTES_MAX: usize = OVERHEAD_BYTES + RECORD_BYTES_MAX;

const END: u8 = 3;

/// One of an attempt's two output streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// What an attempt wrote to one stream at one time. Sequences are dense over both streams and begin with 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its place in the attempt's output.
    pub sequence: u64,
    /// When the node read it: milliseconds since 1970 of the node's clock.
    pub at_ms: u64,
    /// Where it was written to.
    pub stream: Stream,
    /// What; 1 to [`RECORD_BYTES_MAX`] bytes.
    pub bytes: Blob,
}

/// Bytes that are encoded as one piece.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Blob(pub Vec<u8>);

/// What a segment holds next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    Record(Record),
    /// Nothing follows; the sequence that a next record would have had.
    End {
        next: u64,
    },
}

/// What bytes at a frame's place are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decoded {
    /// A frame and its length.
    Whole(Frame, usize),
    /// The beginning of one.
    Partial,
    /// Nothing of ours.
    Torn,
}

impl Stream {
    const fn kind(self) -> u8 {
        match self {
            Self::Stdout => 1,
            Self::Stderr => 2,
        }
    }
}

/// What goes in front of a record's bytes.
pub(super) fn prefix(fence: Fence, stream: Stream, sequence: u64, at_ms: u64, bytes: &[u8]) -> [u8; OVERHEAD_BYTES] {
    assert!(bytes.len() <= RECORD_BYTES_MAX, "output is cut into records before it is written");
    sealed(fence, stream.kind(), sequence, at_ms, bytes)
}

/// The whole frame of an end.
pub(super) fn end(fence: Fence, next: u64, at_ms: u64) -> [u8; OVERHEAD_BYTES] {
    sealed(fence, END, next, at_ms, &[])
}

fn sealed(fence: Fence, kind: u8, sequence: u64, at_ms: u64, bytes: &[u8]) -> [u8; OVERHEAD_BYTES] {
    let mut out = [0; OVERHEAD_BYTES];
    let length = u32::try_from(FIXED_BYTES + bytes.len()).expect("a record is bounded far below 4 GiB");
    out[..4].copy_from_slice(&length.to_le_bytes());
    out[PREFIX_BYTES] = kind;
    out[9..17].copy_from_slice(&sequence.to_le_bytes());
    out[17..].copy_from_slice(&at_ms.to_le_bytes());
    let checksum = checksum(fence, [&out[PREFIX_BYTES..], bytes]);
    out[4..PREFIX_BYTES].copy_from_slice(&checksum.to_le_bytes());
    out
}

fn checksum(fence: Fence, parts: [&[u8]; 2]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&fence.0.to_le_bytes());
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize()
}

/// Reads the frame that `bytes` begin with.
pub(super) fn decode(fence: Fence, bytes: &[u8]) -> Decoded {
    let Some((length, rest)) = bytes.split_first_chunk() else { return Decoded::Partial };
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    if !(FIXED_BYTES..=FIXED_BYTES + RECORD_BYTES_MAX).contains(&length) {
        return Decoded::Torn;
    }
    let Some((expected, rest)) = rest.split_first_chunk() else { return Decoded::Partial };
    let Some(body) = rest.get(..length) else { return Decoded::Partial };
    if checksum(fence, [body, &[]]) != u32::from_le_bytes(*expected) {
        return Decoded::Torn;
    }
    read(body).map_or(Decoded::Torn, |frame| Decoded::Whole(frame, PREFIX_BYTES + length))
}

fn read(body: &[u8]) -> Option<Frame> {
    let (kind, rest) = body.split_first()?;
    let (sequence, rest) = rest.split_first_chunk()?;
    let (at_ms, bytes) = rest.split_first_chunk()?;
    let (sequence, at_ms) = (u64::from_le_bytes(*sequence), u64::from_le_bytes(*at_ms));
    let stream = match *kind {
        1 => Stream::Stdout,
        2 => Stream::Stderr,
        END => return Some(Frame::End { next: sequence }),
        _ => return None,
    };
    Some(Frame::Record(Record { sequence, at_ms, stream, bytes: Blob(bytes.to_vec()) }))
}

impl fmt::Debug for Blob {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Blob({} bytes)", self.0.len())
    }
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_byte_buf(BlobVisitor)
    }
}

struct BlobVisitor;

impl<'de> Visitor<'de> for BlobVisitor {
    type Value = Blob;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("bytes")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Blob, E> {
        Ok(Blob(bytes.to_vec()))
    }

    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Blob, E> {
        Ok(Blob(bytes))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut bytes: A) -> Result<Blob, A::Error> {
        let mut read = Vec::new();
        while let Some(byte) = bytes.next_element()? {
            read.push(byte);
        }
        Ok(Blob(read))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, any, prop};
    use proptest::proptest;

    use super::*;

    const FENCE: Fence = Fence(7);

    fn frame() -> impl Strategy<Value = Frame> {
        let record = (any::<u64>(), any::<u64>(), any::<bool>(), prop::collection::vec(any::<u8>(), 1..200));
        (record, prop::bool::weighted(0.1)).prop_map(|((sequence, at_ms, stderr, bytes), is_end)| {
            let stream = if stderr { Stream::Stderr } else { Stream::Stdout };
            let record = Record { sequence, at_ms, stream, bytes: Blob(bytes) };
            if is_end { Frame::End { next: sequence } } else { Frame::Record(record) }
        })
    }

    fn written(frames: &[Frame]) -> Vec<u8> {
        let mut out = Vec::new();
        for frame in frames {
            match frame {
                Frame::Record(record) => {
                    let Record { sequence, at_ms, stream, bytes } = record;
                    out.extend(prefix(FENCE, *stream, *sequence, *at_ms, &bytes.0));
                    out.extend(&bytes.0);
                }
                Frame::End { next } => out.extend(end(FENCE, *next, 3)),
            }
        }
        out
    }

    fn all(fence: Fence, mut bytes: &[u8]) -> (Vec<Frame>, Decoded) {
        let mut frames = Vec::new();
        loop {
            match decode(fence, bytes) {
                Decoded::Whole(frame, used) => {
                    frames.push(frame);
                    bytes = &bytes[used..];
                }
                rest => return (frames, rest),
            }
        }
    }

    proptest! {
        #[test]
        fn frames_come_back_up_to_any_cut(frames in prop::collection::vec(frame(), 0..8), cut in any::<prop::sample::Index>()) {
            let bytes = written(&frames);
            assert_eq!(all(FENCE, &bytes), (frames.clone(), Decoded::Partial));
            let cut = cut.index(bytes.len() + 1);
            let (read, rest) = all(FENCE, &bytes[..cut]);
            assert_eq!(read, frames[..read.len()], "what is whole comes back");
            assert_eq!(rest, Decoded::Partial, "what is cut is no frame and no garbage");
        }

        #[test]
        fn a_flipped_bit_ends_what_can_be_read(
            frames in prop::collection::vec(frame(), 1..6),
            place in any::<prop::sample::Index>(),
            bit in 0_u8..8,
        ) {
            let mut bytes = written(&frames);
            let place = place.index(bytes.len());
            bytes[place] ^= 1 << bit;
            let (read, _) = all(FENCE, &bytes);
            assert!(read.len() < frames.len());
            assert_eq!(read, frames[..read.len()]);
        }

        #[test]
        fn a_frame_of_another_attempt_is_none_here(frame in frame()) {
            let (read, rest) = all(Fence(8), &written(&[frame]));
            assert_eq!((read, rest), (Vec::new(), Decoded::Torn));
        }
    }

    #[test]
    fn the_bytes_of_version_1_are_settled() {
        let record = Record { sequence: 2, at_ms: 3, stream: Stream::Stderr, bytes: Blob(b"hi\n".to_vec()) };
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex(&HEADER), "514f0100");
        assert_eq!(hex(&written(&[Frame::Record(record)])), RECORD_GOLDEN);
        assert_eq!(hex(&written(&[Frame::End { next: 3 }])), END_GOLDEN);
    }

    const RECORD_GOLDEN: &str = "14000000ae31cfb1020200000000000000030000000000000068690a";
    const END_GOLDEN: &str = "11000000b21a42d30303000000000000000300000000000000";
}
