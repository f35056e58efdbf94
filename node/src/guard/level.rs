//! From free bytes to a level: pure, with hysteresis, so that a disk at a threshold does not flap.

use quorla_ledger::disk::DiskLevel;

/// What must be free beyond a threshold before its level is left, in percent of the threshold.
const HYSTERESIS_PERCENT: u64 = 20;

/// The room on one file system, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// What the node's user may still write.
    pub free: u64,
    /// The whole of it.
    pub total: u64,
}

/// So much must be free: the smaller one of both; 0 is always free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// Of the whole file system.
    pub percent: u32,
    /// In bytes.
    pub bytes: u64,
}

/// Where the levels begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Below it a disk is low.
    pub low: Threshold,
    /// Below it a disk is critical.
    pub critical: Threshold,
}

impl Threshold {
    fn of(self, total: u64) -> u64 {
        (total / 100).saturating_mul(u64::from(self.percent)).min(self.bytes)
    }

    /// Whether a disk is below it; one that was is so until a good bit more is free.
    fn is_passed(self, was: bool, space: Space) -> bool {
        let enters = self.of(space.total);
        let leaves = enters.saturating_add(enters / 100 * HYSTERESIS_PERCENT);
        space.free < if was { leaves } else { enters }
    }
}

impl Thresholds {
    /// The level of a disk that was at `before`.
    #[must_use]
    pub fn level(&self, before: DiskLevel, space: Space) -> DiskLevel {
        if self.critical.is_passed(before == DiskLevel::Critical, space) {
            DiskLevel::Critical
        } else if self.low.is_passed(before >= DiskLevel::Low, space) {
            DiskLevel::Low
        } else {
            DiskLevel::Fine
        }
    }

    /// Whether so many bytes may be taken without a change of level soon after.
    pub(super) fn has_room_for(&self, bytes: u64, space: Space) -> bool {
        let left = Space { free: space.free.saturating_sub(bytes), ..space };
        space.free > bytes && self.level(DiskLevel::Critical, left) == DiskLevel::Fine
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;
    const RULE: Thresholds = Thresholds {
        low: Threshold { percent: 10, bytes: 10 * GIB },
        critical: Threshold { percent: 5, bytes: 5 * GIB },
    };

    fn check(total: u64, steps: &[(u64, DiskLevel)]) {
        let mut level = DiskLevel::Fine;
        for (free, expected) in steps {
            level = RULE.level(level, Space { free: *free, total });
            assert_eq!(level, *expected, "{free} of {total} are free, in {steps:?}");
        }
    }

    #[test]
    fn the_smaller_threshold_counts() {
        let (fine, low, critical) = (DiskLevel::Fine, DiskLevel::Low, DiskLevel::Critical);
        check(1_000 * GIB, &[(10 * GIB, fine), (10 * GIB - 1, low), (5 * GIB - 1, critical)]);
        check(1_000, &[(100, fine), (99, low), (50, low), (49, critical), (0, critical)]);
    }

    #[test]
    fn a_level_is_left_only_with_a_good_bit_more() {
        let (fine, low, critical) = (DiskLevel::Fine, DiskLevel::Low, DiskLevel::Critical);
        check(10_000, &[(999, low), (1_000, low), (1_199, low), (1_200, fine), (1_000, fine), (999, low)]);
        check(10_000, &[(499, critical), (500, critical), (599, critical), (600, low), (500, low), (499, critical)]);
        check(10_000, &[(499, critical), (1_199, low), (499, critical), (1_200, fine)]);
    }

    #[test]
    fn a_threshold_of_nothing_is_never_passed() {
        let off = Threshold { percent: 0, bytes: GIB };
        let rule = Thresholds { low: off, critical: Threshold { percent: 5, bytes: 0 } };
        assert_eq!(rule.level(DiskLevel::Critical, Space { free: 0, total: 100 }), DiskLevel::Fine);
    }

    #[test]
    fn the_ballast_is_never_what_makes_a_disk_low() {
        for (free, room) in [(1_299, false), (1_300, true), (50, false), (0, false)] {
            assert_eq!(RULE.has_room_for(100, Space { free, total: 10_000 }), room, "{free}");
        }
    }
}
