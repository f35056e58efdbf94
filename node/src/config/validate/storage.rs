//! What a node keeps, and how much room it leaves for it.

use std::time::Duration;

use quorla_ledger::limits::{
    ENDED_ARRAY_BYTES_MAX, ENDED_ARRAYS_MAX, ENDED_BYTES_MAX, ENDED_JOBS_AGE_MAX, ENDED_JOBS_MAX, ENDED_TASKS_MAX,
    EVENTS_AGE_MAX, EVENTS_BYTES_MAX,
};
use quorla_ledger::units::Millis;

use super::{DAY, MINUTE, MS, Reader};
use crate::config::problem::ProblemCode;
use crate::config::{DiskConfig, RetentionConfig};

/// More than half of a disk is never kept free.
const DISK_PERCENT_MAX: u32 = 50;

impl Reader<'_> {
    pub(super) fn disk(&mut self) -> DiskConfig {
        let disk = DiskConfig {
            low_percent: self.count("disk.low_percent", 10, 0..=DISK_PERCENT_MAX),
            low_bytes: self.bytes("disk.low_bytes", "10GiB", 0..=1 << 50),
            critical_percent: self.count("disk.critical_percent", 5, 0..=DISK_PERCENT_MAX),
            critical_bytes: self.bytes("disk.critical_bytes", "5GiB", 0..=1 << 50),
            ballast_bytes: self.bytes("disk.ballast", "64MiB", 0..=1 << 30),
            check_every: self.duration("disk.check_every", "2s", MS * 100..=MINUTE),
        };
        for (critical, low, key, other) in [
            (disk.critical_percent.into(), disk.low_percent.into(), "disk.critical_percent", "disk.low_percent"),
            (disk.critical_bytes, disk.low_bytes, "disk.critical_bytes", "disk.low_bytes"),
        ] {
            if critical > low {
                let message = format!("{key} ({critical}) must be at most {other} ({low}): it is the second level");
                self.problem(ProblemCode::Conflict, key, message);
            }
        }
        disk
    }

    /// Of the ledger's history: never more than the ledger's own bounds, and a little at least, or whoever waits for a job
    /// would find nothing of it.
    pub(super) fn retention(&mut self) -> RetentionConfig {
        let span = |Millis(ms)| Duration::from_millis(ms);
        let most = |count: u64| u32::try_from(count).expect("the ledger's bounds in number are small");
        RetentionConfig {
            hot: self.duration("retention.hot", "7d", MINUTE..=span(ENDED_JOBS_AGE_MAX)),
            jobs: self.count("retention.jobs", most(ENDED_JOBS_MAX), 100..=most(ENDED_JOBS_MAX)),
            jobs_bytes: self.bytes("retention.jobs_bytes", "4GiB", 1 << 20..=ENDED_BYTES_MAX),
            arrays: self.count("retention.arrays", most(ENDED_ARRAYS_MAX), 10..=most(ENDED_ARRAYS_MAX)),
            tasks: self.count("retention.tasks", most(ENDED_TASKS_MAX), 1_000..=most(ENDED_TASKS_MAX)),
            arrays_bytes: self.bytes("retention.arrays_bytes", "4GiB", 1 << 20..=ENDED_ARRAY_BYTES_MAX),
            events: self.duration("retention.events", "1d", MINUTE..=span(EVENTS_AGE_MAX)),
            events_bytes: self.bytes("retention.events_bytes", "256MiB", 1 << 18..=EVENTS_BYTES_MAX),
            logs: self.duration("retention.logs", "7d", MINUTE..=DAY * 3_650),
        }
    }
}
