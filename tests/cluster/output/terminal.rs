//! `job logs` and `job run` before a terminal and before a pipe.

use std::process::Stdio;

use quorla_client::JobState;
use quorla_tests::command::Shell;
use quorla_tests::eventually::eventually;
use quorla_tests::trial::{Trial, settings};
use tokio::io::{AsyncBufReadExt as _, BufReader};

const HOSTILE: &str = r"printf 'a\033]0;owned\007b\033[2Jc\rd\377\n'; printf '\033[31mred\n' >&2";

async fn output(shell: &Shell, arguments: &[&str]) -> (Vec<u8>, Vec<u8>) {
    let output = shell.run(arguments).output().await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    (output.stdout, output.stderr)
}

/// What the command writes to a terminal: `script` gives it one.
async fn on_terminal(shell: &Shell, arguments: &[&str]) -> String {
    let plain = shell.run(arguments);
    let program = plain.as_std();
    let words = std::iter::once(program.get_program()).chain(program.get_args());
    let line: Vec<String> = words.map(|word| format!("'{}'", word.to_str().unwrap().replace('\'', r"'\''"))).collect();
    let mut command = tokio::process::Command::new("script");
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.args(["-qec", &line.join(" "), "/dev/null"]).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn a_job_cannot_drive_its_readers_terminal_and_bytes_pass_a_pipe() {
    let trial = Trial::start(settings(1)).await;
    let shell = Shell::of(&trial);
    let (stdout, stderr) = output(&shell, &["job", "run", "--", "sh", "-c", HOSTILE]).await;
    let raw = b"a\x1b]0;owned\x07b\x1b[2Jc\rd\xff\n";
    assert_eq!((stdout.as_slice(), stderr.as_slice()), (raw.as_slice(), b"\x1b[31mred\n".as_slice()));
    assert_eq!(output(&shell, &["job", "logs", "last"]).await, (stdout, stderr));
    let (only, nothing) = output(&shell, &["job", "logs", "last", "--stream", "stderr"]).await;
    assert_eq!((only.len(), nothing.as_slice()), (0, b"\x1b[31mred\n".as_slice()));

    let shown = on_terminal(&shell, &["job", "logs", "last"]).await;
    // Which of two pipes is read first is nobody's promise.
    let orders = ["abc\r\nd\u{fffd}\r\nred\r\n", "red\r\nabc\r\nd\u{fffd}\r\n"];
    assert!(orders.contains(&&*shown), "{shown:?}");
    let shown = on_terminal(&shell, &["job", "logs", "last", "--raw"]).await;
    assert!(shown.contains("\x1b[2J") && shown.contains("\x1b]0;owned"), "{shown:?}");
    lines_are_chosen(&shell).await;
    trial.stop().await;
}

async fn lines_are_chosen(shell: &Shell) {
    output(shell, &["job", "run", "--", "seq", "100"]).await;
    let (stdout, _) = output(shell, &["job", "logs", "last", "--tail", "3"]).await;
    assert_eq!(stdout, b"98\n99\n100\n");
    let (stdout, _) = output(shell, &["job", "logs", "last", "-f", "--tail", "1"]).await;
    assert_eq!(stdout, b"100\n");
    let (stdout, _) = output(shell, &["job", "logs", "last", "--since", "2099-01-01"]).await;
    assert_eq!(stdout, b"");
    let (stdout, _) = output(shell, &["job", "logs", "last", "--tail", "1", "--timestamps"]).await;
    let text = String::from_utf8(stdout).unwrap();
    assert!(text.starts_with("20") && text.ends_with(" 100\n") && text.len() == 28, "{text:?}");
    let (stdout, _) = output(shell, &["job", "logs", "last", "-o", "jsonl"]).await;
    let lines: Vec<serde_json::Value> =
        std::str::from_utf8(&stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["record"]["sequence"], 1, "{lines:?}");
    assert_eq!(lines.last().unwrap()["ended"]["state"], "succeeded", "{lines:?}");
}

#[tokio::test]
async fn job_run_shows_a_line_before_the_job_has_ended_and_ends_it_with_its_reader() {
    let trial = Trial::start(settings(1)).await;
    let shell = Shell::of(&trial);
    let mut running =
        shell.run(&["job", "run", "--", "sh", "-c", "while :; do echo tick; sleep 0.02; done"]).spawn().unwrap();
    let mut lines = BufReader::new(running.stdout.take().unwrap()).lines();
    for _ in 0..3 {
        assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("tick"));
    }
    drop(lines);
    running.wait().await.unwrap();
    let ended = eventually("the job is cancelled", async || {
        let jobs = trial.client.list(quorla_client::ListQuery::default()).await.ok()?.jobs;
        jobs.first().map(|job| job.state).filter(|state| state.is_ended())
    });
    assert_eq!(ended.await, JobState::Cancelled);
    trial.stop().await;
}
