//! A configuration is refused as a whole: every problem at once, each with its place, its code and what was meant.

use quorla_tests::trial::program;
use tokio::process::Command;

use super::said::Said;

const WRONG: &str = r#"
[node]
nmae = "n1"
data_dir = 5

[lease]
ttl = "10 parsecs"
skew = -1

[transprot]
idle_timeout = "10s"
"#;

/// Where, which key, which code, which words.
const PROBLEMS: [(&str, &str, &str); 5] = [
    (":3", "config_unknown_key", "unknown key node.nmae; did you mean node.name?"),
    (":10", "config_unknown_key", "unknown section [transprot]; did you mean [transport]?"),
    (":4", "config_invalid_value", "node.data_dir must be a string, not 5"),
    (":7", "config_invalid_value", "not \"10 parsecs\""),
    (":8", "config_invalid_value", "lease.skew must be a duration"),
];

fn quorla(arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.args(arguments).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    command.env("QUORLA_OUTPUT", "").env_remove("QUORLA_OUTPUT").kill_on_drop(true);
    command
}

#[tokio::test]
async fn every_problem_of_a_configuration_is_told_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("cluster.toml");
    std::fs::write(&file, WRONG).unwrap();
    let file = file.to_str().unwrap();
    let validated = Said::by(&mut quorla(&["config", "validate", file]), b"").await;
    let started = Said::by(&mut quorla(&["node", "start", "--config", file]), b"").await;
    for said in [&validated, &started] {
        said.refused(2, "config_invalid", &[]);
        for (place, code, words) in PROBLEMS {
            said.refused(2, "config_invalid", &[&format!("{file}{place}"), code, words]);
        }
    }
    validated.refused(2, "config_invalid", &["it has 5 problems"]);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "nothing was made");
}

#[tokio::test]
async fn a_wrong_variable_or_flag_is_told_by_its_own_name() {
    let variable = &mut quorla(&["config", "validate", "-"]);
    let said = Said::by(variable.env("QUORLA__LEASE__TTLL", "3s"), b"").await;
    // Standard input is checked alone: the variables belong to the node's own start.
    said.done();
    let flag = Said::by(&mut quorla(&["node", "start", "--set", "node.nam=n1"]), b"").await;
    flag.refused(2, "config_invalid", &["flag node.nam", "did you mean node.name?"]);
    let mut start = quorla(&["node", "start"]);
    let said = Said::by(start.env("QUORLA__LEASE__TTLL", "3s"), b"").await;
    said.refused(2, "config_invalid", &["environment QUORLA__LEASE__TTLL", "did you mean lease.ttl?"]);
    let missing = Said::by(&mut quorla(&["config", "validate", "/nowhere.toml"]), b"").await;
    missing.refused(2, "config_invalid", &["config_unreadable", "No such file", "it has 1 problem"]);
}
