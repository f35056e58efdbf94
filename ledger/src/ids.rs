//! The names of things: newtypes, so that a fence is never taken for an epoch.
//!
//! Owns how ids are built and what their bits mean. Draws none of them: random bits and time are passed in.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::units::Millis;

/// Bits of a [`JobId`] or [`RequestId`] that are random; the 48 above them are milliseconds.
const RANDOM_BITS: u32 = 80;
const RANDOM_MASK: u128 = (1 << RANDOM_BITS) - 1;
/// The highest random bit: set in the ids of arrays and of their tasks, and in no job's.
const ARRAY_BIT: u128 = 1 << (RANDOM_BITS - 1);
/// The lowest random bits of an array's id are zero; in a task's they are its index and one.
const TASK_BITS: u32 = 20;
const TASK_MASK: u128 = (1 << TASK_BITS) - 1;

/// A job: 48 bits of milliseconds since the Unix epoch, then 80 bits of which 79 are random, drawn by the client.
///
/// The order of ids is the order of birth. The text form puts the random part first, so that a prefix of the text is a
/// prefix of what tells two jobs apart: 16 Crockford base32 digits, `-`, 10 digits of time.
///
/// The highest bit of the random part tells arrays from jobs. An array's tasks have the ids that follow its own, and are
/// written as the array's id, `/` and their index; so whatever names a job can name a task.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JobId(pub u128);

impl JobId {
    /// The id of something born at `born_at` with these random bits; bits beyond 79 (and time beyond 48 bits) are cut.
    pub const fn new(born_at: Millis, random: u128) -> Self {
        Self(((born_at.0 as u128) << RANDOM_BITS) | (random & RANDOM_MASK & !ARRAY_BIT))
    }

    /// The id of an array born at `born_at`; of the random bits those are taken that no task's index needs.
    pub const fn array(born_at: Millis, random: u128) -> Self {
        Self((Self::new(born_at, random).0 | ARRAY_BIT) & !TASK_MASK)
    }

    /// Whether it is an array's.
    pub const fn is_array(self) -> bool {
        self.0 & ARRAY_BIT != 0 && self.0 & TASK_MASK == 0
    }

    /// Whether it is neither an array's nor a task's.
    pub const fn is_plain(self) -> bool {
        self.0 & ARRAY_BIT == 0
    }

    /// The id of this array's task with that index.
    #[must_use]
    pub fn task(self, index: u32) -> Self {
        assert!(self.is_array() && u128::from(index) < TASK_MASK, "an array's tasks have 20 bits for their index");
        Self(self.0 | (u128::from(index) + 1))
    }

    /// The array and the index, where it is a task's.
    pub fn of_task(self) -> Option<(Self, u32)> {
        let low = self.0 & TASK_MASK;
        let index = u32::try_from(low).expect("20 bits fit").checked_sub(1)?;
        (!self.is_plain()).then_some((Self(self.0 & !TASK_MASK), index))
    }

    /// When the client drew it, by the client's idea of the cluster's time.
    pub const fn born_at(self) -> Millis {
        Millis((self.0 >> RANDOM_BITS) as u64)
    }

    /// The 80 bits that tell jobs of one millisecond apart.
    pub const fn random(self) -> u128 {
        self.0 & RANDOM_MASK
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((array, index)) = self.of_task() {
            return write!(out, "{array}/{index}");
        }
        write_base32(out, self.random(), 16)?;
        out.write_str("-")?;
        write_base32(out, u128::from(self.born_at().0), 10)
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

fn write_base32(out: &mut fmt::Formatter<'_>, bits: u128, digits: u32) -> fmt::Result {
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    for digit in (0..digits).rev() {
        let five = (bits >> (5 * digit)) & 31;
        let five = usize::try_from(five).expect("five bits fit");
        write!(out, "{}", char::from(ALPHABET[five]))?;
    }
    Ok(())
}

/// A mutating request, drawn like a [`JobId`]; a submit's request id *is* its job id.
pub type RequestId = JobId;

/// Who asks: SHA-256 of the public key of the client's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Principal(#[serde(with = "serde_bytes")] pub [u8; 32]);

/// The key that names a node: SHA-256 of the public key of its certificate. An address never names a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeKey(#[serde(with = "serde_bytes")] pub [u8; 32]);

/// A node as a place to work: small, dense, given by the ledger to a [`NodeKey`] once and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(pub u32);

/// One life of a node's process, as far as leases go. Rises over the whole cluster, so that a later one is always larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Epoch(pub u64);

/// Drawn by a node for each epoch that it wants; a repeated registration with the same one gets the same epoch.
///
/// Rises from one wish to the next, over restarts too: an earlier one that comes late is refused, and a node that drew too
/// low looks up the latest one in its replica and goes on above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BootId(pub u128);

/// A storage incarnation as Raft knows it: the log index of its `AdmitStorage`; the founding one is 1 (R1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RaftId(pub u64);

/// Written into a data directory when it is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StorageId(pub u128);

/// The cluster, drawn once when it is founded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClusterId(pub u128);

/// The token of one attempt: generation (16 bits), then the assignment's sequence (48 bits). It only ever rises (R11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fence(pub u64);

impl Fence {
    /// Bits of the sequence.
    const SEQUENCE_BITS: u32 = 48;

    /// The fence of assignment `sequence` in `generation`; a sequence past 48 bits is a bug after 280 trillion attempts.
    pub fn new(generation: u16, sequence: u64) -> Self {
        assert!(sequence >> Self::SEQUENCE_BITS == 0, "an assignment sequence fits 48 bits");
        Self((u64::from(generation) << Self::SEQUENCE_BITS) | sequence)
    }
}

/// The digest of everything applied so far (R14).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ChainHash(#[serde(with = "serde_bytes")] pub [u8; 32]);

impl fmt::Display for ChainHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}
