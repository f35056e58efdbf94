//! The head of every frame between members: version, kind, both Raft ids, and the sender's wall clock (R7).
//!
//! ```text
//! version u8 | kind u8 | from u64 LE | to u64 LE | wall clock ms u64 LE | body
//! ```

use bytes::{Buf, BufMut, Bytes, BytesMut};

const VERSION: u8 = 1;
const HEADER_BYTES: usize = 26;

/// What the body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Append = 1,
    AppendAnswer = 2,
    Vote = 3,
    VoteAnswer = 4,
    PreVote = 5,
    PreVoteAnswer = 6,
    Transfer = 7,
    TransferAnswer = 8,
    SnapshotHead = 9,
    SnapshotChunk = 10,
    SnapshotEnd = 11,
    SnapshotAnswer = 12,
    Forward = 13,
    ForwardAnswer = 14,
    Admit = 15,
    AdmitAnswer = 16,
}

impl Kind {
    const ALL: [Self; 16] = [
        Self::Append,
        Self::AppendAnswer,
        Self::Vote,
        Self::VoteAnswer,
        Self::PreVote,
        Self::PreVoteAnswer,
        Self::Transfer,
        Self::TransferAnswer,
        Self::SnapshotHead,
        Self::SnapshotChunk,
        Self::SnapshotEnd,
        Self::SnapshotAnswer,
        Self::Forward,
        Self::ForwardAnswer,
        Self::Admit,
        Self::AdmitAnswer,
    ];

    fn number(self) -> u8 {
        self as u8
    }

    fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// The kind that answers this one.
    pub(crate) fn answer(self) -> Self {
        match self {
            Self::Append => Self::AppendAnswer,
            Self::Vote => Self::VoteAnswer,
            Self::PreVote => Self::PreVoteAnswer,
            Self::Transfer => Self::TransferAnswer,
            Self::Forward => Self::ForwardAnswer,
            Self::Admit => Self::AdmitAnswer,
            _ => Self::SnapshotAnswer,
        }
    }
}

/// The head of a frame. Raft id 0 is nobody's: a storage that was not admitted yet, or an unknown one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Envelope {
    pub(crate) kind: Kind,
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) wall_ms: u64,
}

/// A frame that this version can't read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EnvelopeError {
    #[error("read a frame: it is cut short")]
    Truncated,
    #[error("read a frame: version {0} is unknown")]
    Version(u8),
    #[error("read a frame: kind {0} is unknown")]
    Kind(u8),
}

impl Envelope {
    /// A frame with a copy of `body`.
    pub(crate) fn seal(self, body: &[u8]) -> Bytes {
        let mut frame = self.begin(body.len());
        frame.put_slice(body);
        frame.freeze()
    }

    /// The head, with room for a body to be appended.
    pub(crate) fn begin(self, body_bytes: usize) -> BytesMut {
        let mut frame = BytesMut::with_capacity(HEADER_BYTES + body_bytes);
        frame.put_u8(VERSION);
        frame.put_u8(self.kind.number());
        frame.put_u64_le(self.from);
        frame.put_u64_le(self.to);
        frame.put_u64_le(self.wall_ms);
        frame
    }
}

/// Splits a frame into head and body.
pub(crate) fn open(mut frame: Bytes) -> Result<(Envelope, Bytes), EnvelopeError> {
    if frame.len() < HEADER_BYTES {
        return Err(EnvelopeError::Truncated);
    }
    let (version, kind) = (frame.get_u8(), frame.get_u8());
    if version != VERSION {
        return Err(EnvelopeError::Version(version));
    }
    let kind = Kind::from_number(kind).ok_or(EnvelopeError::Kind(kind))?;
    let envelope = Envelope { kind, from: frame.get_u64_le(), to: frame.get_u64_le(), wall_ms: frame.get_u64_le() };
    Ok((envelope, frame))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_comes_back_and_random_bytes_do_not() {
        for kind in Kind::ALL {
            let envelope = Envelope { kind, from: 1, to: 2, wall_ms: 3 };
            let (read, body) = open(envelope.seal(b"body")).unwrap();
            assert_eq!((read, body.as_ref()), (envelope, b"body".as_slice()));
        }
        assert!(open(Bytes::from_static(&[7; 40])).is_err());
        assert!(open(Bytes::from_static(&[1; 5])).is_err());
    }
}
