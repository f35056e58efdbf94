//! From a spawn request to a running child: the directory, the paths to try, the limits.

use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;

use rustix::process::{Pid, Resource, Rlimit};

use super::fresh::FreshDirectories;
use super::{End, FDS_PER_SPAWN, Spawn, Stage};
use crate::process::cgroup::{Cgroups, Group};
use crate::process::spec::OPEN_FILES_SOFT;
use crate::process::sys::{Launch, Slots, Starter};

pub(super) struct Launched {
    pub(super) pid: Pid,
    pub(super) slot: u32,
    pub(super) fresh_directory: Option<CString>,
    pub(super) group: Option<Group>,
}

pub(super) struct Launcher {
    pub(super) fresh: FreshDirectories,
    /// Where groups are made, as the node found it.
    pub(super) cgroups: Cgroups,
    slots: Slots,
    starter: Starter,
    warden: Pid,
}

impl Launcher {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            fresh: FreshDirectories::default(),
            cgroups: Cgroups::none("the node has not said where"),
            slots: Slots::new()?,
            starter: Starter::new(),
            warden: rustix::process::getpid(),
        })
    }

    pub(super) fn launch(&mut self, spawn: &Spawn, stdio: &[OwnedFd; FDS_PER_SPAWN]) -> Result<Launched, End> {
        let arguments = c_strings(&spawn.arguments)?;
        let environment = c_strings(&spawn.environment)?;
        let directory = c_string(&spawn.directory)?;
        let programs = c_strings(&candidates(&spawn.arguments, &spawn.environment))?;
        let group = self.group(spawn).map_err(|error| failed(Stage::Limit, &error))?;
        let doors = group.as_ref().map(Group::doors).transpose();
        let launched = doors.map_err(|error| failed(Stage::Limit, &error)).and_then(|doors| {
            let slot = self.slots.claim().ok_or(End::Failed { stage: Stage::Fork, errno: libc::EAGAIN })?;
            let launch = Launch {
                programs,
                arguments,
                environment,
                directory: directory.clone(),
                stdio,
                limits: limits(spawn),
                doors: &doors.unwrap_or_default(),
                user: spawn.user,
                fresh: spawn.fresh,
                warden: self.warden,
            };
            self.start(launch, slot).map(|pid| (pid, slot))
        });
        match launched {
            Ok((pid, slot)) => {
                let fresh_directory = spawn.fresh.then_some(directory);
                Ok(Launched { pid, slot, fresh_directory, group })
            }
            Err(end) => {
                group.iter().for_each(|group| _ = group.remove());
                Err(end)
            }
        }
    }

    /// Makes the directory and the process; a failure leaves neither.
    fn start(&mut self, launch: Launch, slot: u32) -> Result<Pid, End> {
        let fresh = launch.fresh.then(|| launch.directory.clone());
        let made = fresh.as_deref().map_or(Ok(()), |directory| self.fresh.make(directory, launch.user));
        let started = match made {
            Ok(()) => self.starter.start(launch, &self.slots, slot).map_err(|error| failed(Stage::Fork, &error)),
            Err(error) => Err(failed(Stage::MakeDirectory, &error.into())),
        };
        started.inspect_err(|end| {
            self.slots.release(slot);
            if let (Some(directory), End::Failed { stage: Stage::Fork, .. }) = (fresh, end) {
                self.fresh.give_back(directory);
            }
        })
    }

    /// Only attempts that demand a limit have a group: making one costs more than making a process.
    fn group(&self, spawn: &Spawn) -> io::Result<Option<Group>> {
        let demanded = spawn.limits.demand_a_group();
        demanded.then(|| Group::make(&self.cgroups, &spawn.fence.to_string(), &spawn.limits)).transpose()
    }

    /// Ends a spawn; says where it failed when it never became its program.
    pub(super) fn release(&mut self, slot: u32) -> Option<(Stage, i32)> {
        self.starter.sweep();
        self.slots.release(slot)
    }
}

fn failed(stage: Stage, error: &io::Error) -> End {
    End::Failed { stage, errno: error.raw_os_error().unwrap_or(libc::EAGAIN) }
}

/// The paths at which the program may be: itself when it holds a slash, else one for each entry of the PATH that
/// the attempt will see.
fn candidates(arguments: &[Vec<u8>], environment: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let program = arguments.first().map_or(&[][..], Vec::as_slice);
    if program.is_empty() || program.contains(&b'/') {
        return vec![program.to_vec()];
    }
    let path = environment.iter().find_map(|variable| variable.strip_prefix(b"PATH="));
    path.unwrap_or(&[])
        .split(|byte| *byte == b':')
        .map(|entry| if entry.is_empty() { b"." } else { entry })
        .map(|entry| [entry, b"/", program].concat())
        .collect()
}

/// What the node has itself is the most that an attempt can have.
fn limits(spawn: &Spawn) -> Vec<(Resource, Rlimit)> {
    let hard = |resource| rustix::process::getrlimit(resource).maximum;
    let exactly = |resource, bound: u64| {
        let bound = Some(hard(resource).map_or(bound, |hard| bound.min(hard)));
        (resource, Rlimit { current: bound, maximum: bound })
    };
    let files_hard = hard(Resource::Nofile);
    let files_soft = files_hard.map_or(OPEN_FILES_SOFT, |hard| hard.min(OPEN_FILES_SOFT));
    let files = (Resource::Nofile, Rlimit { current: Some(files_soft), maximum: files_hard });
    let mut limits = vec![
        exactly(Resource::Core, spawn.limits.core_bytes_max.unwrap_or(0)),
        spawn.limits.open_files_max.map_or(files, |bound| exactly(Resource::Nofile, bound)),
    ];
    limits.extend(spawn.limits.file_bytes_max.map(|bound| exactly(Resource::Fsize, bound)));
    limits
}

fn c_strings(list: &[Vec<u8>]) -> Result<Vec<CString>, End> {
    list.iter().map(|bytes| c_string(bytes)).collect()
}

fn c_string(bytes: &[u8]) -> Result<CString, End> {
    CString::new(bytes).map_err(|_| End::Failed { stage: Stage::Prepare, errno: libc::EINVAL })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(program: &str, path: &str, expected: &[&str]) {
        let found = candidates(&[program.into()], &[b"A=/no".to_vec(), path.into()]);
        assert_eq!(found, expected.iter().map(|path| path.as_bytes().to_vec()).collect::<Vec<_>>());
    }

    #[test]
    fn only_bare_names_are_looked_up_on_the_attempts_path() {
        check("sh", "PATH=/bin:/usr/bin", &["/bin/sh", "/usr/bin/sh"]);
        check("sh", "PATH=:/bin", &["./sh", "/bin/sh"]);
        check("./sh", "PATH=/bin", &["./sh"]);
        check("/bin/sh", "PATH=/bin", &["/bin/sh"]);
        check("", "PATH=/bin", &[""]);
    }
}
