//! A 64-bit digest of a set of attempts, computed alike by the agent that holds them and the leader that wants them (R15).
//!
//! Refuses to know what an attempt is beyond its fence and whether it is being stopped. Independent of order, so that
//! neither side has to sort; no protection against malice, which mutual TLS gives.

use quorla_ledger::ids::Fence;
use serde::{Deserialize, Serialize};

/// What a renewal says about the attempts that its agent holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldDigest(pub u64);

impl HeldDigest {
    /// The digest of a set of fences, each with whether its attempt is being stopped.
    ///
    /// The flag is part of it, so that a lost stop is noticed as surely as a lost start.
    pub fn of(held: impl IntoIterator<Item = (Fence, bool)>) -> Self {
        let sum = held.into_iter().fold(0_u64, |sum, (fence, stopping)| {
            let once = mixed(fence.0);
            sum.wrapping_add(mixed(once ^ u64::from(stopping)))
        });
        Self(sum)
    }
}

/// The finalizer of `SplitMix64` (Steele, Lea, Flood 2014): every bit of the input moves half the bits of the output.
const fn mixed(input: u64) -> u64 {
    let z = input.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(held: &[(u64, bool)]) -> HeldDigest {
        HeldDigest::of(held.iter().map(|(fence, stopping)| (Fence(*fence), *stopping)))
    }

    #[test]
    fn order_does_not_matter() {
        assert_eq!(digest(&[(1, false), (2, true)]), digest(&[(2, true), (1, false)]));
    }

    #[test]
    fn a_missing_or_stopped_attempt_shows() {
        let held = digest(&[(1, false), (2, false)]);
        for other in [&[(1, false)][..], &[], &[(1, false), (2, true)], &[(1, false), (3, false)]] {
            assert_ne!(held, digest(other));
        }
    }

    #[test]
    fn its_value_is_the_same_in_every_build() {
        assert_eq!(digest(&[]), HeldDigest(0));
        assert_eq!(digest(&[(7, false), (1 << 48, true)]), HeldDigest(1_075_707_513_778_851_808));
    }
}
