//! Jobs by queue and state, rendered when somebody asks. Queue names are chosen by users, so only the largest queues are
//! named: a recorder would keep every name for ever.

use std::{collections::BTreeMap, fmt::Write as _};

use quorla_ledger::queues::QueueCounts;

/// Queues that are named; the others are one, by the name `other`.
pub const QUEUES_NAMED_MAX: usize = 32;

const JOBS: &str = "quorla_jobs";
const PAUSED: &str = "quorla_queues_paused";
const OTHER: &str = "other";
const STATES: [&str; 5] = ["waiting", "held", "pausing", "running", "stopping"];

/// What is shown of all queues.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueTotals {
    /// The largest by number of jobs that have not ended, and of the others the sum.
    pub by_name: BTreeMap<String, QueueCounts>,
    /// Queues that are paused.
    pub paused: usize,
}

impl QueueTotals {
    /// Keeps the largest of these and adds the others up.
    pub fn of<'q>(queues: impl Iterator<Item = (&'q str, QueueCounts)>, paused: usize) -> Self {
        let mut sorted: Vec<(&str, QueueCounts)> = queues.filter(|(_, counts)| counts.all() > 0).collect();
        sorted.sort_by(|(one, few), (other, many)| many.all().cmp(&few.all()).then(one.cmp(other)));
        let mut by_name = BTreeMap::<String, QueueCounts>::new();
        for (place, (name, counts)) in sorted.into_iter().enumerate() {
            let name = if place < QUEUES_NAMED_MAX { name } else { OTHER };
            let sum = by_name.entry(name.to_owned()).or_default();
            *sum = sum.with(counts);
        }
        Self { by_name, paused }
    }

    /// In Prometheus' text format.
    pub(super) fn render(&self) -> String {
        let mut text = format!(
            "# HELP {JOBS} Jobs and tasks that have not ended, by where they stand, of the {QUEUES_NAMED_MAX} largest queues; \
             the others are {OTHER}.\n# TYPE {JOBS} gauge\n"
        );
        let none = BTreeMap::from([(OTHER.to_owned(), QueueCounts::default())]);
        // Without any job the series are there all the same.
        let shown = if self.by_name.is_empty() { &none } else { &self.by_name };
        for (queue, counts) in shown {
            let queue = queue.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n");
            let QueueCounts { waiting, held, pausing, running, stopping } = counts;
            for (state, jobs) in STATES.into_iter().zip([waiting, held, pausing, running, stopping]) {
                let _ = writeln!(text, "{JOBS}{{queue=\"{queue}\",state=\"{state}\"}} {jobs}");
            }
        }
        let paused = self.paused;
        let _ = write!(text, "# HELP {PAUSED} Queues that are paused.\n# TYPE {PAUSED} gauge\n{PAUSED} {paused}\n");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(running: u64) -> QueueCounts {
        QueueCounts { running, ..QueueCounts::default() }
    }

    #[test]
    fn only_the_largest_queues_are_named_and_nothing_is_lost() {
        let names: Vec<String> = (0..100).map(|n| format!("queue-{n}")).collect();
        let queues = names.iter().zip(1..).map(|(name, jobs)| (name.as_str(), running(jobs)));
        let totals = QueueTotals::of(queues, 2);
        assert_eq!(totals.by_name.len(), QUEUES_NAMED_MAX + 1);
        assert_eq!(totals.by_name.values().map(|counts| counts.running).sum::<u64>(), 5_050);
        assert!(totals.by_name.contains_key("queue-99") && !totals.by_name.contains_key("queue-0"));
        let text = totals.render();
        assert!(text.contains("\nquorla_jobs{queue=\"queue-99\",state=\"running\"} 100\n"), "{text}");
        assert!(text.ends_with("\nquorla_queues_paused 2\n"), "{text}");
    }

    #[test]
    fn the_series_are_there_without_any_job() {
        let text = QueueTotals::of(std::iter::empty(), 0).render();
        assert!(text.contains("\nquorla_jobs{queue=\"other\",state=\"waiting\"} 0\n"), "{text}");
    }
}
