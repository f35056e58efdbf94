//! What the tests share: an agent with its warden, specs, and a look at the machine's processes.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use quorla_actors::process::agent::{ProcessAgent, SETTLE_MAX, Settings, WardenCommand};
use quorla_actors::process::cgroup::CgroupSettings;
use quorla_actors::process::outcome::{ProcessOutcome, Tail};
use quorla_actors::process::spec::{Identity, ProcessSpec};
use quorla_actors::process::users::Users;

pub(crate) fn boot_ms() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    u64::try_from(now.tv_sec).unwrap() * 1000 + u64::try_from(now.tv_nsec).unwrap() / 1_000_000
}

/// A directory of its own that is removed with it.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("quorla-process-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn role(role: &str, test: &str) -> WardenCommand {
    WardenCommand {
        program: std::env::current_exe().unwrap(),
        arguments: ["--exact", test, "--nocapture"].map(Into::into).to_vec(),
        environment: vec![(crate::ROLE.into(), role.into())],
    }
}

pub(crate) struct Setting {
    pub(crate) agent: ProcessAgent,
    pub(crate) scratch: Scratch,
}

pub(crate) async fn setting() -> Setting {
    setting_in(cgroups()).await
}

pub(crate) async fn setting_in(cgroups: CgroupSettings) -> Setting {
    setting_with(|settings| settings.cgroups = cgroups).await
}

/// An agent whose settings are not the usual ones.
pub(crate) async fn setting_with(change: impl FnOnce(&mut Settings)) -> Setting {
    let scratch = Scratch::new();
    let mut settings = Settings {
        directories: scratch.join("fresh"),
        attempts_max: 256,
        cgroups: cgroups(),
        users: Users::AnyButRoot,
        settle_max: SETTLE_MAX,
    };
    change(&mut settings);
    let agent = ProcessAgent::start(role("warden", "warden_role"), settings).await.unwrap();
    Setting { agent, scratch }
}

/// Control groups that no other test has.
pub(crate) fn cgroups() -> CgroupSettings {
    CgroupSettings { parent: None, node: format!("test-{}-{}", std::process::id(), identity().fence) }
}

impl Setting {
    pub(crate) async fn run(&self, spec: ProcessSpec) -> ProcessOutcome {
        let attempt = self.agent.run(spec).unwrap();
        let patience = std::time::Duration::from_secs(60); // Only a guard against hanging.
        tokio::time::timeout(patience, attempt.wait()).await.expect("the attempt ends")
    }

    pub(crate) async fn run_script(&self, script: &str) -> ProcessOutcome {
        self.run(shell(script)).await
    }

    /// Working directories that are there, the empty spares of the warden aside.
    pub(crate) fn fresh_directories(&self) -> usize {
        let there = std::fs::read_dir(self.scratch.join("fresh")).unwrap().flatten();
        there.filter(|entry| !entry.file_name().to_str().unwrap().starts_with("attempt-spare-")).count()
    }
}

pub(crate) fn identity() -> Identity {
    static FENCE: AtomicU64 = AtomicU64::new(1 << 48);
    Identity {
        job_id: "7Z9K-TEST".into(),
        attempt: 2,
        fence: FENCE.fetch_add(1, Ordering::Relaxed),
        array_index: None,
        deadline_unix_ms: None,
        node: "node-a".into(),
    }
}

pub(crate) fn program(program: &str, arguments: &[&str]) -> ProcessSpec {
    let mut spec = ProcessSpec::new(identity(), program);
    spec.arguments = arguments.iter().map(|argument| (*argument).into()).collect();
    spec
}

pub(crate) fn shell(script: &str) -> ProcessSpec {
    program("sh", &["-c", script])
}

pub(crate) fn text(tail: &Tail) -> String {
    String::from_utf8(tail.bytes.clone()).unwrap()
}

/// Processes, zombies excluded, with this marker among their arguments.
pub(crate) fn marked(marker: &str) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &u32| {
        let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        *pid != std::process::id() && arguments.split(|byte| *byte == 0).any(|part| part == marker.as_bytes())
    })
    .collect()
}

/// A marker for arguments that no other test has: a number of seconds to sleep.
pub(crate) fn marker() -> String {
    format!("{}.{}", 1_000_000 + u64::from(std::process::id()), identity().fence % 100_000)
}

/// Waits until `holds`; the bound is only a guard against hanging.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let patience = std::time::Duration::from_secs(30);
    let holding = async {
        while !holds() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(patience, holding).await.is_ok(), "in vain: {what}");
}

pub(crate) fn shown(path: &Path) -> String {
    String::from_utf8(path.as_os_str().as_bytes().to_vec()).unwrap()
}
