//! Cuts a byte stream into frames, whatever the cuts in which it arrives.

use super::{FRAME_BYTES_MAX, Malformed};

/// The bytes that have arrived and are not decoded yet.
#[derive(Debug, Default)]
pub(in crate::process) struct Frames {
    unread: Vec<u8>,
    consumed: usize,
}

impl Frames {
    pub(in crate::process) fn push(&mut self, bytes: &[u8]) {
        self.unread.drain(..self.consumed);
        self.consumed = 0;
        self.unread.extend_from_slice(bytes);
    }

    /// The body of the next whole frame, decoded by `decode`.
    pub(in crate::process) fn next<T>(
        &mut self,
        decode: fn(&[u8]) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Malformed> {
        let unread = &self.unread[self.consumed..];
        let Some((length, rest)) = unread.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| Malformed)?;
        if length > FRAME_BYTES_MAX {
            return Err(Malformed);
        }
        let Some(body) = rest.get(..length) else {
            return Ok(None);
        };
        let decoded = decode(body)?;
        self.consumed += 4 + length;
        self.release();
        Ok(Some(decoded))
    }

    /// One large command must not leave a large buffer in a process that is meant to be tiny.
    fn release(&mut self) {
        if self.consumed == self.unread.len() {
            self.unread.clear();
            self.unread.shrink_to(16 * 1024);
            self.consumed = 0;
        }
    }
}
