//! One number for everything that a run did: equal seeds must give equal numbers, or the run cannot be replayed.

/// FNV-1a over 64-bit words (Fowler, Noll, Vo), which is enough to see a difference.
#[derive(Debug)]
pub(super) struct Trace {
    hash: u64,
}

impl Default for Trace {
    fn default() -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325 }
    }
}

impl Trace {
    pub(super) const fn mix(&mut self, word: u64) {
        self.hash = (self.hash ^ word).wrapping_mul(0x0100_0000_01b3);
    }

    pub(super) const fn hash(&self) -> u64 {
        self.hash
    }
}
