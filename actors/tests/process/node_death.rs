//! What is left when the node or the warden goes: nothing.

use std::process::{Command, Stdio};
use std::time::Duration;

use quorla_actors::process::agent::ProcessError;
use quorla_actors::process::outcome::Exit;
use rustix::process::{Pid, Signal, kill_process};

use crate::left_out::{Needs, leave_out};
use crate::setting::{Scratch, boot_ms, eventually, marked, marker, program, role, setting, shell};

fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
}

/// The life of the node that the tests kill or freeze: attempts that would stay, and a lease when asked for.
pub(crate) fn be_a_node() {
    let marker = std::env::var("MARKER").unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let setting = setting().await;
        if let Ok(lease_ms) = std::env::var("LEASE_MS") {
            setting.agent.set_lease_deadline(boot_ms() + lease_ms.parse::<u64>().unwrap());
        }
        let daemon = format!("echo x > file; (setsid sleep {marker} &); trap '' TERM; sleep {marker}");
        let attempts = [shell(&daemon), program("sleep", &[&marker])].map(|spec| setting.run(spec));
        futures::future::join_all(attempts).await;
    });
}

/// Starts such a node and waits until its three sleepers run.
async fn node(marker: &str, scratch: &Scratch, lease_ms: Option<u64>) -> std::process::Child {
    let command = role("node", "node_role");
    let node = Command::new(command.program)
        .args(command.arguments)
        .envs(command.environment)
        .envs(lease_ms.map(|lease_ms| ("LEASE_MS", lease_ms.to_string())))
        .env("MARKER", marker)
        .env("TMPDIR", scratch.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    eventually("the node's attempts run", || marked(marker).len() >= 3).await;
    node
}

fn directories(scratch: &Scratch) -> usize {
    let nodes = std::fs::read_dir(scratch.path()).unwrap().flatten();
    nodes.map(|node| std::fs::read_dir(node.path().join("fresh")).unwrap().count()).sum()
}

#[tokio::test]
async fn a_killed_node_leaves_nothing() {
    let (marker, scratch) = (marker(), Scratch::new());
    let mut node = node(&marker, &scratch, None).await;
    assert_eq!(directories(&scratch), 2);
    node.kill().unwrap();
    node.wait().unwrap();
    eventually("the attempts are gone", || marked(&marker).is_empty()).await;
    eventually("their directories are gone", || directories(&scratch) == 0).await;
}

#[tokio::test]
async fn a_frozen_node_leaves_nothing_past_its_lease() {
    let (marker, scratch) = (marker(), Scratch::new());
    let mut node = node(&marker, &scratch, Some(3_000)).await;
    signal(node.id(), Signal::STOP);
    eventually("the attempts are gone", || marked(&marker).is_empty()).await;
    node.kill().unwrap();
    node.wait().unwrap();
}

#[tokio::test]
async fn a_stopped_agent_leaves_nothing() {
    let (marker, setting) = (marker(), setting().await);
    let attempt = setting.agent.run(shell(&format!("(setsid sleep {marker} &); sleep {marker}"))).unwrap();
    let waiting = tokio::spawn(attempt.wait());
    eventually("they run", || marked(&marker).len() >= 2).await;
    setting.agent.stop().await;
    assert_eq!(marked(&marker), []);
    assert_eq!(waiting.await.unwrap().exit, Exit::WardenGone);
}

#[tokio::test]
async fn a_killed_warden_is_noticed_and_leaves_nothing() {
    let (marker, setting) = (marker(), setting().await);
    let script = format!("(setsid sh -c 'sleep {marker} & sleep {marker}' &); sleep {marker}");
    let attempt = setting.agent.run(shell(&script)).unwrap();
    let waiting = tokio::spawn(attempt.wait());
    eventually("they run", || marked(&marker).len() >= 3).await;
    signal(setting.agent.warden_pid(), Signal::KILL);
    tokio::time::timeout(Duration::from_secs(30), setting.agent.gone()).await.unwrap();
    assert_eq!(marked(&marker), []);
    assert_eq!(waiting.await.unwrap().exit, Exit::WardenGone);
    assert!(matches!(setting.agent.run(program("true", &[])), Err(ProcessError::WardenIsGone)));
}

/// As in a container: the processes see no session of their own there, for its leader is outside.
#[test]
fn in_a_pid_namespace_a_killed_warden_leaves_nothing_either() {
    let namespace: &[&str] = if rustix::process::geteuid().is_root() { &[] } else { &["--map-root-user"] };
    let inside = |program: &std::ffi::OsStr, arguments: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(namespace).args(["--pid", "--fork", "--mount-proc"]).arg(program).args(arguments).output()
    };
    if !inside("true".as_ref(), &[]).is_ok_and(|output| output.status.success()) {
        return leave_out(Needs::Namespaces, "a PID namespace takes root or user namespaces");
    }
    let test = ["--exact", "node_death::a_killed_warden_is_noticed_and_leaves_nothing"];
    let output = inside(std::env::current_exe().unwrap().as_os_str(), &test).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// The signals that a thread blocks, one bit each, as the kernel says.
fn blocked_signals(thread: &std::path::Path) -> u64 {
    let status = std::fs::read_to_string(thread.join("status")).unwrap();
    let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap();
    u64::from_str_radix(blocked.trim(), 16).unwrap()
}

/// The warden's thread is the only one of its program; here the harness has another, which a signal would find.
#[tokio::test]
async fn a_warden_blocks_what_a_terminal_and_an_init_send() {
    let setting = setting().await;
    let sent = [Signal::HUP, Signal::INT, Signal::QUIT, Signal::PIPE, Signal::USR1, Signal::TERM, Signal::TSTP];
    let wanted = sent.iter().fold(0, |mask, signal| mask | 1_u64 << (signal.as_raw() - 1));
    let threads = std::fs::read_dir(format!("/proc/{}/task", setting.agent.warden_pid())).unwrap();
    let blocked: Vec<u64> = threads.map(|thread| blocked_signals(&thread.unwrap().path())).collect();
    assert!(blocked.iter().any(|blocked| blocked & wanted == wanted), "{blocked:x?}");
    assert_eq!(setting.run(program("true", &[])).await.exit, Exit::Exited(0));
}

#[tokio::test]
async fn what_is_no_warden_is_refused() {
    let scratch = Scratch::new();
    let settings = quorla_actors::process::agent::Settings {
        directories: scratch.join("fresh"),
        attempts_max: 1,
        cgroups: crate::setting::cgroups(),
        users: quorla_actors::process::users::Users::AnyButRoot,
        settle_max: quorla_actors::process::agent::SETTLE_MAX,
    };
    let mut command = role("warden", "warden_role");
    command.program = "/bin/true".into();
    let outcome = quorla_actors::process::agent::ProcessAgent::start(command.clone(), settings.clone()).await;
    assert!(matches!(outcome, Err(ProcessError::NotAWarden { .. })));
    command.program = "/no/such".into();
    let outcome = quorla_actors::process::agent::ProcessAgent::start(command, settings).await;
    assert!(matches!(outcome, Err(ProcessError::StartWarden { .. })));
}
