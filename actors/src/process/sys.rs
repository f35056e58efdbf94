//! The system calls that no safe wrapper offers; everything unsafe of this module is here and below it.
#![allow(unsafe_code)]

mod child;
mod slots;
mod stacks;
mod start;

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use rustix::process::Pid;

pub(super) use child::Launch;
pub(super) use slots::{SLOTS_MAX, Slots};
pub(super) use start::Starter;

use super::outcome::Usage;
use super::wire::End;

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
