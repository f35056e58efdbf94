//! The places that are allowed to break a rule for now. The list only shrinks: an exception that is no longer needed,
//! or that allows more than there is, fails the test as surely as a broken rule does.

use std::collections::BTreeMap;

use super::findings::Finding;

/// One file's leave to break one rule a stated number of times.
pub(super) struct Exception {
    pub(super) rule: &'static str,
    pub(super) path: &'static str,
    pub(super) findings: usize,
    pub(super) why: &'static str,
}

/// Empty is the goal.
pub(super) const EXCEPTIONS: &[Exception] = &[
    Exception {
        rule: "clock",
        path: "consensus/src/log_store/writer.rs",
        findings: 3,
        why: "the pause between two marks, on a thread that tokio's timers do not reach",
    },
    Exception {
        rule: "clock",
        path: "consensus/src/membership.rs",
        findings: 2,
        why: "how long one request for admission may go on",
    },
    Exception {
        rule: "sleep",
        path: "actors/tests/process/setting.rs",
        findings: 1,
        why: "looks again until a process shows; these tests lie below the harness that has the one such loop",
    },
    Exception {
        rule: "sleep",
        path: "consensus/tests/consensus/cluster.rs",
        findings: 6,
        why: "looks again until a replica shows; these tests lie below the harness that has the one such loop",
    },
    Exception {
        rule: "sleep",
        path: "consensus/tests/consensus/crashes.rs",
        findings: 1,
        why: "lets the log mark itself by its timer, which nothing outside shows",
    },
    Exception {
        rule: "sleep",
        path: "consensus/tests/consensus/faults.rs",
        findings: 2,
        why: "the pace of the faults, not of a claim",
    },
];

/// What remains to be said once the exceptions have had their say.
pub(super) fn settle(found: Vec<Finding>, exceptions: &[Exception]) -> Vec<String> {
    let mut by_place: BTreeMap<(String, String), Vec<Finding>> = BTreeMap::new();
    for finding in found {
        by_place.entry((finding.rule.to_owned(), finding.path.clone())).or_default().push(finding);
    }
    let mut problems = Vec::new();
    for exception in exceptions {
        let place = (exception.rule.to_owned(), exception.path.to_owned());
        let actual = by_place.get(&place).map_or(0, Vec::len);
        if actual < exception.findings {
            problems.push(stale(exception, actual));
        }
        if actual <= exception.findings {
            by_place.remove(&place);
        }
    }
    problems.extend(by_place.values().flatten().map(Finding::to_string));
    problems
}

fn stale(exception: &Exception, actual: usize) -> String {
    let Exception { rule, path, findings, why } = exception;
    format!(
        "{path}: the exception for [{rule}] allows {findings}, {actual} are left: lower or remove it (it said: {why})"
    )
}

#[cfg(test)]
mod tests {
    use super::{Exception, Finding, settle};

    const TWO_ALLOWED: &[Exception] = &[Exception { rule: "size", path: "a.rs", findings: 2, why: "being split" }];

    fn findings(count: usize) -> Vec<Finding> {
        (1..=count).map(|line| Finding::new("size", "a.rs", line, "too long")).collect()
    }

    #[test]
    fn a_finding_without_exception_is_a_problem() {
        assert_eq!(settle(findings(1), &[]), ["a.rs:1: too long [size]"]);
    }

    #[test]
    fn an_exact_exception_silences() {
        assert!(settle(findings(2), TWO_ALLOWED).is_empty());
    }

    #[test]
    fn more_than_allowed_is_a_problem() {
        assert_eq!(settle(findings(3), TWO_ALLOWED).len(), 3);
    }

    #[test]
    fn an_exception_that_is_no_longer_needed_is_a_problem() {
        let problems = settle(findings(1), TWO_ALLOWED);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].contains("lower or remove it"), "{problems:?}");
    }
}
