//! What a child does between its birth and its program. It may run in the warden's own memory ([`super::start`]): so it
//! allocates nothing, touches nothing but its [`Child`], and makes system calls that leave `errno` alone.

use std::ffi::{CStr, CString, c_char};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::atomic::AtomicU32;

use rustix::io::Errno;
use rustix::process::{Gid, Pid, Resource, Rlimit, Signal, Uid};
use syscalls::{Sysno, syscall};

use super::{set_signal_mask, slots};
use crate::process::spec::User;
use crate::process::wire::{FDS_PER_SPAWN, Stage};

/// What a process is to become.
pub(in crate::process) struct Launch<'a> {
    /// Paths to try in order.
    pub(in crate::process) programs: Vec<CString>,
    pub(in crate::process) arguments: Vec<CString>,
    pub(in crate::process) environment: Vec<CString>,
    pub(in crate::process) directory: CString,
    /// Standard input, output and error; all above 2.
    pub(in crate::process) stdio: &'a [OwnedFd; FDS_PER_SPAWN],
    pub(in crate::process) limits: Vec<(Resource, Rlimit)>,
    /// Files of its control group; writing to them puts the child there.
    pub(in crate::process) doors: &'a [OwnedFd],
    pub(in crate::process) user: Option<User>,
    /// Whether the directory was made for the attempt: then it is entered even where the way to it is closed to the user.
    pub(in crate::process) fresh: bool,
    pub(in crate::process) warden: Pid,
}

/// The same, so that a child needs nothing else. Descriptors are those of its own table, a copy of the warden's.
pub(super) struct Child {
    programs: Vec<CString>,
    argument_pointers: Vec<*const c_char>,
    environment_pointers: Vec<*const c_char>,
    directory: CString,
    stdio: [RawFd; FDS_PER_SPAWN],
    limits: Vec<(Resource, Rlimit)>,
    doors: Vec<RawFd>,
    user: Option<User>,
    fresh: bool,
    warden: Pid,
    word: &'static AtomicU32,
    // What the pointers point to.
    _strings: [Vec<CString>; 2],
}

impl Child {
    pub(super) fn new(launch: Launch, word: &'static AtomicU32) -> Self {
        let pointers = |strings: &[CString]| strings.iter().map(|one| one.as_ptr()).chain([ptr::null()]).collect();
        Self {
            programs: launch.programs,
            argument_pointers: pointers(&launch.arguments),
            environment_pointers: pointers(&launch.environment),
            directory: launch.directory,
            stdio: launch.stdio.each_ref().map(AsRawFd::as_raw_fd),
            limits: launch.limits,
            doors: launch.doors.iter().map(AsRawFd::as_raw_fd).collect(),
            user: launch.user,
            fresh: launch.fresh,
            warden: launch.warden,
            word,
            _strings: [launch.arguments, launch.environment],
        }
    }

    /// Whether the way to its program leads through another user or a control group.
    pub(super) fn changes_who_it_is(&self) -> bool {
        self.user.is_some() || !self.doors.is_empty()
    }

    /// Runs in the child, and becomes the program; returns only when that failed, which the warden is told.
    pub(super) fn become_program(&self) {
        let (stage, error) = self.prepared().err().unwrap_or_else(|| {
            set_signal_mask(&[]);
            (Stage::Program, self.execute())
        });
        slots::tell(self.word, stage, error.raw_os_error());
    }

    fn prepared(&self) -> Result<(), (Stage, Errno)> {
        self.prepare()?;
        if self.fresh {
            enter(&self.directory)?;
        }
        if let Some(user) = self.user {
            become_user(user)?;
        }
        depend_on(self.warden).map_err(|error| (Stage::Prepare, error))?;
        if self.fresh { Ok(()) } else { enter(&self.directory) }
    }

    /// Everything that may need the warden's own rights.
    fn prepare(&self) -> Result<(), (Stage, Errno)> {
        let at = |stage| move |error| (stage, error);
        rustix::process::setsid().map_err(at(Stage::Prepare))?;
        depend_on(self.warden).map_err(at(Stage::Prepare))?;
        for &door in &self.doors {
            // SAFETY: the warden keeps its doors open while it starts the child, whose table is a copy.
            rustix::io::write(unsafe { BorrowedFd::borrow_raw(door) }, b"0").map_err(at(Stage::Limit))?;
        }
        self.put_stdio().map_err(at(Stage::Prepare))?;
        // SAFETY: closes what is above standard error; no code of the warden runs in this process any more. Everything
        // there is close-on-exec already except what the node itself was started with.
        let _ = unsafe { syscall!(Sysno::close_range, 3, u32::MAX, 0) };
        for (resource, limit) in &self.limits {
            rustix::process::setrlimit(*resource, *limit).map_err(at(Stage::Limit))?;
        }
        // Only ambient capabilities outlive an exec: what the node may is not for its jobs, whoever they run as.
        rustix::thread::clear_ambient_capability_set().map_err(at(Stage::Prepare))?;
        rustix::thread::set_no_new_privs(true).map_err(at(Stage::Prepare))
    }

    fn put_stdio(&self) -> rustix::io::Result<()> {
        // SAFETY: as the doors; they are above 2, so that none is closed by the one before it.
        let [input, output, error] = self.stdio.map(|fd| unsafe { BorrowedFd::borrow_raw(fd) });
        rustix::stdio::dup2_stdin(input)?;
        rustix::stdio::dup2_stdout(output)?;
        rustix::stdio::dup2_stderr(error)
    }

    /// Tries each path as `execvp` does: a missing one is passed over, a forbidden one remembered.
    fn execute(&self) -> Errno {
        let (arguments, environment) = (self.argument_pointers.as_ptr(), self.environment_pointers.as_ptr());
        let mut failure = Errno::NOENT;
        for program in &self.programs {
            // SAFETY: both lists end with a null pointer, and their strings live as long as the child does.
            let failed = unsafe { syscall!(Sysno::execve, program.as_ptr(), arguments, environment) };
            match failed.map_or_else(|error| Errno::from_raw_os_error(error.into_raw()), |_| Errno::IO) {
                Errno::NOENT | Errno::NOTDIR => {}
                Errno::ACCESS => failure = Errno::ACCESS,
                other => return other,
            }
        }
        failure
    }
}

fn enter(directory: &CStr) -> Result<(), (Stage, Errno)> {
    rustix::process::chdir(directory).map_err(|error| (Stage::EnterDirectory, error))
}

/// Dies with the warden. A change of user undoes this: it is done again after one.
fn depend_on(warden: Pid) -> rustix::io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // The warden may have died before the line above: die too.
    if rustix::process::getppid() == Some(warden) { Ok(()) } else { Err(Errno::SRCH) }
}

/// Gives up the warden's user, group and all other groups. The pipes become the user's, or it could not open
/// `/dev/stdout` again.
fn become_user(user: User) -> Result<(), (Stage, Errno)> {
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    let change = || {
        for number in 0..3 {
            // SAFETY: the three standard descriptors were put there by `prepare` and are open.
            let stream = unsafe { BorrowedFd::borrow_raw(number) };
            let kind = rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(stream)?.st_mode);
            if kind == rustix::fs::FileType::Fifo {
                rustix::fs::fchown(stream, Some(uid), Some(gid))?;
            }
        }
        rustix::thread::set_thread_groups(&[])?;
        rustix::thread::set_thread_res_gid(gid, gid, gid)?;
        rustix::thread::set_thread_res_uid(uid, uid, uid)
    };
    change().map_err(|error| (Stage::User, error))
}
