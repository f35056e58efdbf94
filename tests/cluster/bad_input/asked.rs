//! Commands that ask for something that can't be.

use std::net::UdpSocket;

use quorla_client::limits::{LABELS_MAX, STDIN_BYTES_MAX};
use quorla_tests::command::Shell;
use quorla_tests::trial::{Trial, settings};

use super::said::Said;

/// A cluster of one node, and a person at a terminal.
struct Terminal {
    trial: Trial,
    shell: Shell,
}

impl Terminal {
    async fn open() -> Self {
        let trial = Trial::start(settings(1)).await;
        Self { shell: Shell::of(&trial), trial }
    }

    async fn run(&self, arguments: &[&str]) -> Said {
        self.run_with(arguments, b"").await
    }

    async fn run_with(&self, arguments: &[&str], stdin: &[u8]) -> Said {
        Said::by(&mut self.shell.run(arguments), stdin).await
    }

    /// Submits a job and gives its id.
    async fn submit(&self, arguments: &[&str]) -> String {
        self.run(&[&["job", "submit", "-o", "id"], arguments].concat()).await.done().to_owned()
    }

    async fn jobs(&self) -> Vec<String> {
        let listed = self.run(&["job", "list", "-o", "id"]).await;
        listed.done().lines().map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn what_is_asked_wrongly_is_refused_with_its_code_and_nothing_is_submitted() {
    let terminal = Terminal::open().await;
    let job = terminal.submit(&["--", "true"]).await;
    wrong_flags(&terminal).await;
    wrong_lines(&terminal).await;
    too_much(&terminal).await;
    unknown_jobs(&terminal, &job).await;
    assert_eq!(terminal.jobs().await, [job]);
    terminal.trial.stop().await;
}

async fn wrong_flags(terminal: &Terminal) {
    let rows: [(&[&str], &[&str]); 6] = [
        (&["--attempt-timeout", "5parsecs"], &["5parsecs", "250ms, 3s, 10m, 2h or 7d"]),
        (&["--job-timeout", "5"], &["\"5\" is no duration"]),
        (&["--memory", "5KB"], &["\"5KB\" is no size", "64KiB"]),
        (&["--cpu", "many"], &["\"many\" is no number of CPUs"]),
        (&["--priority", "101"], &["0..=100"]),
        (&["--label", "a"], &["name=value"]),
    ];
    for (flags, words) in rows {
        let arguments = [&["job", "submit"], flags, &["--", "true"]].concat();
        terminal.run(&arguments).await.refused(2, "usage", words);
    }
    terminal.run(&["job", "list", "--state", "runing"]).await.refused(2, "usage", &["did you mean running?"]);
    terminal.run(&["job", "frobnicate"]).await.refused(2, "usage", &["frobnicate"]);
}

async fn wrong_lines(terminal: &Terminal) {
    let good = r#"{"command": ["true"]}"#;
    let rows: [(&str, &str, &[&str]); 5] = [
        (
            r#"{"command": ["true"], "prioritty": 3}"#,
            "unknown_field",
            &["line 2, column 33: unknown field `prioritty`; did you mean `priority`?"],
        ),
        (r#"{"command": ["true"]"#, "invalid_request", &["line 2, column 20"]),
        (r#"["true"]"#, "invalid_request", &["line 2, column 1: a job is an object, not a list"]),
        (r#"{"command": []}"#, "invalid_request", &["line 2: ", "the command is empty"]),
        (
            r#"{"command": ["true"], "retry": {"attempts_max": 0}}"#,
            "invalid_request",
            &["line 2: ", "attempts_max is 0"],
        ),
    ];
    for (wrong, code, words) in rows {
        let lines = format!("{good}\n{wrong}\n{good}\n");
        let said = terminal.run_with(&["job", "submit", "--from-file", "-"], lines.as_bytes()).await;
        said.refused(2, code, words);
        said.refused(2, code, &["1 line is wrong, and nothing was submitted"]);
    }
    let missing = terminal.run(&["job", "submit", "--from-file", "/nowhere/jobs"]).await;
    missing.refused(1, "local_failure", &["open /nowhere/jobs: No such file"]);
}

async fn too_much(terminal: &Terminal) {
    let labels: Vec<String> = (0..=LABELS_MAX).map(|number| format!("--label=l{number}=v")).collect();
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    let many = [&["job", "submit"], labels.as_slice(), &["--", "true"]].concat();
    terminal.run(&many).await.refused(8, "limit_exceeded", &["labels", &LABELS_MAX.to_string()]);

    let input = vec![b'x'; STDIN_BYTES_MAX + 1];
    let said = terminal.run_with(&["job", "run", "--", "wc", "-c"], &input).await;
    said.refused(125, "limit_exceeded", &["stdin bytes", &STDIN_BYTES_MAX.to_string()]);
}

async fn unknown_jobs(terminal: &Terminal, job: &str) {
    for verb in ["info", "wait", "cancel", "retry", "logs", "history"] {
        let absent = terminal.run(&["job", verb, "zzzzzzzzzzzz"]).await;
        absent.refused(3, "not_found", &["zzzzzzzzzzzz", "quorla job list"]);
    }
    let absent = terminal.run(&["job", "logs", job, "--attempt", "7"]).await;
    absent.refused(3, "not_found", &["no attempt 7", "quorla job history"]);
}

#[tokio::test]
async fn every_outcome_has_the_exit_code_of_the_table() {
    let terminal = Terminal::open().await;
    let slow = terminal.submit(&["--", "sleep", "600"]).await;
    let waited = terminal.run(&["job", "wait", &slow, "--timeout", "1ms"]).await;
    waited.refused(7, "wait_timed_out", &[&slow, "within 1 ms"]);
    terminal.run(&["job", "retry", &slow]).await.refused(5, "job_has_not_ended", &["Cancel it first"]);
    terminal.run(&["job", "cancel", &slow]).await.done();
    assert_eq!(terminal.run(&["job", "wait", &slow]).await.exit, 11);
    terminal.run(&["job", "cancel", &slow]).await.refused(5, "job_has_ended", &["has been cancelled"]);

    let failing = terminal.submit(&["--", "false"]).await;
    assert_eq!(terminal.run(&["job", "wait", &failing]).await.exit, 10);
    let late = terminal.submit(&["--job-timeout", "1ms", "--", "sleep", "600"]).await;
    assert_eq!(terminal.run(&["job", "wait", &late]).await.exit, 12);
    let fine = terminal.submit(&["--idempotency-key", "once", "--", "true"]).await;
    assert_eq!(terminal.run(&["job", "wait", &fine]).await.exit, 0);

    assert_eq!(terminal.submit(&["--idempotency-key", "once", "--", "true"]).await, fine);
    let other = terminal.run(&["job", "submit", "--idempotency-key", "once", "--", "false"]).await;
    other.refused(5, "idempotency_conflict", &[&fine, "Use another key"]);
    let other = terminal.run(&["job", "run", "--idempotency-key", "once", "--", "false"]).await;
    other.refused(125, "idempotency_conflict", &[&fine]);
    ambiguous_prefix(&terminal).await;
    terminal.trial.stop().await;
}

/// Thirty-three ids begin with thirty-two letters.
async fn ambiguous_prefix(terminal: &Terminal) {
    let lines = "{\"command\": [\"true\"]}\n".repeat(33);
    terminal.run_with(&["job", "submit", "--from-file", "-"], lines.as_bytes()).await.done();
    let jobs = terminal.jobs().await;
    let sharing = |letter: char| jobs.iter().filter(move |job| job.starts_with(letter)).collect::<Vec<_>>();
    let letter = jobs.iter().filter_map(|job| job.chars().next()).find(|letter| sharing(*letter).len() > 1).unwrap();
    let said = terminal.run(&["job", "info", &letter.to_string()]).await;
    said.refused(2, "prefix_ambiguous", &["jobs begin with it", "Give more characters"]);
    let listed = |job: &&String| said.stderr.lines().any(|line| line.trim_start().starts_with(job.as_str()));
    assert!(sharing(letter).iter().filter(|job| listed(job)).count() > 1, "candidates: {said:?}");
    let whole = sharing(letter)[0];
    assert!(terminal.run(&["job", "info", whole]).await.done().contains(whole.as_str()));
}

#[tokio::test]
async fn a_cluster_that_can_not_be_reached_or_trusted_is_told_apart() {
    let terminal = Terminal::open().await;
    // It is bound and never answers.
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let nobody = silent.local_addr().unwrap().to_string();
    let said = Said::by(terminal.shell.run(&["job", "list"]).env("QUORLA_ADDR", &nobody), b"").await;
    said.refused(6, "unavailable", &[&nobody]);

    let strangers = tempfile::tempdir().unwrap();
    let now_ms = quorla_client::clock::wall_ms();
    let foreign = quorla_node::identity::write_dev_cluster(strangers.path(), &[], &["me"], now_ms).unwrap();
    let ca = &foreign.clients[0].files.ca;
    let said = Said::by(terminal.shell.run(&["job", "list"]).env("QUORLA_CA_CERT", ca), b"").await;
    said.refused(4, "handshake_refused", &["UnknownIssuer", "this cluster's CA"]);
    let said = Said::by(terminal.shell.run(&["job", "list"]).env("QUORLA_CA_CERT", "/nowhere/ca.crt"), b"").await;
    said.refused(1, "setup", &["/nowhere/ca.crt", "QUORLA_CA_CERT"]);

    let said = Said::by(terminal.shell.run(&["job", "list"]).env("QUORLA_PROFILE", "nobodys"), b"").await;
    said.refused(6, "no_profile", &["there is no profile nobodys", "quorla dev"]);
    terminal.trial.stop().await;
}
