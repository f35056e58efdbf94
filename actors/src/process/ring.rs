//! The last bytes of a stream of any length, in bounded memory.

use std::collections::VecDeque;

use super::outcome::Tail;

/// Keeps the newest `bytes_max` bytes and counts all of them. Memory grows only with what was written.
#[derive(Debug)]
pub(super) struct Ring {
    kept: VecDeque<u8>,
    bytes_max: usize,
    total_bytes: u64,
}

impl Ring {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { kept: VecDeque::new(), bytes_max, total_bytes: 0 }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.total_bytes += u64::try_from(bytes.len()).expect("a length fits 64 bits");
        let fitting = &bytes[bytes.len().saturating_sub(self.bytes_max)..];
        let excess = (self.kept.len() + fitting.len()).saturating_sub(self.bytes_max);
        self.kept.drain(..excess);
        self.kept.extend(fitting);
    }

    pub(super) fn into_tail(self) -> Tail {
        Tail { bytes: Vec::from(self.kept), total_bytes: self.total_bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes_max: usize, pushed: &[&[u8]], kept: &[u8], total_bytes: u64) {
        let mut ring = Ring::new(bytes_max);
        pushed.iter().for_each(|bytes| ring.push(bytes));
        let tail = ring.into_tail();
        assert_eq!((tail.bytes.as_slice(), tail.total_bytes), (kept, total_bytes));
    }

    #[test]
    fn the_newest_bytes_are_kept_and_all_are_counted() {
        check(4, &[], b"", 0);
        check(4, &[b"ab", b"cd"], b"abcd", 4);
        check(4, &[b"abc", b"de"], b"bcde", 5);
        check(4, &[b"abc", b"defghij"], b"ghij", 10);
        check(0, &[b"abc"], b"", 3);
    }
}
