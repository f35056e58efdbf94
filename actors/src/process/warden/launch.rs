//! From a spawn request to a running child: the directory, the paths to try, the limits.

use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;

use rustix::process::{Pid, Resource, Rlimit};

use super::fresh::FreshDirectories;
use super::{End, FDS_PER_SPAWN, Spawn, Stage};
use crate::process::spec::OPEN_FILES_SOFT;
use crate::process::sys::{self, Slots};

pub(super) struct Launched {
    pub(super) pid: Pid,
    pub(super) slot: u32,
    pub(super) fresh_directory: Option<CString>,
}

pub(super) struct Launcher {
    pub(super) fresh: FreshDirectories,
    slots: Slots,
    warden: Pid,
    no_new_privileges: bool,
}

impl Launcher {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            fresh: FreshDirectories::default(),
            slots: Slots::new()?,
            warden: rustix::process::getpid(),
            no_new_privileges: !rustix::process::geteuid().is_root(),
        })
    }

    pub(super) fn launch(&mut self, spawn: &Spawn, stdio: &[OwnedFd; FDS_PER_SPAWN]) -> Result<Launched, End> {
        let arguments = c_strings(&spawn.arguments)?;
        let environment = c_strings(&spawn.environment)?;
        let directory = c_string(&spawn.directory)?;
        let programs = c_strings(&candidates(&spawn.arguments, &spawn.environment))?;
        let slot = self.slots.claim().ok_or(End::Failed { stage: Stage::Fork, errno: libc::EAGAIN })?;
        let launch = sys::Launch {
            programs: &programs,
            arguments: &arguments,
            environment: &environment,
            directory: &directory,
            stdio,
            limits: &limits(spawn),
            no_new_privileges: self.no_new_privileges,
            warden: self.warden,
        };
        let made = if spawn.fresh { self.fresh.make(&directory) } else { Ok(()) };
        let forked = match made {
            Ok(()) => sys::fork(&launch, &self.slots, slot).map_err(|error| (Stage::Fork, error)),
            Err(error) => Err((Stage::MakeDirectory, error.into())),
        };
        let fresh_directory = spawn.fresh.then_some(directory);
        match forked {
            Ok(pid) => Ok(Launched { pid, slot, fresh_directory }),
            Err((stage, error)) => {
                self.slots.release(slot);
                if let (Stage::Fork, Some(directory)) = (stage, fresh_directory) {
                    self.fresh.give_back(directory);
                }
                Err(End::Failed { stage, errno: error.raw_os_error().unwrap_or(libc::EAGAIN) })
            }
        }
    }

    /// Ends a spawn; says where it failed when it never became its program.
    pub(super) fn release(&mut self, slot: u32) -> Option<(Stage, i32)> {
        self.slots.release(slot)
    }
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

fn limits(spawn: &Spawn) -> Vec<(Resource, Rlimit)> {
    let exactly = |bound: u64| Rlimit { current: Some(bound), maximum: Some(bound) };
    let files_hard = rustix::process::getrlimit(Resource::Nofile).maximum;
    let files_soft = files_hard.map_or(OPEN_FILES_SOFT, |hard| hard.min(OPEN_FILES_SOFT));
    let files = spawn.limits.open_files_max.map(|bound| files_hard.map_or(bound, |hard| bound.min(hard)));
    let mut limits = vec![
        (Resource::Core, exactly(0)),
        (Resource::Nofile, files.map_or(Rlimit { current: Some(files_soft), maximum: files_hard }, exactly)),
    ];
    limits.extend(spawn.limits.address_space_bytes_max.map(|bound| (Resource::As, exactly(bound))));
    limits.extend(spawn.limits.file_bytes_max.map(|bound| (Resource::Fsize, exactly(bound))));
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
