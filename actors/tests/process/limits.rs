//! Limits: what is over one ends as it should, and what it is beside goes on.
//!
//! Each test asks the agent itself what it can enforce here, and says what is missing where it can't.

use std::path::PathBuf;

use quorla_actors::process::agent::{ProcessError, SpecRefusal};
use quorla_actors::process::cgroup::{CgroupSettings, Controller};
use quorla_actors::process::outcome::Exit;
use quorla_actors::process::spec::{Limits, ProcessSpec};

use crate::left_out::{Needs, leave_out};
use crate::setting::{Setting, cgroups, eventually, marked, marker, program, setting, setting_in, shell, text};

const TERM: i32 = 15;
const MIB: u64 = 1 << 20;

/// An agent whose groups are known, when it can enforce this limit here.
pub(crate) async fn able(controller: Controller) -> Option<(Setting, String)> {
    let cgroups = cgroups();
    let node = cgroups.node.clone();
    let setting = setting_in(cgroups).await;
    if setting.agent.abilities().limits(controller).is_none() {
        let why = setting.agent.abilities().why_unlimited(controller).unwrap_or_default();
        leave_out(Needs::Cgroup, &format!("no {} limit here: {why}", controller.as_str()));
        return None;
    }
    Some((setting, node))
}

/// The directories of a node's groups, in every hierarchy.
pub(crate) fn directories(node: &str) -> Vec<PathBuf> {
    let found =
        std::process::Command::new("find").args(["/sys/fs/cgroup", "-type", "d", "-name", node]).output().unwrap();
    String::from_utf8(found.stdout).unwrap().lines().map(PathBuf::from).collect()
}

/// The groups of a node's attempts.
pub(crate) fn groups(node: &str) -> Vec<PathBuf> {
    let below = directories(node).into_iter().flat_map(|directory| std::fs::read_dir(directory).unwrap());
    below.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect()
}

fn limited(limits: Limits, spec: ProcessSpec) -> ProcessSpec {
    ProcessSpec { limits, ..spec }
}

fn memory(bytes: u64) -> Limits {
    Limits { memory_bytes_max: Some(bytes), ..Limits::default() }
}

fn processes(count: u32) -> Limits {
    Limits { processes_max: Some(count), ..Limits::default() }
}

#[tokio::test]
async fn over_its_memory_an_attempt_ends_so_and_its_neighbour_goes_on() {
    let Some((setting, node)) = able(Controller::Memory).await else { return };
    let neighbour = setting.agent.run(limited(memory(64 * MIB), program("sleep", &["1000"]))).unwrap();
    let killer = neighbour.killer();
    // The one that is killed: the main process, and a child whose parent fails because of it.
    for script in ["exec tail /dev/zero", "tail /dev/zero"] {
        let outcome = setting.run(limited(memory(16 * MIB), shell(script))).await;
        assert_eq!(outcome.exit, Exit::OutOfMemory, "{script}");
        assert!(outcome.usage.max_rss_bytes > 8 * MIB, "{:?}", outcome.usage);
    }
    assert!(killer.pid().is_some(), "the neighbour was taken along");
    assert_eq!(groups(&node).len(), 1, "only the neighbour's is left");
    killer.kill(TERM, 0).unwrap();
    neighbour.wait().await;
    assert_eq!(groups(&node), [] as [PathBuf; 0]);
}

#[tokio::test]
async fn within_its_memory_an_attempt_succeeds_and_its_peak_is_that_of_all_its_processes() {
    let Some((setting, _)) = able(Controller::Memory).await else { return };
    let half = "head -c 16777216 /dev/zero | tail -c 16777216 | (sleep 0.1; cat >/dev/null)";
    let script = format!("({half}) & {half}; wait");
    let outcome = setting.run(limited(memory(256 * MIB), shell(&script))).await;
    assert_eq!(outcome.exit, Exit::Exited(0));
    assert!(outcome.usage.max_rss_bytes >= 32 * MIB, "{:?}", outcome.usage);
    let plain = setting.run_script(&script).await;
    assert!(plain.usage.max_rss_bytes < 32 * MIB, "of the largest process: {:?}", plain.usage);
}

#[tokio::test]
async fn over_its_cpu_an_attempt_is_slowed_down() {
    let Some((setting, node)) = able(Controller::Cpu).await else { return };
    let limits = Limits { cpu_milli_max: Some(50), ..Limits::default() };
    let attempt = setting.agent.run(limited(limits, shell("while :; do :; done"))).unwrap();
    let killer = attempt.killer();
    let throttled = || {
        let stat = groups(&node).iter().find_map(|group| std::fs::read_to_string(group.join("cpu.stat")).ok());
        let stat = stat.unwrap_or_default();
        stat.lines().any(|line| line.strip_prefix("nr_throttled ").is_some_and(|count| count != "0"))
    };
    let watching = async {
        eventually("it was held back", throttled).await;
        killer.kill(TERM, 0).unwrap();
    };
    let (outcome, ()) = tokio::join!(attempt.wait(), watching);
    assert!(matches!(outcome.exit, Exit::Signaled(_)), "{:?}", outcome.exit);
}

#[tokio::test]
async fn more_processes_than_its_limit_are_not_made() {
    let Some((setting, _)) = able(Controller::Processes).await else { return };
    let script = "for n in 1 2 3 4 5 6; do sleep 1000 & done; echo all";
    let outcome = setting.run(limited(processes(4), shell(script))).await;
    assert_ne!(outcome.exit, Exit::Exited(0));
    assert!(text(&outcome.stderr).contains("fork"), "{}", text(&outcome.stderr));
    let outcome = setting.run(limited(processes(16), shell(script))).await;
    assert_eq!((outcome.exit, text(&outcome.stdout)), (Exit::Exited(0), "all\n".into()));
}

#[tokio::test]
async fn all_limits_together_hold_for_one_attempt() {
    let Some((setting, node)) = able(Controller::Cpu).await else { return };
    let all = Limits {
        cpu_milli_max: Some(500),
        memory_bytes_max: Some(64 * MIB),
        processes_max: Some(8),
        ..Limits::default()
    };
    if let Some(why) = setting.agent.abilities().why_unlimited(Controller::Memory) {
        return leave_out(Needs::Cgroup, &format!("no memory limit here: {why}"));
    }
    let outcome = setting.run(limited(all, shell("cat /proc/self/cgroup"))).await;
    let joined = text(&outcome.stdout).lines().filter(|line| line.contains(&node)).count();
    assert!(outcome.exit == Exit::Exited(0) && joined >= 1, "{}", text(&outcome.stdout));
    assert_eq!(groups(&node), [] as [PathBuf; 0]);
}

#[tokio::test]
async fn a_descendant_without_a_trace_dies_with_its_control_group() {
    let Some((setting, _)) = able(Controller::Processes).await else { return };
    let marker = marker();
    let other = setting.agent.run(program("sleep", &["1000"])).unwrap();
    let script = format!("(env -i /usr/bin/setsid /bin/sleep {marker} &); sleep 0.05; exit 5");
    assert_eq!(setting.run(limited(processes(16), shell(&script))).await.exit, Exit::Exited(5));
    assert_eq!(marked(&marker), [], "it may belong to the other attempt, but its group says otherwise");
    other.killer().kill(TERM, 0).unwrap();
    other.wait().await;
}

#[tokio::test]
async fn a_forced_end_reaches_every_process_of_the_control_group() {
    let Some((setting, node)) = able(Controller::Processes).await else { return };
    let marker = marker();
    let script = format!("trap '' TERM; (env -i /usr/bin/setsid /bin/sleep {marker} &); sleep {marker}");
    let attempt = setting.agent.run(limited(processes(16), shell(&script))).unwrap();
    let killer = attempt.killer();
    let killing = async {
        eventually("both run", || marked(&marker).len() >= 2).await;
        killer.kill(TERM, 20).unwrap();
    };
    let (outcome, ()) = tokio::join!(attempt.wait(), killing);
    assert_eq!(outcome.exit, Exit::Signaled(9));
    assert_eq!((marked(&marker), groups(&node)), (vec![], vec![]));
}

#[tokio::test]
async fn a_limit_that_cannot_be_enforced_is_refused_before_anything_starts() {
    // No group can be made below a file, and where there is no hierarchy there is none either.
    let nowhere = CgroupSettings { parent: Some("/cgroup.procs".into()), ..cgroups() };
    let setting = setting_in(nowhere).await;
    for (limits, limit) in [
        (memory(64 * MIB), "memory"),
        (processes(9), "processes"),
        (Limits { cpu_milli_max: Some(100), ..Limits::default() }, "CPU"),
    ] {
        match setting.agent.run(limited(limits, program("true", &[]))) {
            Err(ProcessError::Refused(refusal @ SpecRefusal::LimitIsUnsupported { .. })) => {
                let said = refusal.to_string();
                assert!(said.starts_with(&format!("this node cannot limit the {limit} of a job: ")), "{said}");
            }
            _ => panic!("{limit}: not refused"),
        }
    }
    assert_eq!(setting.run(program("true", &[])).await.exit, Exit::Exited(0));
}

#[tokio::test]
async fn who_writes_a_file_over_its_limit_is_stopped() {
    let setting = setting().await;
    let limits = Limits { file_bytes_max: Some(4_096), ..Limits::default() };
    let outcome = setting.run(limited(limits, shell("exec head -c 1000000 /dev/zero > file"))).await;
    assert_eq!(outcome.exit, Exit::Signaled(25), "SIGXFSZ");
    assert_eq!(setting.fresh_directories(), 0);
}
