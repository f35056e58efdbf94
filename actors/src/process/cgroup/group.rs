//! The control group of one attempt: made before it runs, joined by itself, killed and removed after it.

use std::fmt;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, PidfdFlags, Signal};

use super::{Cgroups, Controller, Limits, Version, files};

/// The time over which CPU time is shared out, in microseconds: what the kernel itself starts with.
const CPU_PERIOD_US: u64 = 100_000;

/// One attempt's directories: one with version 2, one for each controller with version 1.
#[derive(Debug)]
pub(in crate::process) struct Group {
    directories: Vec<PathBuf>,
    memory: Option<(Version, PathBuf)>,
}

/// What the kernel counted for the whole group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::process) struct Account {
    /// The kernel killed in it because it needed more memory than it may have.
    pub(in crate::process) out_of_memory: bool,
    /// The most memory that it ever had.
    pub(in crate::process) memory_bytes_max: Option<u64>,
}

impl Group {
    /// Makes the directories and writes the limits. A failure leaves nothing.
    pub(in crate::process) fn make(cgroups: &Cgroups, name: &str, limits: &Limits) -> io::Result<Self> {
        let mut group = Self { directories: Vec::new(), memory: None };
        let made = group.fill(cgroups, name, limits);
        if made.is_err() {
            group.remove();
        }
        made.map(|()| group)
    }

    fn fill(&mut self, cgroups: &Cgroups, name: &str, limits: &Limits) -> io::Result<()> {
        for controller in Controller::ALL.into_iter().filter(|controller| limits.demand(*controller)) {
            let place = cgroups.place(controller).as_ref().map_err(|_| io::Error::from_raw_os_error(libc::ENOTSUP))?;
            let directory = place.directory.join(name);
            if !self.directories.contains(&directory) {
                match fs::create_dir(&directory) {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                    _ => self.directories.push(directory.clone()),
                }
            }
            limit(place.version, &directory, controller, limits)?;
            if controller == Controller::Memory {
                self.memory = Some((place.version, directory));
            }
        }
        Ok(())
    }

    /// A group that somebody before left.
    pub(super) fn left_at(directory: PathBuf) -> Self {
        Self { directories: vec![directory], memory: None }
    }

    /// What a process writes `0` to, to join before it becomes its program.
    pub(in crate::process) fn doors(&self) -> io::Result<Vec<OwnedFd>> {
        let open = |directory: &PathBuf| {
            let flags = OFlags::WRONLY | OFlags::CLOEXEC;
            Ok(rustix::fs::open(directory.join("cgroup.procs"), flags, Mode::empty())?)
        };
        self.directories.iter().map(open).collect()
    }

    /// Kills every process in it, whatever session or parent it has. One that is being forked may escape one call, never
    /// the next: call it until the group can be [removed](Self::remove).
    pub(in crate::process) fn kill(&self) {
        for directory in &self.directories {
            if files::write(&directory.join("cgroup.kill"), "1").is_err() {
                files::tree(directory).iter().for_each(|directory| kill_each(directory));
            }
        }
    }

    /// Removes it with the groups below it; false while something lives in it.
    pub(in crate::process) fn remove(&self) -> bool {
        let gone = |directory: &PathBuf| match fs::remove_dir(directory) {
            Err(error) => error.kind() == io::ErrorKind::NotFound,
            Ok(()) => true,
        };
        let removed = |directory: &PathBuf| gone(directory) || files::tree(directory).iter().all(gone);
        // Every one is tried, whatever became of those before it.
        self.directories.iter().filter(|directory| !removed(directory)).count() == 0
    }

    pub(in crate::process) fn account(&self) -> Account {
        let Some((version, directory)) = &self.memory else {
            return Account::default();
        };
        let (events, peak) = match version {
            Version::V1 => ("memory.oom_control", "memory.max_usage_in_bytes"),
            Version::V2 => ("memory.events", "memory.peak"),
        };
        Account {
            out_of_memory: files::number_of(&directory.join(events), "oom_kill").is_some_and(|kills| kills > 0),
            memory_bytes_max: files::number(&directory.join(peak)),
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.directories.iter().try_for_each(|directory| write!(out, "{} ", directory.display()))
    }
}

fn limit(version: Version, directory: &Path, controller: Controller, limits: &Limits) -> io::Result<()> {
    let file = |name: &str| directory.join(name);
    match (controller, version) {
        (Controller::Cpu, _) => {
            let quota_us = u64::from(limits.cpu_milli_max.unwrap_or(u32::MAX)) * CPU_PERIOD_US / 1_000;
            if version == Version::V2 {
                return files::write(&file("cpu.max"), &format!("{quota_us} {CPU_PERIOD_US}"));
            }
            files::write(&file("cpu.cfs_period_us"), &CPU_PERIOD_US.to_string())?;
            files::write(&file("cpu.cfs_quota_us"), &quota_us.to_string())
        }
        (Controller::Memory, _) => {
            let bytes = limits.memory_bytes_max.unwrap_or(u64::MAX).to_string();
            // Swap would only make a job slow that is over its limit, and its neighbours with it.
            if version == Version::V2 {
                files::write(&file("memory.max"), &bytes)?;
                files::write_where_there(&file("memory.swap.max"), "0")?;
                return files::write_where_there(&file("memory.oom.group"), "1");
            }
            files::write(&file("memory.limit_in_bytes"), &bytes)?;
            files::write_where_there(&file("memory.memsw.limit_in_bytes"), &bytes)
        }
        (Controller::Processes, _) => {
            files::write(&file("pids.max"), &limits.processes_max.unwrap_or(u32::MAX).to_string())
        }
    }
}

/// Kills the processes of one cgroup by handles: an id that was read may belong to another process by the time it is
/// used, but a handle whose id is still listed after it was opened is one of the group's.
fn kill_each(directory: &Path) {
    let pids = files::processes(directory).into_iter().filter_map(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
    let open = |pid| Some((pid, rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok()?));
    let handles: Vec<(Pid, OwnedFd)> = pids.filter_map(open).collect();
    let still = files::processes(directory);
    for (pid, handle) in handles {
        if still.iter().any(|listed| i32::try_from(*listed).is_ok_and(|listed| listed == pid.as_raw_nonzero().get())) {
            let _ = rustix::process::pidfd_send_signal(&handle, Signal::KILL);
        }
    }
}
