//! The system calls that no safe wrapper offers; everything unsafe of this module is here.
//!
//! Why `fork` and not `vfork`: a child that hangs before its exec (a working directory or a program on a dead
//! network file system) must not stop the warden, which has leases to enforce. The warden is tiny, so its fork is
//! cheap. The child reports a failure through memory shared with the warden, so a spawn costs no pipe.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use rustix::process::{Gid, Pid, Resource, Rlimit, Signal, Uid};

use super::outcome::Usage;
use super::spec::User;
use super::wire::{End, FDS_PER_SPAWN, Stage};

/// Spawns whose outcome is open at any one time; the shared memory takes 4 bytes for each that was ever needed.
pub(super) const SLOTS_MAX: u32 = 64 * 1024;

/// Everything a child needs, made before the fork: between fork and exec it allocates nothing.
pub(super) struct Launch<'a> {
    /// Paths to try in order.
    pub(super) programs: &'a [CString],
    pub(super) arguments: &'a [CString],
    pub(super) environment: &'a [CString],
    pub(super) directory: &'a CStr,
    /// Standard input, output and error; all above 2.
    pub(super) stdio: &'a [OwnedFd; FDS_PER_SPAWN],
    pub(super) limits: &'a [(Resource, Rlimit)],
    /// Files of its control group; writing to them puts the child there.
    pub(super) doors: &'a [OwnedFd],
    pub(super) user: Option<User>,
    /// Whether the directory was made for the attempt: then it is entered even where the way to it is closed to the user.
    pub(super) fresh: bool,
    pub(super) warden: Pid,
}

/// Memory shared with the children, one word per open spawn, through which a child tells where it failed. After a
/// successful exec the job has no way to it any more.
pub(super) struct Slots {
    words: &'static [AtomicU32],
    free: Vec<u32>,
    used: u32,
}

impl Slots {
    pub(super) fn new() -> io::Result<Self> {
        let count = usize::try_from(SLOTS_MAX).expect("64 Ki fits");
        // SAFETY: a fresh anonymous mapping of exactly that many zeroed words, never unmapped, and page-aligned;
        // zero is a valid AtomicU32, and all access to it is atomic.
        let words = unsafe {
            let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
            let memory = libc::mmap(ptr::null_mut(), count * size_of::<AtomicU32>(), access, kind, -1, 0);
            if memory == libc::MAP_FAILED {
                return Err(io::Error::last_os_error());
            }
            std::slice::from_raw_parts(memory.cast::<AtomicU32>(), count)
        };
        Ok(Self { words, free: Vec::new(), used: 0 })
    }

    pub(super) fn claim(&mut self) -> Option<u32> {
        let slot = self.free.pop().or_else(|| {
            (self.used < SLOTS_MAX).then(|| {
                self.used += 1;
                self.used - 1
            })
        })?;
        self.word(slot).store(0, Ordering::Relaxed);
        Some(slot)
    }

    /// Gives the slot back and says where the child failed, if it did before its exec.
    pub(super) fn release(&mut self, slot: u32) -> Option<(Stage, i32)> {
        let word = self.word(slot).load(Ordering::Acquire);
        self.free.push(slot);
        let stage = Stage::from_raw(word >> 16)?;
        Some((stage, i32::try_from(word & 0xFFFF).expect("16 bits fit")))
    }

    fn word(&self, slot: u32) -> &'static AtomicU32 {
        &self.words[usize::try_from(slot).expect("a slot is below 64 Ki")]
    }
}

/// Forks a child that becomes the launch's program in a session of its own.
pub(super) fn fork(launch: &Launch, slots: &Slots, slot: u32) -> io::Result<Pid> {
    let (arguments, environment) = (pointers(launch.arguments), pointers(launch.environment));
    // SAFETY: the child only makes async-signal-safe calls on memory prepared above, and then execs or exits.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            let (stage, errno) = become_program(launch, &arguments, &environment);
            let errno = u32::try_from(errno).unwrap_or(0) & 0xFFFF;
            slots.word(slot).store((stage as u32) << 16 | errno, Ordering::Release);
            // SAFETY: ends the child at once, without the parent's exit handlers.
            unsafe { libc::_exit(127) }
        }
        pid => Ok(Pid::from_raw(pid).expect("fork gives the parent a positive pid")),
    }
}

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
}

/// Runs in the child; returns only when it failed.
fn become_program(launch: &Launch, arguments: &[*const c_char], environment: &[*const c_char]) -> (Stage, i32) {
    let enter = || rustix::process::chdir(launch.directory).map_err(|error| (Stage::EnterDirectory, error));
    let ready = prepare(launch)
        .and_then(|()| if launch.fresh { enter() } else { Ok(()) })
        .and_then(|()| launch.user.map_or(Ok(()), become_user))
        .and_then(|()| depend_on(launch.warden).map_err(|error| (Stage::Prepare, error)))
        .and_then(|()| if launch.fresh { Ok(()) } else { enter() });
    if let Err((stage, error)) = ready {
        return (stage, error.raw_os_error());
    }
    unblock_all_signals();
    (Stage::Program, execute(launch.programs, arguments, environment))
}

/// Everything that may need the warden's own rights.
fn prepare(launch: &Launch) -> Result<(), (Stage, rustix::io::Errno)> {
    let at = |stage| move |error| (stage, error);
    rustix::process::setsid().map_err(at(Stage::Prepare))?;
    depend_on(launch.warden).map_err(at(Stage::Prepare))?;
    for door in launch.doors {
        rustix::io::write(door, b"0").map_err(at(Stage::Limit))?;
    }
    for (number, fd) in (0..).zip(launch.stdio) {
        // SAFETY: plain descriptors of this process; the targets 0, 1, 2 are not owned by any Rust value here.
        if unsafe { libc::dup2(fd.as_raw_fd(), number) } < 0 {
            return Err((Stage::Prepare, errno()));
        }
    }
    // SAFETY: closes what is above standard error; no code of the warden runs in this process any more. Everything
    // there is close-on-exec already except what the node itself was started with.
    unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0_u32) };
    for (resource, limit) in launch.limits {
        rustix::process::setrlimit(*resource, *limit).map_err(at(Stage::Limit))?;
    }
    // Only ambient capabilities outlive an exec: what the node may is not for its jobs, whoever they run as.
    rustix::thread::clear_ambient_capability_set().map_err(at(Stage::Prepare))?;
    rustix::thread::set_no_new_privs(true).map_err(at(Stage::Prepare))
}

/// Dies with the warden. A change of user undoes this: it is done again after one.
fn depend_on(warden: Pid) -> rustix::io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // The warden may have died before the line above: die too.
    if rustix::process::getppid() == Some(warden) { Ok(()) } else { Err(rustix::io::Errno::SRCH) }
}

/// Gives up the warden's user, group and all other groups. The pipes become the user's, or it could not open
/// `/dev/stdout` again.
fn become_user(user: User) -> Result<(), (Stage, rustix::io::Errno)> {
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

/// Tries each path as `execvp` does: a missing one is passed over, a forbidden one remembered.
fn execute(programs: &[CString], arguments: &[*const c_char], environment: &[*const c_char]) -> i32 {
    let mut failure = libc::ENOENT;
    for program in programs {
        // SAFETY: both lists end with a null pointer, and their strings outlive the call.
        unsafe { libc::execve(program.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
        match errno().raw_os_error() {
            libc::ENOENT | libc::ENOTDIR => {}
            libc::EACCES => failure = libc::EACCES,
            other => return other,
        }
    }
    failure
}

fn errno() -> rustix::io::Errno {
    rustix::io::Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(rustix::io::Errno::IO)
}

fn unblock_all_signals() {
    set_signal_mask(&[]);
}

/// Blocks exactly these signals in the calling thread.
fn set_signal_mask(blocked: &[c_int]) {
    // SAFETY: the set is initialised by sigemptyset before use, and lives on this stack.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in blocked {
            libc::sigaddset(&raw mut set, *signal);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const set, ptr::null_mut());
    }
}

/// The last real-time signal.
const SIGNAL_MAX: c_int = 64;

/// By the plain system call: the C library refuses two signals that it keeps for itself, and a node that was
/// started with one of them ignored would hand that on.
fn reset_disposition(signal: c_int) {
    let default = [0_u64; 8]; // At least as large as the kernel's sigaction: all zero is SIG_DFL.
    // SAFETY: the kernel only reads `default`; the default disposition refers to no code of ours.
    unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), ptr::null_mut::<u64>(), 8_usize) };
}

static BELL: AtomicI32 = AtomicI32::new(-1);

/// Prepares the warden's signals: every disposition at its default, so that attempts inherit nothing ignored; all
/// that would end or stop the warden blocked, so that it lives until its node is gone; a child's death rings `bell`.
pub(super) fn take_over_signals(bell: &OwnedFd) -> io::Result<()> {
    let kept = [libc::SIGKILL, libc::SIGSTOP, libc::SIGCHLD];
    let others: Vec<c_int> = (1..=SIGNAL_MAX).filter(|signal| !kept.contains(signal)).collect();
    set_signal_mask(&others);
    for signal in others {
        reset_disposition(signal);
    }
    BELL.store(bell.as_raw_fd(), Ordering::Relaxed);
    // SAFETY: a zeroed sigaction is valid; the handler makes one async-signal-safe call on an eventfd that the
    // caller keeps open while the process lives.
    let outcome = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = ring as extern "C" fn(c_int) as libc::sighandler_t;
        action.sa_flags = libc::SA_RESTART | libc::SA_NOCLDSTOP;
        libc::sigaction(libc::SIGCHLD, &raw const action, ptr::null_mut())
    };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

extern "C" fn ring(_signal: c_int) {
    let bell: RawFd = BELL.load(Ordering::Relaxed);
    // SAFETY: see `take_over_signals`; a full eventfd is as good as a rung one, so the result does not matter.
    let bell = unsafe { BorrowedFd::borrow_raw(bell) };
    let _ = rustix::io::write(bell, &1_u64.to_ne_bytes());
}

/// A child that has ended but is not reaped: its pid and group id can belong to nobody else yet.
pub(super) fn ended_child() -> Option<Pid> {
    // SAFETY: a zeroed siginfo is valid and is filled in by the kernel; si_pid is defined for waitid's results,
    // and stays zero when no child has ended.
    unsafe {
        let mut seen: libc::siginfo_t = std::mem::zeroed();
        let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        if libc::waitid(libc::P_ALL, 0, &raw mut seen, options) != 0 {
            return None; // ECHILD: there are no children.
        }
        Pid::from_raw(seen.si_pid())
    }
}

/// Reaps a child that has ended.
pub(super) fn reap(child: Pid) -> (End, Usage) {
    let mut status = 0;
    // SAFETY: both outputs live on this stack; a zeroed rusage is valid.
    let used = unsafe {
        let mut used: libc::rusage = std::mem::zeroed();
        libc::wait4(child.as_raw_nonzero().get(), &raw mut status, libc::WNOHANG, &raw mut used);
        used
    };
    let end = if libc::WIFSIGNALED(status) {
        End::Signaled(libc::WTERMSIG(status))
    } else {
        End::Exited(libc::WEXITSTATUS(status))
    };
    let rss_kib = u64::try_from(used.ru_maxrss).unwrap_or(0);
    (end, Usage { user_ms: millis(used.ru_utime), system_ms: millis(used.ru_stime), max_rss_bytes: rss_kib * 1024 })
}

fn millis(time: libc::timeval) -> u64 {
    u64::try_from(time.tv_sec).unwrap_or(0) * 1000 + u64::try_from(time.tv_usec).unwrap_or(0) / 1000
}
