//! How an entry is stored and sent: a short header, then the payload as it came; the batch is never re-encoded.
//!
//! ```text
//! version u8 | kind u8 | term u64 LE | leader u64 LE | payload
//! ```
//! The index is in the key, or beside the record on the wire.

use bytes::{Buf, Bytes};
use openraft::EntryPayload;

use crate::codec::{self, CodecError};
use crate::types::{Entry, LeaderId, LogId, Membership, Payload};

const VERSION: u8 = 1;
const BLANK: u8 = 0;
const NORMAL: u8 = 1;
const MEMBERSHIP: u8 = 2;
const HEADER_BYTES: usize = 18;

/// A record that this version can't read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordError {
    #[error("read an entry: it is cut short")]
    Truncated,
    #[error("read an entry: version {0} is unknown")]
    Version(u8),
    #[error("read an entry: kind {0} is unknown")]
    Kind(u8),
    #[error("read the membership in an entry")]
    Membership(#[from] CodecError),
}

/// Appends the record of `entry` to `bytes`.
pub(crate) fn encode_record(entry: &Entry, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
    let kind = match &entry.payload {
        EntryPayload::Blank => BLANK,
        EntryPayload::Normal(_) => NORMAL,
        EntryPayload::Membership(_) => MEMBERSHIP,
    };
    bytes.extend_from_slice(&[VERSION, kind]);
    bytes.extend_from_slice(&entry.log_id.leader_id.term.to_le_bytes());
    bytes.extend_from_slice(&entry.log_id.leader_id.node_id.to_le_bytes());
    match &entry.payload {
        EntryPayload::Blank => {}
        EntryPayload::Normal(payload) => bytes.extend_from_slice(&payload.0),
        EntryPayload::Membership(membership) => bytes.extend_from_slice(&codec::encode(membership)?),
    }
    Ok(())
}

/// Reads a record; the payload shares the memory of `bytes`.
pub(crate) fn decode_record(index: u64, mut bytes: Bytes) -> Result<Entry, RecordError> {
    if bytes.len() < HEADER_BYTES {
        return Err(RecordError::Truncated);
    }
    let (version, kind) = (bytes.get_u8(), bytes.get_u8());
    if version != VERSION {
        return Err(RecordError::Version(version));
    }
    let leader_id = LeaderId { term: bytes.get_u64_le(), node_id: bytes.get_u64_le() };
    let payload = match kind {
        BLANK => EntryPayload::Blank,
        NORMAL => EntryPayload::Normal(Payload(bytes)),
        MEMBERSHIP => EntryPayload::Membership(codec::decode::<Membership>(&bytes)?),
        other => return Err(RecordError::Kind(other)),
    };
    Ok(Entry { log_id: LogId { leader_id, index }, payload })
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::types::Member;

    fn check(payload: EntryPayload<Payload, u64, Member>) {
        let log_id = LogId { leader_id: LeaderId { term: 3, node_id: 9 }, index: 77 };
        let entry = Entry { log_id, payload };
        let mut bytes = Vec::new();
        encode_record(&entry, &mut bytes).unwrap();
        assert_eq!(decode_record(77, bytes.into()).unwrap(), entry);
    }

    #[test]
    fn every_kind_of_entry_comes_back() {
        let nodes = BTreeMap::from([(1, Member { node_key: [7; 32], address: "a:1".to_owned() })]);
        check(EntryPayload::Blank);
        check(EntryPayload::Normal(Payload(Bytes::from_static(b"batch"))));
        check(EntryPayload::Membership(Membership::new(vec![BTreeSet::from([1])], nodes).unwrap()));
    }

    #[test]
    fn the_bytes_of_version_1_stay() {
        let log_id = LogId { leader_id: LeaderId { term: 2, node_id: 1 }, index: 5 };
        let entry = Entry { log_id, payload: EntryPayload::Normal(Payload(Bytes::from_static(b"xy"))) };
        let mut bytes = Vec::new();
        encode_record(&entry, &mut bytes).unwrap();
        assert_eq!(bytes, [1, 1, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, b'x', b'y']);
    }
}
