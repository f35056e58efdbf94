//! The real binary without a cluster: what it says and how it exits.
#![allow(clippy::unwrap_used)]

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A user without any profile.
struct User {
    state: TempDir,
}

impl User {
    fn new() -> Self {
        Self { state: tempfile::tempdir().unwrap() }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quorla"));
        command.args(arguments).env("XDG_STATE_HOME", self.state.path()).stdin(Stdio::null());
        for name in ["QUORLA_PROFILE", "QUORLA_OUTPUT", "QUORLA_ADDR", "QUORLA_CA_CERT"] {
            command.env_remove(name);
        }
        command
    }

    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        told(&self.command(arguments).output().unwrap())
    }

    fn run_with(&self, arguments: &[&str], stdin: &str) -> (i32, String, String) {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // The command may refuse without reading all of it.
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).ok();
        told(&child.wait_with_output().unwrap())
    }
}

fn told(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn version_is_data_in_every_form() {
    let user = User::new();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(user.run(&["version"]), (0, format!("quorla\t{version}\nclient protocol\t1\n"), String::new()));
    assert_eq!(user.run(&["version", "-o", "id"]).1, format!("{version}\n"));
    let json: serde_json::Value = serde_json::from_str(&user.run(&["version", "-o", "json"]).1).unwrap();
    assert_eq!(json["version"], version);
    assert_eq!(user.run(&["version", "-o", "yaml"]).1, format!("client_protocol: 1\nversion: \"{version}\"\n"));
}

#[test]
fn without_a_cluster_every_command_says_what_to_try() {
    let user = User::new();
    for arguments in
        [&["job", "list"][..], &["cluster", "status"], &["node", "list"], &["queue", "list"], &["drill", "kill-leader"]]
    {
        let (code, stdout, stderr) = user.run(arguments);
        assert_eq!((code, stdout.as_str()), (6, ""), "{arguments:?}");
        assert!(stderr.contains("error: find a cluster"), "{stderr}");
        assert!(stderr.contains("try:  Start a cluster: quorla dev"), "{stderr}");
        assert!(stderr.contains("code: no_profile"), "{stderr}");
    }
}

#[test]
fn run_tells_its_own_failure_from_the_jobs() {
    let user = User::new();
    for arguments in [
        &["job", "run", "--", "true"][..],
        &["job", "run"],
        &["job", "run", "--priority", "101", "--", "true"],
        &["--profile", "x", "job", "-o", "json", "run", "--frobnicate"],
        &["job", "run", "-o", "nonsense", "--", "true"],
    ] {
        assert_eq!(user.run(arguments).0, 125, "{arguments:?}");
    }
    assert_eq!(user.run(&["job", "run", "--help"]).0, 0);
    assert_eq!(user.run(&["job", "submit", "--frobnicate", "job", "run"]).0, 2);
}

#[test]
fn a_wrong_command_line_is_usage() {
    let user = User::new();
    assert_eq!(user.run(&["job", "frobnicate"]).0, 2);
    assert_eq!(user.run(&["job", "submit", "--priority", "101", "--", "true"]).0, 2);
    assert_eq!(user.run(&["--help"]).0, 0);
    for keyed in [
        &["job", "submit"][..],
        &["job", "retry"],
        &["job", "cancel"],
        &["job", "pause"],
        &["array", "resume"],
        &["queue", "pause"],
        &["node", "drain"],
        &["node", "undrain"],
    ] {
        assert_eq!(user.run(&[keyed, &["--idempotency-key", "", "x"]].concat()).0, 2, "{keyed:?}");
    }
    assert_eq!(user.run(&["--profile", "other", "dev"]).0, 2);
}

#[test]
fn help_says_what_a_pause_leaves_alone() {
    let user = User::new();
    for (arguments, words) in [
        (&["job", "pause", "--help"][..], &["An attempt that runs goes on", "go on counting", "quorla job cancel"][..]),
        (&["queue", "pause", "--help"], &["Submits are still accepted", "go on counting", "over restarts"]),
        (&["queue", "list", "--help"], &["since this leader leads"]),
        (&["job", "list", "--help"], &["found by an index", "20000 records a request"]),
    ] {
        let (code, stdout, _) = user.run(arguments);
        let plain = stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(code == 0 && words.iter().all(|words| plain.contains(words)), "{arguments:?}: {stdout}");
    }
    assert_eq!(user.run(&["job", "list", "--since", "yesterday"]).0, 2);
}

#[test]
fn flags_of_one_job_are_not_lost_on_lines() {
    let user = User::new();
    for flag in
        [["--priority", "90"], ["--queue", "q"], ["--label", "a=b"], ["--attempts", "3"], ["--job-timeout", "9s"]]
    {
        let arguments = [&["job", "submit", "--dry-run", "--from-file", "-"][..], &flag].concat();
        let (code, _, stderr) = user.run_with(&arguments, "{\"command\": [\"true\"]}\n");
        assert_eq!(code, 2, "{flag:?}");
        assert!(stderr.contains("cannot be used with"), "{stderr}");
    }
}

#[test]
fn a_wrong_line_of_a_file_is_told_with_its_number_before_anything_is_submitted() {
    let lines = "{\"command\": [\"true\"]}\n{\"command\": [\"true\"], \"quue\": \"x\"}\n";
    let (code, stdout, stderr) = User::new().run_with(&["job", "submit", "--from-file", "-"], lines);
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert!(stderr.contains("line 2, column ") && stderr.contains("did you mean `queue`"), "{stderr}");
    assert!(stderr.contains("code: unknown_field"), "{stderr}");
}

#[test]
fn a_dry_run_needs_no_cluster() {
    let (code, stdout, stderr) = User::new().run(&["job", "submit", "--dry-run", "-o", "json", "--", "true"]);
    assert_eq!((code, stderr.as_str()), (0, "nothing was submitted\n"));
    let json: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(json, serde_json::json!({"well_formed": 1}));
}

#[test]
fn a_configuration_is_checked_as_a_whole() {
    let user = User::new();
    let (code, stdout, stderr) = user.run_with(&["config", "validate", "-", "-o", "json"], "[nod]\nname = \"a\"\n");
    assert_eq!(code, 2, "{stderr}");
    let json: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(json["valid"], false);
    assert!(stderr.contains("code: config_invalid"), "{stderr}");
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let user = User::new();
    let mut command = user.command(&["completion", "bash"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let (code, _, stderr) = told(&child.wait_with_output().unwrap());
    assert_eq!((code, stderr.as_str()), (1, ""));
}

#[test]
fn a_profile_that_outlived_its_process_is_none() {
    let user = User::new();
    let profile = quorla_client::Profile {
        addresses: vec!["127.0.0.1:1".into()],
        ca: "/none".into(),
        cert: "/none".into(),
        key: "/none".into(),
        http: None,
        pid: Some(u32::MAX),
        control: None,
    };
    profile.write(&user.state.path().join("quorla/profiles"), "dev").unwrap();
    let (code, _, stderr) = user.run(&["job", "list"]);
    assert_eq!(code, 6);
    assert!(stderr.contains("is gone"), "{stderr}");
}
