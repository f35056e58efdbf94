//! The payload of one Raft entry: a version, the leader's time, and command bytes as they came, each with its length.
//!
//! Commands are encoded once, by whoever proposed them, and never again (R8). Reading borrows; nothing is copied.
//!
//! ```text
//! version u8 | time u64 LE | ( length u32 LE | command )*
//! ```

use thiserror::Error;

use crate::{
    limits::{BATCH_BYTES_MAX, BATCH_COMMANDS_MAX},
    units::Millis,
};

/// The layout that this build writes.
const BATCH_VERSION: u8 = 1;
const HEADER_BYTES: usize = 9;
const LENGTH_BYTES: usize = 4;

/// Collects commands for one entry.
#[derive(Debug)]
pub struct BatchBuilder {
    bytes: Vec<u8>,
    commands: usize,
}

impl Default for BatchBuilder {
    fn default() -> Self {
        Self { bytes: vec![0; HEADER_BYTES], commands: 0 }
    }
}

impl BatchBuilder {
    /// Adds the bytes of one encoded command.
    ///
    /// # Panics
    /// Where the batch would have more commands than [`BATCH_COMMANDS_MAX`] or bytes than [`BATCH_BYTES_MAX`]: the
    /// proposer seals it before. No replica could parse it once it was in the log.
    pub fn push(&mut self, command: &[u8]) {
        assert!(self.commands < BATCH_COMMANDS_MAX, "the proposer seals a full batch");
        let length = u32::try_from(command.len()).expect("commands are bounded far below 4 GiB");
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(command);
        self.commands += 1;
        assert!(self.bytes.len() - HEADER_BYTES <= BATCH_BYTES_MAX, "the proposer refuses a command too large");
    }

    /// How many commands it has.
    pub const fn commands(&self) -> usize {
        self.commands
    }

    /// How many bytes the payload has so far.
    pub const fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Stamps the leader's time on it and gives the payload away.
    #[must_use]
    pub fn seal(mut self, time: Millis) -> Vec<u8> {
        self.bytes[0] = BATCH_VERSION;
        self.bytes[1..HEADER_BYTES].copy_from_slice(&time.0.to_le_bytes());
        self.bytes
    }
}

/// A payload that was found whole.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'p> {
    time: Millis,
    commands: &'p [u8],
}

/// Why a payload is no batch. In the log that is corruption or a newer version, never a client's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BatchError {
    /// Shorter than its header or than a length says.
    #[error("read a batch: it is cut short")]
    Truncated,
    /// Written by a newer build.
    #[error("read a batch: version {0} is unknown, this build knows {BATCH_VERSION}: upgrade this node")]
    UnknownVersion(u8),
    /// More commands or bytes than a batch may have.
    #[error("read a batch: more than {BATCH_COMMANDS_MAX} commands or {BATCH_BYTES_MAX} bytes")]
    TooLarge,
}

impl<'p> Batch<'p> {
    /// Checks the frame of every command, so that walking them cannot fail.
    ///
    /// # Errors
    /// See [`BatchError`].
    pub fn parse(payload: &'p [u8]) -> Result<Self, BatchError> {
        let Some((header, commands)) = payload.split_first_chunk::<HEADER_BYTES>() else {
            return Err(BatchError::Truncated);
        };
        let (version, time) = header.split_first().expect("the header has a version");
        if *version != BATCH_VERSION {
            return Err(BatchError::UnknownVersion(*version));
        }
        let time = Millis(u64::from_le_bytes(time.try_into().expect("eight bytes follow the version")));
        let batch = Self { time, commands };
        batch.check()?;
        Ok(batch)
    }

    /// The leader's time.
    pub const fn time(&self) -> Millis {
        self.time
    }

    /// The bytes of each command, in order.
    pub fn commands(&self) -> impl Iterator<Item = &'p [u8]> + use<'p> {
        let mut rest = self.commands;
        std::iter::from_fn(move || {
            let (command, after) = split_command(rest)?;
            rest = after;
            Some(command)
        })
    }

    fn check(&self) -> Result<(), BatchError> {
        let mut rest = self.commands;
        let mut commands = 0;
        while !rest.is_empty() {
            (_, rest) = split_command(rest).ok_or(BatchError::Truncated)?;
            commands += 1;
        }
        if commands > BATCH_COMMANDS_MAX || self.commands.len() > BATCH_BYTES_MAX {
            return Err(BatchError::TooLarge);
        }
        Ok(())
    }
}

fn split_command(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<LENGTH_BYTES>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_come_back_in_order() {
        let mut builder = BatchBuilder::default();
        builder.push(b"one");
        builder.push(b"");
        let payload = builder.seal(Millis(7));
        let batch = Batch::parse(&payload).expect("whole");
        assert_eq!(batch.time(), Millis(7));
        assert_eq!(batch.commands().collect::<Vec<_>>(), [b"one".as_slice(), b""]);
    }

    #[test]
    fn every_truncation_inside_a_command_is_refused() {
        let mut builder = BatchBuilder::default();
        builder.push(b"three");
        let payload = builder.seal(Millis(1));
        for len in (0..HEADER_BYTES).chain(HEADER_BYTES + 1..payload.len()) {
            assert_eq!(Batch::parse(&payload[..len]).map(|_| ()), Err(BatchError::Truncated), "at {len}");
        }
    }

    #[test]
    #[should_panic(expected = "a command too large")]
    fn a_batch_that_nobody_could_parse_is_not_built() {
        BatchBuilder::default().push(&vec![0; BATCH_BYTES_MAX]);
    }

    #[test]
    fn the_largest_batch_can_be_parsed() {
        let mut builder = BatchBuilder::default();
        builder.push(&vec![0; BATCH_BYTES_MAX - LENGTH_BYTES]);
        assert_eq!(Batch::parse(&builder.seal(Millis(0))).map(|batch| batch.commands().count()), Ok(1));
    }

    #[test]
    fn a_newer_version_is_refused_by_name() {
        let mut payload = BatchBuilder::default().seal(Millis(0));
        payload[0] = 9;
        assert_eq!(Batch::parse(&payload).map(|_| ()), Err(BatchError::UnknownVersion(9)));
    }
}
