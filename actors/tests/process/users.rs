//! Who attempts run as, and that they cannot become anybody else.

use std::os::unix::fs::PermissionsExt;

use quorla_actors::process::agent::{ProcessError, SpecRefusal};
use quorla_actors::process::outcome::{Exit, SpawnFailureKind};
use quorla_actors::process::spec::{ProcessSpec, WorkingDirectory};
use quorla_actors::process::users::Users;

use crate::left_out::{Needs, leave_out};
use crate::setting::{Setting, eventually, marked, marker, program, setting, setting_with, shell, text};

/// Nobody, by numbers and by name.
const NOBODY: &str = "65534:65534";

async fn able() -> Option<Setting> {
    let setting = setting().await;
    if setting.agent.abilities().changes_users() {
        return Some(setting);
    }
    leave_out(Needs::Root, "running as another user takes root, or CAP_SETUID and what goes with it");
    None
}

fn as_user(user: &str, spec: ProcessSpec) -> ProcessSpec {
    ProcessSpec { run_as: Some(user.into()), ..spec }
}

#[tokio::test]
async fn every_attempt_is_kept_from_new_privileges() {
    let outcome = setting().await.run(program("grep", &["NoNewPrivs", "/proc/self/status"])).await;
    assert_eq!(text(&outcome.stdout), "NoNewPrivs:\t1\n");
}

#[tokio::test]
async fn an_attempt_runs_as_the_user_it_names_and_no_group_beside() {
    let Some(setting) = able().await else { return };
    for user in [NOBODY, "nobody"] {
        let script = "id -u; id -g; id -G; umask; grep -c '^CapEff:.0000000000000000$' /proc/self/status";
        let outcome = setting.run(as_user(user, shell(script))).await;
        assert_eq!(text(&outcome.stdout), "65534\n65534\n65534\n0022\n1\n", "{user}");
    }
}

#[tokio::test]
async fn its_fresh_directory_and_its_streams_are_the_users_own() {
    let Some(setting) = able().await else { return };
    let script = "stat -c '%u %g %a' .; mkdir -p a/b; echo x > a/b/c; ls -A; echo again > /dev/stderr; cat /dev/stdin";
    let mut spec = as_user(NOBODY, shell(script));
    spec.stdin = b"in\n".to_vec();
    let outcome = setting.run(spec).await;
    assert_eq!((outcome.exit, text(&outcome.stderr)), (Exit::Exited(0), "again\n".into()));
    assert_eq!(text(&outcome.stdout), "65534 65534 700\na\nin\n");
    assert_eq!(setting.fresh_directories(), 0);
    // One that was left empty does not become the next attempt's.
    assert_eq!(setting.run(as_user(NOBODY, program("true", &[]))).await.exit, Exit::Exited(0));
    let next = setting.run_script("stat -c '%u %a' .").await;
    assert_eq!(text(&next.stdout), format!("{} 700\n", rustix::process::geteuid().as_raw()));
}

#[tokio::test]
async fn another_users_attempt_is_ended_with_all_that_it_started() {
    let Some(setting) = able().await else { return };
    let marker = marker();
    let script = format!("trap '' TERM; (setsid sleep {marker} &); sleep {marker}");
    let attempt = setting.agent.run(as_user(NOBODY, shell(&script))).unwrap();
    let killer = attempt.killer();
    let killing = async {
        eventually("both run", || marked(&marker).len() >= 2).await;
        killer.kill(15, 20).unwrap();
    };
    let (outcome, ()) = tokio::join!(attempt.wait(), killing);
    assert_eq!((outcome.exit, marked(&marker)), (Exit::Signaled(9), vec![]));
}

#[tokio::test]
async fn a_directory_that_is_closed_to_the_user_is_not_entered() {
    let Some(setting) = able().await else { return };
    let closed = setting.scratch.join("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o700)).unwrap();
    let spec = ProcessSpec { directory: WorkingDirectory::Named(closed), ..as_user(NOBODY, program("true", &[])) };
    let Exit::SpawnFailed(failure) = setting.run(spec).await.exit else { panic!("it started") };
    assert_eq!(failure.kind, SpawnFailureKind::WorkingDirectory, "{failure:?}");
}

#[tokio::test]
async fn only_a_user_that_the_node_allows_is_run_as() {
    let Some(setting) = able().await else { return };
    let not_allowed = |setting: &Setting, user: &str| match setting.agent.run(as_user(user, program("true", &[]))) {
        Err(ProcessError::Refused(SpecRefusal::UserIsNotAllowed(name))) => name == user,
        _ => false,
    };
    assert!(["root", "0:0", "0:65534"].iter().all(|user| not_allowed(&setting, user)), "not root by default");
    assert!(!setting.agent.abilities().changes_to_root());
    let listed = setting_with(|settings| settings.users = Users::Listed(vec!["nobody".into(), "0:0".into()])).await;
    assert!(not_allowed(&listed, "1:1") && not_allowed(&listed, "0:1"));
    assert!(listed.agent.abilities().changes_to_root());
    for (user, uid) in [(NOBODY, "65534\n"), ("root", "0\n")] {
        assert_eq!(text(&listed.run(as_user(user, program("id", &["-u"]))).await.stdout), uid, "{user}");
    }
    let nobody = setting_with(|settings| settings.users = Users::Listed(Vec::new())).await;
    assert!(not_allowed(&nobody, NOBODY) && !nobody.agent.abilities().changes_users());
}

#[tokio::test]
async fn a_user_that_is_not_there_is_refused_by_name() {
    let Some(setting) = able().await else { return };
    for user in ["no-such-user", "12", "4294967295:0"] {
        match setting.agent.run(as_user(user, program("true", &[]))) {
            Err(ProcessError::Refused(SpecRefusal::UserIsUnknown(name))) => assert_eq!(name, user),
            _ => panic!("{user}: not refused"),
        }
    }
}
