//! The types that openraft is built with: opaque payloads, members with a key, replies per command.

use std::fmt;

use bytes::Bytes;
use openraft::OptionalSend;
use openraft::impls::{BoxedErrorSource, InlineBatch, TokioRuntime, Vote as RaftVote, leader_id_adv};
use openraft::raft::responder::Responder;
use openraft::vote::RaftLeaderId;
use quorla_ledger::reply::Reply;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// openraft's type configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TypeConfig;

impl openraft::RaftTypeConfig for TypeConfig {
    type D = Payload;
    type R = Replies;
    type NodeId = u64;
    type Node = Member;
    type Term = u64;
    type LeaderId = LeaderId;
    type Vote = RaftVote<LeaderId>;
    type Payload = openraft::EntryPayload<Payload, u64, Member>;
    type Entry = openraft::Entry<<LeaderId as RaftLeaderId>::Committed, Self::Payload>;
    type AsyncRuntime = TokioRuntime;
    type Responder<T>
        = Completion<T>
    where
        T: OptionalSend + 'static;
    type Batch<T>
        = InlineBatch<T>
    where
        T: OptionalSend + 'static;
    type ErrorSource = BoxedErrorSource;
}

pub(crate) type LeaderId = leader_id_adv::LeaderId<u64, u64>;
pub(crate) type LogId = openraft::LogId<LeaderId>;
pub(crate) type Vote = RaftVote<LeaderId>;
pub(crate) type Entry = openraft::alias::EntryOf<TypeConfig>;
pub(crate) type Membership = openraft::Membership<u64, Member>;
pub(crate) type StoredMembership = openraft::alias::StoredMembershipOf<TypeConfig>;
pub(crate) type SnapshotMeta = openraft::alias::SnapshotMetaOf<TypeConfig>;
pub(crate) type RaftMetrics = openraft::RaftMetrics<TypeConfig>;
pub(crate) type WriteResult = openraft::raft::ClientWriteResult<TypeConfig>;

/// A member of the group as the membership records it; its Raft id is the key beside it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The key that names the node (R1).
    pub node_key: [u8; 32],
    /// A hint where to find it.
    pub address: String,
}

/// A batch of commands, encoded once; openraft never looks inside.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload(pub Bytes);

impl fmt::Debug for Payload {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} bytes", self.0.len())
    }
}

impl fmt::Display for Payload {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, formatter)
    }
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

struct PayloadVisitor;

impl de::Visitor<'_> for PayloadVisitor {
    type Value = Payload;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("bytes of a batch")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Payload, E> {
        Ok(Payload(Bytes::copy_from_slice(bytes)))
    }

    fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Payload, E> {
        Ok(Payload(Bytes::from(bytes)))
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_byte_buf(PayloadVisitor)
    }
}

/// One reply per command of an entry, in order; empty for entries that carry no commands.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Replies(pub Vec<Reply>);

/// Called with the result of an entry, or with `None` when openraft dropped it: then the outcome is unknown (R9).
pub struct Completion<T> {
    notify: Option<Box<dyn FnOnce(Option<T>) + Send>>,
}

impl<T> Completion<T> {
    pub(crate) fn new(notify: impl FnOnce(Option<T>) + Send + 'static) -> Self {
        Self { notify: Some(Box::new(notify)) }
    }
}

impl<T> Drop for Completion<T> {
    fn drop(&mut self) {
        if let Some(notify) = self.notify.take() {
            notify(None);
        }
    }
}

impl<T: OptionalSend + 'static> Responder<TypeConfig, T> for Completion<T> {
    fn on_complete(mut self, result: T) {
        if let Some(notify) = self.notify.take() {
            notify(Some(result));
        }
    }
}
