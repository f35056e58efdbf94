//! The verdict: the second quarter of the time, when retention has begun to work, beside the last.

use std::ops::Range;

use serde_json::json;

use super::load::Told;
use super::sample::Sample;
use crate::output::{Document, Table, span};

/// What may grow between the two quarters, in a hundred of it ...
const GROWTH_PERCENT: u64 = 10;
/// ... and beside it: what an allocator, a compaction or a connection more can make of a difference.
const MEMORY_SLACK_BYTES: u64 = 8 << 20;
const FILES_SLACK: u64 = 8;
const DISK_SLACK_BYTES: u64 = 32 << 20;
const MIB: u64 = 1 << 20;

pub(super) struct Verdict {
    pub(super) lasts_ms: u64,
    pub(super) samples: Vec<Sample>,
    pub(super) told: Told,
}

/// One measure in both quarters.
struct Grown {
    what: &'static str,
    unit: &'static str,
    before: u64,
    after: u64,
    holds: bool,
}

impl Verdict {
    pub(super) fn holds(&self) -> bool {
        self.told.failed == 0 && self.told.done > 0 && self.grown().iter().all(|grown| grown.holds)
    }

    fn quarter(&self, number: u64) -> Range<u64> {
        self.lasts_ms * number / 4..self.lasts_ms * (number + 1) / 4
    }

    fn grown(&self) -> [Grown; 3] {
        let measure = |what, unit, divisor: u64, slack: u64, of: fn(&Sample) -> u64| {
            let [before, after] = [1, 3].map(|quarter| self.median(self.quarter(quarter), of));
            let holds = after <= before + before * GROWTH_PERCENT / 100 + slack;
            Grown { what, unit, before: before / divisor, after: after / divisor, holds }
        };
        [
            measure("memory of the largest node", "MiB", MIB, MEMORY_SLACK_BYTES, |sample| sample.rss_bytes),
            measure("open files of a node", "files", 1, FILES_SLACK, |sample| sample.open_files),
            measure("disk of the largest node", "MiB", MIB, DISK_SLACK_BYTES, |sample| sample.disk_bytes),
        ]
    }

    fn median(&self, within_ms: Range<u64>, of: fn(&Sample) -> u64) -> u64 {
        let mut values: Vec<u64> =
            self.samples.iter().filter(|sample| within_ms.contains(&sample.at_ms)).map(of).collect();
        values.sort_unstable();
        values.get(values.len() / 2).copied().unwrap_or(0)
    }

    pub(super) fn document(&self) -> Document {
        let mut table = Table::new(["WHAT", "SECOND QUARTER", "LAST QUARTER", "VERDICT"]);
        let mut row = |what: &str, before: String, after: String, mark: &str| {
            table.row([what.to_owned(), before, after, mark.to_owned()]);
        };
        for grown in self.grown() {
            let said = |value: u64| format!("{value} {}", grown.unit);
            row(grown.what, said(grown.before), said(grown.after), if grown.holds { "ok" } else { "FAILED" });
        }
        let latencies = [1, 3].map(|quarter| self.told.latencies(self.quarter(quarter)));
        for (place, what) in ["an accepted submit, p50 and p99", "a whole short job, p50 and p99"].iter().enumerate() {
            let said = |[p50, p99]: [u64; 2]| format!("{} ms, {} ms", thousandths(p50), thousandths(p99));
            row(what, said(latencies[0][place]), said(latencies[1][place]), "goal: as before");
        }
        let mark = if self.told.failed == 0 && self.told.done > 0 { "ok" } else { "FAILED" };
        row("rounds of load done, failed", self.told.done.to_string(), self.told.failed.to_string(), mark);
        for fault in &self.told.faults {
            row("wrong", fault.clone(), String::new(), "");
        }
        row("time", span(self.lasts_ms), String::new(), "");
        let grown: Vec<_> = self
            .grown()
            .iter()
            .map(|grown| {
                json!({"what": grown.what, "unit": grown.unit,
            "before": grown.before, "after": grown.after, "holds": grown.holds})
            })
            .collect();
        let json = json!({
            "holds": self.holds(),
            "lasts_ms": self.lasts_ms,
            "grown": grown,
            "latencies_us": {"submit": [latencies[0][0], latencies[1][0]], "job": [latencies[0][1], latencies[1][1]]},
            "done": self.told.done,
            "failed": self.told.failed,
            "faults": self.told.faults,
        });
        Document { json, table, ids: Vec::new() }
    }
}

fn thousandths(micros: u64) -> String {
    format!("{}.{}", micros / 1_000, micros % 1_000 / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hundred samples, each larger than the one before by `step`.
    fn verdict(step: Sample) -> Verdict {
        let sample = |number: u64| Sample {
            at_ms: number * 10,
            rss_bytes: (60 << 20) + number * step.rss_bytes,
            open_files: 100 + number * step.open_files,
            disk_bytes: (100 << 20) + number * step.disk_bytes,
        };
        let told = Told { done: 1, ..Told::default() };
        Verdict { lasts_ms: 1_000, samples: (0..100).map(sample).collect(), told }
    }

    #[test]
    fn what_stays_holds_and_each_growth_alone_spoils_it() {
        assert!(verdict(Sample::default()).holds());
        let growths = [
            Sample { rss_bytes: MIB, ..Sample::default() },
            Sample { open_files: 1, ..Sample::default() },
            Sample { disk_bytes: 2 * MIB, ..Sample::default() },
        ];
        for growth in growths {
            assert!(!verdict(growth).holds(), "{growth:?}");
        }
    }

    #[test]
    fn a_round_that_failed_spoils_it_and_so_does_no_load_at_all() {
        for told in [Told { done: 9, failed: 1, ..Told::default() }, Told::default()] {
            assert!(!Verdict { told, ..verdict(Sample::default()) }.holds());
        }
    }
}
