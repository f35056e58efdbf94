//! The verdict: facts beside what they must be, and times beside their goals.

use quorla_client::ContentHash;
use serde_json::json;

use super::judge::Judged;
use super::kill::Killed;
use super::probe::Outages;
use crate::output::{Document, Table, span};

/// Submits are accepted again within this at normal load ...
const OUTAGE_MS_GOAL: u64 = 3_000;
/// ... and within this on a saturated machine.
const OUTAGE_MS_GOAL_SATURATED: u64 = 5_000;
const ELAPSED_MS_GOAL: u64 = 60_000;

pub(super) struct Verdict {
    pub(super) judged: Judged,
    pub(super) killed: Killed,
    pub(super) outages: Outages,
    pub(super) hashes: Vec<ContentHash>,
    pub(super) elapsed_ms: u64,
}

/// One row.
struct Row {
    what: &'static str,
    is: String,
    must_be: String,
    mark: &'static str,
}

impl Verdict {
    /// Whether nothing was lost, nothing was done twice, the fault really happened and all replicas agree.
    pub(super) fn holds(&self) -> bool {
        self.rows().iter().all(|row| row.mark != "FAILED")
    }

    pub(super) fn document(&self) -> Document {
        let mut table = Table::new(["WHAT", "IS", "MUST BE", "VERDICT"]);
        for row in self.rows() {
            table.row([row.what.to_owned(), row.is, row.must_be, row.mark.to_owned()]);
        }
        for wrong in &self.judged.wrong {
            table.row(["wrong".to_owned(), wrong.clone(), String::new(), String::new()]);
        }
        let json = json!({
            "holds": self.holds(),
            "wanted": self.judged.wanted,
            "accepted": self.judged.accepted,
            "completed": self.judged.completed,
            "with_one_result": self.judged.with_one_result,
            "digests_equal": self.judged.digests_equal,
            "attempts_again": self.judged.attempts_again,
            "killed": self.killed.node,
            "running": self.killed.running,
            "running_on_killed": self.killed.running_on_it,
            "ended_before_kill": self.killed.ended_before,
            "probes_accepted": self.outages.accepted,
            "ms_without_accepted_submits": self.outages.longest_ms,
            "content_hashes": self.hashes,
            "elapsed_ms": self.elapsed_ms,
            "wrong": self.judged.wrong,
        });
        Document { json, table, ids: Vec::new() }
    }

    fn rows(&self) -> Vec<Row> {
        let judged = &self.judged;
        let count = |what, is: usize, must_be: usize| Row {
            what,
            is: is.to_string(),
            must_be: must_be.to_string(),
            mark: mark(is == must_be),
        };
        vec![
            count("jobs accepted", judged.accepted, judged.wanted),
            count("jobs completed", judged.completed, judged.accepted),
            count("jobs with exactly one result", judged.with_one_result, judged.accepted),
            count("digests as computed without the cluster", judged.digests_equal, judged.accepted),
            self.share_row(),
            self.hash_row(),
            Row { what: "attempts run again", is: judged.attempts_again.to_string(), must_be: "any".into(), mark: "" },
            self.outage_row(),
            Row {
                what: "the whole drill",
                is: span(self.elapsed_ms),
                must_be: format!("goal: under {}", span(ELAPSED_MS_GOAL)),
                mark: goal(self.elapsed_ms < ELAPSED_MS_GOAL),
            },
        ]
    }

    fn share_row(&self) -> Row {
        let killed = &self.killed;
        Row {
            what: "running attempts on the killed leader",
            is: format!("{} of {} on {}", killed.running_on_it, killed.running, killed.node),
            must_be: "at least a fifth".into(),
            mark: mark(killed.has_its_share()),
        }
    }

    fn hash_row(&self) -> Row {
        let first = self.hashes.first();
        let equal =
            self.hashes.iter().all(|hash| first.is_some_and(|f| (f.index, &f.hash) == (hash.index, &hash.hash)));
        let short = |hash: &ContentHash| hash.hash.chars().take(12).collect::<String>();
        let hashes: Vec<String> = self.hashes.iter().map(short).collect();
        let index = first.map_or(0, |hash| hash.index);
        Row {
            what: "content hashes of all replicas",
            is: format!("{} at index {index}", hashes.join(" ")),
            must_be: "equal".into(),
            mark: mark(equal && !self.hashes.is_empty()),
        }
    }

    fn outage_row(&self) -> Row {
        let ms = self.outages.longest_ms;
        let (goal_ms, saturated_ms) = (span(OUTAGE_MS_GOAL), span(OUTAGE_MS_GOAL_SATURATED));
        Row {
            what: "longest time without an accepted submit",
            is: span(ms),
            must_be: format!("goal: {goal_ms}, {saturated_ms} on a saturated machine"),
            mark: goal(ms <= OUTAGE_MS_GOAL_SATURATED),
        }
    }
}

fn mark(holds: bool) -> &'static str {
    if holds { "ok" } else { "FAILED" }
}

/// Times are told beside their goals; a slow machine is no lost job.
fn goal(reached: bool) -> &'static str {
    if reached { "ok" } else { "over goal" }
}

#[cfg(test)]
mod tests {
    use super::{ContentHash, Judged, Killed, Outages, Verdict};

    fn verdict() -> Verdict {
        let judged =
            Judged { wanted: 2, accepted: 2, completed: 2, with_one_result: 2, digests_equal: 2, ..Judged::default() };
        let killed = Killed { node: "n1".into(), running_on_it: 1, running: 5, ended_before: 1 };
        let hash = |node: &str| ContentHash { node: node.into(), index: 9, hash: "ab".into() };
        let outages = Outages { longest_ms: 10, accepted: 3 };
        Verdict { judged, killed, outages, hashes: vec![hash("n1"), hash("n2")], elapsed_ms: 5 }
    }

    #[test]
    fn a_clean_run_holds() {
        assert!(verdict().holds());
    }

    #[test]
    fn each_fact_alone_spoils_it() {
        let spoilers: [fn(&mut Verdict); 7] = [
            |v| v.judged.accepted = 1,
            |v| v.judged.completed = 1,
            |v| v.judged.with_one_result = 1,
            |v| v.judged.digests_equal = 1,
            |v| v.killed.running_on_it = 0,
            |v| v.hashes[1].hash = "cd".into(),
            |v| v.hashes[1].index = 8,
        ];
        for (number, spoil) in spoilers.into_iter().enumerate() {
            let mut verdict = verdict();
            spoil(&mut verdict);
            assert!(!verdict.holds(), "spoiler {number}");
        }
    }

    #[test]
    fn a_slow_machine_is_told_and_is_no_failure() {
        let mut verdict = verdict();
        verdict.outages.longest_ms = 60_000;
        assert!(verdict.holds());
        assert!(verdict.document().table.render(false, false).contains("over goal"));
    }
}
