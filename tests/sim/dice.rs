//! The one source of chance: a small generator, so that a seed says everything that a run does.
//!
//! SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014).

/// See the module.
#[derive(Debug)]
pub(super) struct Dice {
    state: u64,
}

impl Dice {
    pub(super) const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// 64 random bits.
    pub(super) const fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let bits = self.state;
        let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// 128 random bits.
    pub(super) fn wide_bits(&mut self) -> u128 {
        (u128::from(self.bits()) << 64) | u128::from(self.bits())
    }

    /// A number from `low` to `high`, both possible.
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        assert!(low <= high, "a range has an element");
        low + self.bits() % (high - low + 1)
    }

    /// The same for signed numbers of modest size.
    pub(super) fn around_zero(&mut self, reach: u64) -> i64 {
        let drawn = i64::try_from(self.between(0, 2 * reach)).expect("reaches are small");
        drawn - i64::try_from(reach).expect("reaches are small")
    }

    /// Whether something happens that happens so often in a thousand.
    pub(super) fn chance(&mut self, permille: u64) -> bool {
        self.bits() % 1_000 < permille
    }

    /// An index below `len`, which is not zero.
    pub(super) fn index(&mut self, len: usize) -> usize {
        let len = u64::try_from(len).expect("a length fits 64 bits");
        usize::try_from(self.between(0, len - 1)).expect("below a length")
    }

    /// One of them, if there is any.
    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        if from.is_empty() {
            return None;
        }
        Some(from[self.index(from.len())])
    }
}
