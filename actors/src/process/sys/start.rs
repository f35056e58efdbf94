//! Starting a process.
//!
//! A child begins in the warden's own memory, on a stack of its own (`CLONE_VM`), as `posix_spawn` does it: a fork of even a
//! small warden, with its page tables copied and thrown away at the exec, costs as much as `/bin/true` itself. Unlike with
//! `vfork` the warden goes on meanwhile: a child that hangs before its exec, for a working directory or a program on a dead
//! network file system, must not stop the warden, which has leases to enforce.
//!
//! A child that changes its user or enters a control group is forked all the same. Another user's process must not share the
//! warden's memory for a moment, and where a group's memory is so small that the child does not reach its exec, the kernel
//! kills whoever shares its memory. So it did before Linux 5.16 with those that share memory with a process that dumps core, as
//! a signal that a job chooses may make it: there every child is forked.

use std::ffi::c_int;
use std::io;

use libc::c_void;
use rustix::process::Pid;

use super::child::{Child, Launch};
use super::slots::Slots;
use super::stacks::{Stack, Stacks};

const FAILED: c_int = 127;
/// "coredump: Limit coredumps to a single thread group".
const KERNEL_MIN: (u32, u32) = (5, 16);

pub(in crate::process) struct Starter {
    /// None where no child may share the warden's memory.
    stacks: Option<Stacks>,
}

impl Starter {
    pub(in crate::process) fn new() -> Self {
        let kernel = rustix::system::uname();
        Self { stacks: may_share(&kernel.release().to_string_lossy()).then(Stacks::default) }
    }

    /// Starts a child that becomes the launch's program in a session of its own. Where it fails before that, it tells so in
    /// its slot.
    pub(in crate::process) fn start(&mut self, launch: Launch, slots: &Slots, slot: u32) -> io::Result<Pid> {
        let child = Child::new(launch, slots.word(slot));
        let stacks = self.stacks.as_mut().filter(|_| !child.changes_who_it_is());
        match stacks.and_then(Stacks::free) {
            Some(stack) => share(stack, child),
            None => fork(&child),
        }
    }

    /// Frees what children that have become their programs needed for that.
    pub(in crate::process) fn sweep(&mut self) {
        self.stacks.iter_mut().for_each(Stacks::sweep);
    }
}

/// Whether this release of the kernel keeps a core dump to the process that dumps.
fn may_share(release: &str) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else { return false };
    (major, minor) >= KERNEL_MIN
}

/// Starts the child in this process's memory; by a fork where that is refused.
fn share(stack: &mut Stack, child: Child) -> io::Result<Pid> {
    let (top, mark, child) = stack.occupy(child);
    let flags = libc::CLONE_VM | libc::CLONE_CHILD_CLEARTID | libc::SIGCHLD;
    let (nobody, no_storage) = (std::ptr::null_mut::<libc::pid_t>(), std::ptr::null_mut::<c_void>());
    // SAFETY: the stack belongs to nobody else until the kernel has cleared the mark, and as long the child stays where it
    // is. It runs beside this thread, and only reads its own `Child`; see that module for what it refrains from.
    let pid = unsafe { libc::clone(begin, top, flags, child.cast::<c_void>(), nobody, no_storage, mark) };
    // What refuses to share memory may still fork.
    started(pid).or_else(|_| stack.take_back().map_or_else(|| Err(io::ErrorKind::Other.into()), |child| fork(&child)))
}

extern "C" fn begin(child: *mut c_void) -> c_int {
    // SAFETY: `share` passes a child that outlives this process's stay in the warden's memory.
    unsafe { &*child.cast::<Child>() }.become_program();
    FAILED
}

fn fork(child: &Child) -> io::Result<Pid> {
    // SAFETY: the child only makes async-signal-safe calls on memory prepared before, and then execs or exits.
    match unsafe { libc::fork() } {
        0 => {
            child.become_program();
            // SAFETY: ends the child at once, without the parent's exit handlers.
            unsafe { libc::_exit(FAILED) }
        }
        pid => started(pid),
    }
}

fn started(pid: libc::pid_t) -> io::Result<Pid> {
    match pid {
        -1 => Err(io::Error::last_os_error()),
        pid => Ok(Pid::from_raw(pid).expect("the parent gets a positive pid")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::ffi::CString;
    use std::os::fd::OwnedFd;

    use super::*;
    use crate::process::outcome::Usage;
    use crate::process::sys::reap;
    use crate::process::wire::{End, Stage};

    fn launch<'a>(stdio: &'a [OwnedFd; 3], arguments: &[&str]) -> Launch<'a> {
        let strings = |list: &[&str]| list.iter().map(|text| CString::new(*text).unwrap()).collect::<Vec<_>>();
        Launch {
            programs: strings(&arguments[..1]),
            arguments: strings(arguments),
            environment: Vec::new(),
            directory: CString::from(c"/"),
            stdio,
            limits: Vec::new(),
            doors: &[],
            user: None,
            fresh: false,
            warden: rustix::process::getpid(),
        }
    }

    fn null() -> OwnedFd {
        std::fs::File::options().read(true).write(true).open("/dev/null").unwrap().into()
    }

    /// Waits for a child without the warden's bell.
    fn end_of(pid: Pid) -> End {
        loop {
            let options = rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT;
            if rustix::process::waitid(rustix::process::WaitId::Pid(pid), options).is_ok() {
                let (end, Usage { .. }) = reap(pid);
                return end;
            }
        }
    }

    #[test]
    fn many_children_at_once_each_become_their_own_program() {
        let (stdio, mut slots, mut starter) = ([null(), null(), null()], Slots::new().unwrap(), Starter::new());
        let started: HashMap<i32, (Pid, u32)> = (0..100)
            .map(|code| {
                let slot = slots.claim().unwrap();
                let script = format!("exit {code}");
                (code, (starter.start(launch(&stdio, &["/bin/sh", "-c", &script]), &slots, slot).unwrap(), slot))
            })
            .collect();
        for (code, (pid, slot)) in started {
            assert_eq!((end_of(pid), slots.release(slot)), (End::Exited(code), None));
        }
    }

    #[test]
    fn who_finds_no_stack_is_forked() {
        let (stdio, mut slots, mut starter) = ([null(), null(), null()], Slots::new().unwrap(), Starter::new());
        let idle = slots.claim().unwrap();
        let stacks = starter.stacks.as_mut().unwrap();
        while let Some(stack) = stacks.free() {
            stack.occupy(Child::new(launch(&stdio, &["/bin/true"]), slots.word(idle)));
        }
        let slot = slots.claim().unwrap();
        let pid = starter.start(launch(&stdio, &["/bin/sh", "-c", "exit 3"]), &slots, slot).unwrap();
        assert_eq!(end_of(pid), End::Exited(3));
    }

    #[test]
    fn only_kernels_that_dump_one_process_alone_share_memory() {
        for (release, may) in [("5.15.0-91-generic", false), ("5.16.0", true), ("6.1.0-18-amd64", true), ("x", false)] {
            assert_eq!(may_share(release), may, "{release}");
        }
    }

    #[test]
    fn a_stack_is_used_again_once_its_child_has_left() {
        let (stdio, mut slots, mut starter) = ([null(), null(), null()], Slots::new().unwrap(), Starter::new());
        for _ in 0..50 {
            let slot = slots.claim().unwrap();
            let pid = starter.start(launch(&stdio, &["/bin/true"]), &slots, slot).unwrap();
            assert_eq!((end_of(pid), slots.release(slot)), (End::Exited(0), None));
        }
        assert_eq!(starter.stacks.unwrap().count(), 1);
    }

    #[test]
    fn a_child_without_a_program_tells_so_and_ends() {
        let (stdio, mut slots, mut starter) = ([null(), null(), null()], Slots::new().unwrap(), Starter::new());
        let slot = slots.claim().unwrap();
        let pid = starter.start(launch(&stdio, &["/no/such/program"]), &slots, slot).unwrap();
        assert_eq!(end_of(pid), End::Exited(FAILED));
        assert_eq!(slots.release(slot), Some((Stage::Program, libc::ENOENT)));
    }
}
