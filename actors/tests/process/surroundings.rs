//! What an attempt sees around it: environment, directory, descriptors, signals.

use std::collections::BTreeSet;

use quorla_actors::process::environment::{LANG_DEFAULT, PATH_DEFAULT};
use quorla_actors::process::spec::{Limits, ProcessSpec, WorkingDirectory};

use crate::setting::{program, setting, shell, shown, text};

fn lines(output: &str) -> BTreeSet<String> {
    output.lines().map(Into::into).collect()
}

#[tokio::test]
async fn the_environment_is_what_the_job_names_and_the_agent_sets() {
    let setting = setting().await;
    let mut spec = program("/usr/bin/env", &[]);
    spec.environment = [("A", "1"), ("QUORLA_FENCE", "forged"), ("QUORLA_NODE", "forged"), ("QUORLA_ARRAY_INDEX", "9")]
        .map(|(name, value)| (name.into(), value.into()))
        .to_vec();
    spec.identity.deadline_unix_ms = Some(5);
    spec.directory = WorkingDirectory::Named("/".into());
    let fence = spec.identity.fence;
    let seen = lines(&text(&setting.run(spec).await.stdout));
    let expected = format!(
        "A=1\nHOME=/\nPATH={PATH_DEFAULT}\nLANG={LANG_DEFAULT}\nQUORLA_JOB_ID=7Z9K-TEST\nQUORLA_ATTEMPT=2\n\
         QUORLA_FENCE={fence}\nQUORLA_NODE=node-a\nQUORLA_DEADLINE=5"
    );
    assert_eq!(seen, lines(&expected));
    let mut indexed = program("/usr/bin/env", &[]);
    indexed.identity.array_index = Some(3);
    indexed.environment = vec![("HOME".into(), "/x".into())];
    let seen = lines(&text(&setting.run(indexed).await.stdout));
    assert!(seen.contains("QUORLA_ARRAY_INDEX=3") && seen.contains("HOME=/x"), "{seen:?}");
}

#[tokio::test]
async fn only_the_three_standard_descriptors_are_open() {
    let setting = setting().await;
    // The listing itself holds descriptor 3.
    assert_eq!(text(&setting.run(program("ls", &["/proc/self/fd"])).await.stdout), "0\n1\n2\n3\n");
    let others = [setting.run_script("sleep 0.2"), setting.run_script("ls /proc/self/fd")];
    let outcomes = futures::future::join_all(others).await;
    assert_eq!(text(&outcomes[1].stdout), "0\n1\n2\n3\n");
}

#[tokio::test]
async fn signals_limits_and_session_are_fresh() {
    let setting = setting().await;
    let status = text(&setting.run(program("grep", &["^Sig[BI]", "/proc/self/status"])).await.stdout);
    assert_eq!(status, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
    let session =
        text(&setting.run_script("set -- $(cat /proc/$$/stat); [ $1 = $5 ] && [ $1 = $6 ] && umask").await.stdout);
    assert_eq!(session, "0022\n");
    assert_eq!(text(&setting.run_script("ulimit -Sn; ulimit -c").await.stdout), "1024\n0\n");
    let mut limited = shell("ulimit -Hn; ulimit -f; ulimit -c");
    limited.limits = Limits {
        open_files_max: Some(77),
        file_bytes_max: Some(512 * 10),
        core_bytes_max: Some(512 * 3),
        ..Limits::default()
    };
    assert_eq!(text(&setting.run(limited).await.stdout), "77\n10\n3\n");
}

#[tokio::test]
async fn a_fresh_directory_is_private_and_removed_with_what_is_in_it() {
    let setting = setting().await;
    let script =
        "pwd; stat -c %a .; [ \"$HOME\" = \"$(pwd)\" ] && ls | wc -l; mkdir -p a/b; echo x > a/b/c; ln -s /etc link";
    let outcome = setting.run_script(script).await;
    let output = text(&outcome.stdout);
    let seen: Vec<&str> = output.lines().collect();
    assert!(seen[0].starts_with(&shown(&setting.scratch.join("fresh"))), "{seen:?}");
    assert_eq!(seen[1..], ["700", "0"]);
    assert_eq!(setting.fresh_directories(), 0);
    assert!(std::path::Path::new("/etc/passwd").exists());
}

#[tokio::test]
async fn a_reused_directory_is_as_a_new_one() {
    let setting = setting().await;
    let _ = setting.run_script("chmod 777 .").await;
    let _ = setting.run_script("mv \"$HOME\" \"$HOME-moved\"; ln -s /etc \"$HOME\"").await;
    for _ in 0..3 {
        let seen = text(&setting.run_script("stat -c '%a %F' .; ls -A | wc -l").await.stdout);
        assert_eq!(seen, "700 directory\n0\n");
    }
}

#[tokio::test]
async fn a_named_directory_is_used_and_kept() {
    let setting = setting().await;
    let directory = setting.scratch.join("mine");
    std::fs::create_dir(&directory).unwrap();
    let spec = ProcessSpec { directory: WorkingDirectory::Named(directory.clone()), ..shell("pwd; echo x > left") };
    assert_eq!(text(&setting.run(spec).await.stdout).trim(), shown(&directory));
    assert!(directory.join("left").exists());
}

#[tokio::test]
async fn a_thousand_attempts_leave_no_process_and_no_descriptor() {
    let setting = setting().await;
    let open = |pid: u32| std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    let warden = setting.agent.warden_pid();
    let _ = setting.run(program("/bin/true", &[])).await;
    let before = (open(std::process::id()), open(warden));
    for _ in 0..20 {
        let attempts = (0..50).map(|_| setting.run(program("/bin/true", &[])));
        let outcomes = futures::future::join_all(attempts).await;
        assert!(outcomes.iter().all(|outcome| outcome.exit == quorla_actors::process::outcome::Exit::Exited(0)));
    }
    assert_eq!(open(warden), before.1);
    // Tests that run beside this one in its process have a few open too, but not hundreds.
    assert!(open(std::process::id()) < before.0 + 500);
    assert_eq!(setting.agent.running(), 0);
    let tasks = std::fs::read_dir(format!("/proc/{warden}/task")).unwrap().flatten();
    for task in tasks {
        assert_eq!(std::fs::read_to_string(task.path().join("children")).unwrap(), "", "zombies");
    }
}
