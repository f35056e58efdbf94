//! docs/EXAMPLES.md, run as it stands: its blocks of shell are the test, so that the page can't drift from the program.

use std::path::Path;
use std::process::Stdio;

use quorla_tests::left_out::{Needs, leave_out};
use quorla_tests::trial::{Trial, program, settings};
use tokio::process::Command;

const PAGE: &str = include_str!("../../docs/EXAMPLES.md");
/// The section that every example begins with.
const CLUSTER: &str = "The cluster";

/// The blocks of shell below one heading, one after another.
fn script(heading: &str) -> String {
    let sections = PAGE.split("\n## ").skip(1);
    let section = sections.into_iter().find_map(|section| section.strip_prefix(heading)?.strip_prefix('\n'));
    let section = section.unwrap_or_else(|| panic!("the page has no section {heading:?}"));
    let blocks = section.split("```sh\n").skip(1).map(|block| block.split("\n```").next().expect("a block ends"));
    blocks.collect::<Vec<_>>().join("\n")
}

/// Runs an example as a person would who pastes it, and gives what it printed.
async fn run(heading: &str) -> String {
    let home = tempfile::tempdir().unwrap();
    let words = format!("set -euo pipefail\n{}\n{}\n", script(CLUSTER), script(heading));
    let mut command = Command::new("bash");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("QUORLA")) {
        command.env_remove(name);
    }
    let program = program();
    let beside = program.parent().unwrap_or(Path::new("/")).display().to_string();
    let path = format!("{beside}:{}", std::env::var("PATH").unwrap());
    command.args(["-c", &words]).current_dir(home.path()).env("PATH", path).env("TMPDIR", home.path());
    command.env("XDG_STATE_HOME", home.path().join("state")).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.unwrap();
    let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    let log = std::fs::read_to_string(home.path().join("dev.log")).unwrap_or_default();
    assert!(output.status.success(), "{heading}: {}\n{stdout}\n{stderr}\n{log}", output.status);
    stdout
}

#[tokio::test]
async fn every_file_of_a_tree_is_compressed_as_the_page_says() {
    let printed = run("Compress every file of a tree").await;
    assert!(printed.contains("succeeded\t40\n"), "{printed}");
    assert!(printed.ends_with("\n1000\n"), "{printed}");
}

#[tokio::test]
async fn a_sweep_reports_what_was_killed_for_its_memory_as_the_page_says() {
    let trial = Trial::start(settings(1)).await;
    let limits = trial.view_of(0).await.labels.contains_key("quorla.limits.memory");
    trial.stop().await;
    if !limits {
        leave_out(Needs::Cgroup, "jobs with a memory limit");
        return;
    }
    let printed = run("Sweep a parameter under a limit of memory").await;
    assert!(printed.contains("exit code 10\n") && printed.contains("state\tfailed\n"), "{printed}");
    assert!(printed.contains("reason\toom: it needed more memory than limits.memory_bytes\n"), "{printed}");
    assert!(printed.ends_with("1000 168\n2000 303\n5000 669\n10000 1229\n20000 2262\n"), "{printed}");
}

#[tokio::test]
async fn a_follower_survives_two_deaths_as_the_page_says() {
    let printed = run("Follow a job through the deaths of two nodes").await;
    assert!(printed.contains(" lines, each of them once\n"), "{printed}");
    assert!(printed.ends_with("state\tsucceeded\nattempts\t1\n"), "{printed}");
}

#[test]
fn every_section_of_the_page_is_run() {
    let own = include_str!("examples.rs");
    for heading in PAGE.lines().filter_map(|line| line.strip_prefix("## ")) {
        assert!(own.contains(&format!("\"{heading}\"")), "nothing runs {heading:?}");
        assert!(!script(heading).is_empty(), "{heading:?} has nothing to run");
    }
}
