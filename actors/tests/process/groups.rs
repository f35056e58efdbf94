//! Control groups do not outlive those who made them.

use std::process::{Command, Stdio};

use quorla_actors::process::cgroup::{CgroupSettings, Controller};
use quorla_actors::process::outcome::Exit;
use quorla_actors::process::spec::{Limits, ProcessSpec};
use rustix::process::{Pid, Signal, kill_process};

use crate::left_out::{Needs, leave_out};
use crate::limits::{able, directories, groups};
use crate::setting::{Scratch, eventually, marked, marker, role, setting_in, shell};

fn limited(script: &str) -> ProcessSpec {
    let limits = Limits { processes_max: Some(64), ..Limits::default() };
    ProcessSpec { limits, ..shell(script) }
}

/// The life of the node that is killed: one attempt in a group, with a descendant that has left everything but that.
pub(crate) fn be_a_node() {
    let marker = std::env::var("MARKER").unwrap();
    let cgroups = CgroupSettings { parent: None, node: std::env::var("CGROUP").unwrap() };
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let setting = setting_in(cgroups).await;
        setting.run(limited(&format!("(env -i /usr/bin/setsid /bin/sleep {marker} &); sleep {marker}"))).await;
    });
}

async fn node(marker: &str, cgroup: &str, scratch: &Scratch) -> std::process::Child {
    let command = role("limited_node", "limited_node_role");
    let node = Command::new(command.program)
        .args(command.arguments)
        .envs(command.environment)
        .env("MARKER", marker)
        .env("CGROUP", cgroup)
        .env("TMPDIR", scratch.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    eventually("its attempt runs", || marked(marker).len() >= 2).await;
    node
}

fn kill(pid: u32) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), Signal::KILL).unwrap();
}

#[tokio::test]
async fn a_killed_node_leaves_no_group() {
    let Some((setting, own)) = able(Controller::Processes).await else { return };
    let (marker, scratch) = (marker(), Scratch::new());
    let cgroup = format!("{own}-killed");
    let mut node = node(&marker, &cgroup, &scratch).await;
    assert_eq!(groups(&cgroup).len(), 1);
    node.kill().unwrap();
    node.wait().unwrap();
    eventually("all is gone", || marked(&marker).is_empty() && groups(&cgroup).is_empty()).await;
    // What remains is the place for the node's next start, which ends in order here.
    setting_in(CgroupSettings { parent: None, node: cgroup.clone() }).await.agent.stop().await;
    assert_eq!(directories(&cgroup).len(), 0);
    setting.agent.stop().await;
    assert_eq!(directories(&own).len(), 0, "a stopped agent leaves none either");
}

#[tokio::test]
async fn a_killed_warden_leaves_no_group() {
    let Some((setting, node)) = able(Controller::Processes).await else { return };
    let marker = marker();
    let script = format!("(env -i /usr/bin/setsid /bin/sleep {marker} &); sleep {marker}");
    let attempt = setting.agent.run(limited(&script)).unwrap();
    let waiting = tokio::spawn(attempt.wait());
    eventually("they run", || marked(&marker).len() >= 2).await;
    kill(setting.agent.warden_pid());
    setting.agent.gone().await;
    assert_eq!((marked(&marker), directories(&node).len()), (vec![], 0));
    assert_eq!(waiting.await.unwrap().exit, Exit::WardenGone);
}

/// As after a power loss of both: processes and groups of the fences before, under the node's own name.
#[tokio::test]
async fn what_an_earlier_epoch_left_is_killed_and_removed_at_the_start() {
    let Some((setting, node)) = able(Controller::Processes).await else { return };
    let marker = marker();
    let attempt = setting.agent.run(limited(&format!("sleep {marker}"))).unwrap();
    let waiting = tokio::spawn(attempt.wait());
    eventually("it runs", || !marked(&marker).is_empty()).await;
    // A second agent of the same name takes what it finds for leftovers.
    let next = setting_in(CgroupSettings { parent: None, node: node.clone() }).await;
    assert_eq!((marked(&marker), groups(&node)), (vec![], vec![]));
    assert_eq!(waiting.await.unwrap().exit, Exit::Signaled(9));
    assert_eq!(next.run(limited("exit 0")).await.exit, Exit::Exited(0));
}

#[tokio::test]
async fn what_was_left_in_another_cgroup_is_found_too() {
    let Some((setting, node)) = able(Controller::Processes).await else { return };
    drop(setting);
    let parent = format!("/quorla-test-{node}");
    let elsewhere = CgroupSettings { parent: Some(parent.clone().into()), node: node.clone() };
    let before = setting_in(elsewhere).await;
    if let Some(why) = before.agent.abilities().why_unlimited(Controller::Processes) {
        return leave_out(Needs::Cgroup, &format!("no second place for groups: {why}"));
    }
    let marker = marker();
    let attempt = before.agent.run(limited(&format!("sleep {marker}"))).unwrap();
    let waiting = tokio::spawn(attempt.wait());
    eventually("it runs", || !marked(&marker).is_empty()).await;
    // The next start is told of no parent: it is in its own cgroup.
    let next = setting_in(CgroupSettings { parent: None, node: node.clone() }).await;
    assert_eq!((marked(&marker), groups(&node)), (vec![], vec![]));
    assert_eq!(waiting.await.unwrap().exit, Exit::Signaled(9));
    assert!(directories(&node).iter().all(|directory| !directory.to_string_lossy().contains(&parent)));
    assert_eq!(next.run(limited("exit 0")).await.exit, Exit::Exited(0));
    drop(before);
    for place in directories(&parent[1..]) {
        let _ = std::fs::remove_dir(place.join("quorla"));
        std::fs::remove_dir(place).unwrap();
    }
}
