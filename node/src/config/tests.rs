//! The configuration as a whole: precedence, all problems at once, and the documented sample.

use std::path::Path;
use std::time::Duration;

use quorla_ledger::limits::NODE_SLOTS_MAX;

use super::{Config, KEYS, ProblemCode, Problems, Sources};

fn parse(text: &str) -> Result<Config, Problems> {
    Config::parse(text, Path::new("cluster.toml"))
}

fn codes(text: &str) -> Vec<&'static str> {
    parse(text).unwrap_err().iter().map(|problem| problem.code.as_str()).collect()
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[test]
fn empty_file_gives_the_documented_defaults() {
    let config = parse("").unwrap();
    assert_eq!(config.lease.ttl, Duration::from_secs(10));
    assert_eq!(config.transport.files.key, Path::new("/var/lib/quorla/keys/node.key"));
    assert_eq!(config.raft.snapshot_every_bytes, 64 << 20);
}

#[test]
fn documented_sample_loads_and_names_every_key() {
    let text = include_str!("../../../cluster.toml");
    let config = parse(text).unwrap();
    assert_eq!(config.cluster.seeds.len(), 2);
    for key in KEYS {
        let (_, name) = key.path.split_once('.').unwrap();
        assert!(text.contains(&format!("\n{name} = ")) || text.contains(&format!("\n# {name} = ")), "{}", key.path);
    }
}

#[test]
fn defaults_in_the_table_of_keys_are_the_ones_in_force() {
    let plain = parse("").unwrap();
    for key in KEYS.iter().filter(|key| !key.default.starts_with(['(', '{', '['])) {
        let overrides = vec![pair(key.path, key.default)];
        let written = Config::load(&Sources { overrides, ..Sources::default() }).unwrap();
        assert_eq!(written, plain, "{}", key.path);
    }
}

#[test]
fn unknown_key_is_refused_with_the_nearest_known_one() {
    let problems = parse("[node]\nname = \"a\"\ndata_dri = \"/x\"\n").unwrap_err();
    let problem = problems.iter().next().unwrap();
    assert_eq!(problem.code.as_str(), "config_unknown_key");
    assert_eq!(problem.origin.to_string(), "cluster.toml:3");
    assert!(problem.message.contains("did you mean node.data_dir?"), "{problem}");
}

#[test]
fn unknown_section_is_refused_with_the_nearest_known_one() {
    let problems = parse("[nodes]\nname = \"a\"\n").unwrap_err();
    assert!(problems.to_string().contains("did you mean [node]?"), "{problems}");
}

#[test]
fn key_without_use_is_unknown() {
    assert_eq!(codes("[resources]\ngpu = 1\n"), ["config_unknown_key"]);
}

#[test]
fn all_problems_are_reported_at_once_with_their_lines() {
    let text =
        "[node]\nbind = \"nowhere\"\ncolour = 1\n[lease]\nttl = 5\nskew = \"1s\"\n[http]\nbind = \"0.0.0.0:80\"\n";
    let problems = parse(text).unwrap_err().to_string();
    for expected in [
        "cluster.toml:2: node.bind",
        "cluster.toml:3: unknown key",
        "cluster.toml:5: lease.ttl",
        "cluster.toml:8: 0.0.0.0:80",
    ] {
        assert!(problems.contains(expected), "{expected} in {problems}");
    }
}

#[test]
fn every_kind_of_problem_has_its_code() {
    for (text, expected) in [
        ("[node\n", "config_syntax"),
        ("[node]\nname = true\n", "config_invalid_value"),
        ("node = 3\n", "config_invalid_value"),
        ("[cluster]\nseeds = [\"a\"]\n", "config_invalid_value"),
        ("[cluster]\nexpect = 0\n", "config_out_of_range"),
        ("[resources]\nslots = 257\n", "config_out_of_range"),
        ("[resources]\nrun_as = [\"\"]\n", "config_invalid_value"),
        ("[limits]\nclient_connections = 1025\n", "config_out_of_range"),
        ("[node]\nlabels = { \"a=b\" = \"c\" }\n", "config_invalid_value"),
        ("[raft]\nheartbeat = \"900ms\"\n", "config_conflict"),
        ("[node]\nbind = \"0.0.0.0:7710\"\n", "config_conflict"),
        ("[metrics]\npath = \"/healthz\"\n", "config_conflict"),
        ("[retention]\nhot = \"8d\"\n", "config_out_of_range"),
        ("[retention]\njobs = 99\n", "config_out_of_range"),
        ("[retention]\nevents_bytes = \"1GiB\"\n", "config_out_of_range"),
        ("[disk]\nlow_percent = 51\n", "config_out_of_range"),
        ("[disk]\nlow_percent = 4\n", "config_conflict"),
        ("[disk]\ncritical_bytes = \"11GiB\"\n", "config_conflict"),
        ("[log]\nfilter = \"=====\"\n", "config_invalid_value"),
    ] {
        assert_eq!(codes(text), [expected], "{text}");
    }
}

#[test]
fn whatever_labels_and_slots_pass_here_pass_in_the_ledger() {
    let long = "x".repeat(256);
    let text =
        |label: &str, slots| format!("[node]\nlabels = {{ {label} = \"{long}\" }}\n[resources]\nslots = {slots}\n");
    let config = parse(&text(&long, NODE_SLOTS_MAX)).unwrap();
    quorla_ledger::spec::check::labels(&config.node.labels).unwrap();
    assert_eq!(codes(&text(&format!("{long}x"), NODE_SLOTS_MAX)), ["config_out_of_range"]);
    assert_eq!(codes(&text(&long, NODE_SLOTS_MAX + 1)), ["config_out_of_range"]);
}

#[test]
fn missing_file_is_a_problem_of_its_own() {
    let sources = Sources { file: Some("/nowhere/cluster.toml".into()), ..Sources::default() };
    let problems = Config::load(&sources).unwrap_err();
    assert_eq!(problems.iter().next().unwrap().code, ProblemCode::Unreadable);
}

#[test]
fn flags_win_over_environment_and_environment_over_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cluster.toml");
    std::fs::write(&path, "[node]\nname = \"file\"\n[lease]\nttl = \"20s\"\n[cluster]\nexpect = 5\n").unwrap();
    let sources = Sources {
        file: Some(path),
        environment: vec![
            pair("QUORLA__NODE__NAME", "environment"),
            pair("QUORLA__LEASE__TTL", "30s"),
            pair("QUORLA__NODE__LABELS", "zone=a,disk=ssd"),
            pair("QUORLA_ADDR", "not ours"),
        ],
        overrides: vec![pair("node.name", "flag")],
    };
    let config = Config::load(&sources).unwrap();
    assert_eq!(config.node.name, "flag");
    assert_eq!(config.lease.ttl, Duration::from_secs(30));
    assert_eq!(config.cluster.expect, 5);
    assert_eq!(config.node.labels["disk"], "ssd");
}

#[test]
fn unknown_environment_variable_names_itself() {
    let environment = vec![pair("QUORLA__NODE__NMAE", "x")];
    let problems = Config::load(&Sources { environment, ..Sources::default() }).unwrap_err();
    let text = problems.to_string();
    assert!(text.contains("environment QUORLA__NODE__NMAE") && text.contains("node.name?"), "{text}");
}
