//! `quorla dev` tells what happens to its nodes: which one ended and how, which one was started again, what it stops.

use std::process::Stdio;

use quorla_tests::trial::program;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{ChildStderr, Command};

#[tokio::test]
async fn dev_tells_which_node_ended_how_and_what_it_started_again() {
    let state = tempfile::tempdir().unwrap();
    let mut command = Command::new(program());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("QUORLA")) {
        command.env_remove(name);
    }
    command.args(["dev", "--nodes", "1"]).env("XDG_STATE_HOME", state.path()).env("TMPDIR", state.path());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut dev = command.spawn().unwrap();
    let dev_pid = dev.id().unwrap();
    let mut told = BufReader::new(dev.stderr.take().unwrap()).lines();

    let first = node_process(&until(&mut told, ", quic ").await);
    send(first, Signal::KILL);
    let end = until(&mut told, " ended: ").await;
    assert!(end.contains(&format!("process {first} ended: signal: 9")), "{end}");
    send(dev_pid, Signal::USR1);
    let second = node_process(&until(&mut told, " again, quic ").await);
    assert_ne!(second, first);
    send(dev_pid, Signal::TERM);
    until(&mut told, "stopping ").await;
    assert_eq!(dev.wait().await.unwrap().code(), Some(0));
}

/// The first line from now on that holds these words.
async fn until(told: &mut Lines<BufReader<ChildStderr>>, words: &str) -> String {
    loop {
        let line = told.next_line().await.unwrap().expect("it is said before the end");
        if line.contains(words) {
            return line;
        }
    }
}

fn node_process(line: &str) -> u32 {
    let digits = line.split("process ").nth(1).and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next());
    digits.unwrap().parse().unwrap()
}

fn send(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
}
