//! What a node can put on jobs, as labels that it registers; and the constraints by which a job finds such a node.
//!
//! So a job whose limit some nodes can't enforce waits for one that can, and `explain` names the label that is missing.

use std::collections::BTreeMap;

use quorla_actors::process::{agent::Abilities, cgroup::Controller, users::Users};
use quorla_client::Limits;
use quorla_ledger::spec::{Constraint, LabelTest};

/// Labels that begin so are the node's own.
pub(crate) use quorla_ledger::limits::RESERVED_LABEL_PREFIX as PREFIX;
/// How many there can be.
pub(crate) const LABELS_MAX: usize = 5;

const RUN_AS: &str = "quorla.run-as";
/// Who runs jobs of others does not for that run them as root.
const RUN_AS_ROOT: &str = "quorla.run-as-root";

/// The labels of a node with these abilities.
pub(crate) fn labels(abilities: &Abilities) -> BTreeMap<String, String> {
    let limits = [Controller::Cpu, Controller::Memory, Controller::Processes].into_iter().filter_map(|controller| {
        let version = abilities.limits(controller)?;
        Some((limit(controller).to_owned(), format!("cgroup-{}", version.as_str())))
    });
    let whom = match abilities.users() {
        Users::AnyButRoot => "any",
        Users::Listed(_) => "listed",
    };
    let users = abilities.changes_users().then(|| (RUN_AS.to_owned(), whom.to_owned()));
    let root = abilities.changes_to_root().then(|| (RUN_AS_ROOT.to_owned(), "allowed".to_owned()));
    limits.chain(users).chain(root).collect()
}

/// What a job with these limits asks of a node. The other limits every node can enforce.
pub(crate) fn needed(limits: &Limits, run_as: Option<&str>) -> impl Iterator<Item = Constraint> + use<> {
    let labels = [
        limits.cpu_milli.map(|_| limit(Controller::Cpu)),
        limits.memory_bytes.map(|_| limit(Controller::Memory)),
        limits.processes.map(|_| limit(Controller::Processes)),
        run_as.map(|user| if is_root(user) { RUN_AS_ROOT } else { RUN_AS }),
    ];
    let constraint = |label: &str| Constraint { label: label.to_owned(), test: LabelTest::Exists };
    labels.into_iter().flatten().map(constraint)
}

/// Whether this is root on every machine. Another name of uid 0 only its node knows, which refuses it.
fn is_root(user: &str) -> bool {
    user == "root" || user.split_once(':').is_some_and(|(uid, _)| uid.parse() == Ok(0_u32))
}

const fn limit(controller: Controller) -> &'static str {
    match controller {
        Controller::Cpu => "quorla.limits.cpu",
        Controller::Memory => "quorla.limits.memory",
        Controller::Processes => "quorla.limits.processes",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_limits_of_all_processes_and_users_need_an_able_node() {
        let each = Limits { open_files: Some(9), file_bytes: Some(9), core_bytes: Some(9), ..Limits::default() };
        assert_eq!(needed(&each, None).count(), 0);
        let all = Limits { cpu_milli: Some(9), memory_bytes: Some(9), processes: Some(9), ..each };
        let labels: Vec<String> = needed(&all, Some("web")).map(|constraint| constraint.label).collect();
        assert_eq!(labels, ["quorla.limits.cpu", "quorla.limits.memory", "quorla.limits.processes", "quorla.run-as"]);
        assert!(labels.len() < LABELS_MAX && labels.iter().all(|label| label.starts_with(PREFIX)));
    }

    #[test]
    fn who_demands_root_needs_a_node_that_allows_it() {
        for (user, label) in [
            ("root", RUN_AS_ROOT),
            ("0:0", RUN_AS_ROOT),
            ("00:1000", RUN_AS_ROOT),
            ("1000:0", RUN_AS),
            ("toor", RUN_AS),
            ("4294967295:0", RUN_AS),
        ] {
            let needed: Vec<Constraint> = needed(&Limits::default(), Some(user)).collect();
            assert_eq!(needed, [Constraint { label: label.to_owned(), test: LabelTest::Exists }], "{user}");
        }
    }
}
