//! The warden: a small single-threaded child of the node that owns every process the node runs (R17).
//!
//! It starts attempts, is the subreaper of their descendants, and kills: one group on request, everything on a
//! passed lease deadline, everything and then itself on the end of its socket or a malformed frame. It refuses to
//! know what jobs are, reads no output, and takes the clock as a function (CLOCK_BOOTTIME milliseconds). Invariants:
//! - nothing here waits for an attempt, the node or more than one small system call;
//! - a group is signalled only while its leader is not reaped, so never by a reused id;
//! - `Ended` is sent once per attempt, after its descendants are gone (or [`CLEANUP_MS_MAX`] later).
//!
//! What it cannot do: kill processes that another user owns, unless it may change users itself. Every attempt gets
//! `no_new_privs`, so that none can become another user's by its own doing.

mod attempts;
mod fresh;
mod launch;
mod link;
mod orphans;
mod timer;

use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::ExitCode;

use rustix::event::{EventfdFlags, PollFd, PollFlags};
use rustix::process::{Pid, Signal};

use super::outcome::Usage;
use super::sys;
use super::wire::{End, Ended, FDS_PER_SPAWN, Malformed, Notice, Request, Spawn, Stage};
use attempts::{Attempts, Closing, Running};
use launch::Launcher;
use link::Link;
use orphans::Orphans;
use timer::Timer;

/// How long the end of an attempt waits for its last descendants to be gone; an unkillable one (a process in an
/// uninterruptible sleep) must not keep the result back for ever. It is hunted on all the same.
pub const CLEANUP_MS_MAX: u64 = 2_000;
/// How often a kill that has not worked yet is repeated.
const HUNT_MS: u64 = 10;
/// The file mode mask of every attempt: new files are readable by all and writable by their owner.
pub const UMASK: u32 = 0o022;

/// Runs the warden: the whole life of a process started by [`ProcessAgent::start`](super::agent::ProcessAgent::start)
/// with the socket as its standard input. Call it before any thread is started. `boot_ms` reads CLOCK_BOOTTIME.
pub fn main(boot_ms: fn() -> u64) -> ExitCode {
    match Warden::new(boot_ms).and_then(Warden::serve) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quorla warden: {error}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Serving,
    /// The lease is over: nothing is started until nothing is left.
    Lapsing,
    /// The node is gone: when nothing is left, so is the warden.
    Leaving,
}

struct Warden {
    boot_ms: fn() -> u64,
    bell: OwnedFd,
    timer: Timer,
    link: Link,
    launcher: Launcher,
    attempts: Attempts,
    orphans: Orphans,
    phase: Phase,
    /// Boot time after which nothing may run; `None` without a lease.
    deadline_ms: Option<u64>,
    /// When to look again for processes that should be gone.
    hunt_at_ms: Option<u64>,
    /// Fresh directories to remove before leaving, when no node is there to do it.
    directories_left: Vec<CString>,
}

impl Warden {
    fn new(boot_ms: fn() -> u64) -> io::Result<Self> {
        let bell = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        sys::take_over_signals(&bell)?;
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(UMASK));
        rustix::process::chdir("/")?;
        let mut link = Link::from_stdin()?;
        link.queue(&Notice::Ready);
        Ok(Self {
            boot_ms,
            bell,
            timer: Timer::new()?,
            link,
            launcher: Launcher::new()?,
            attempts: Attempts::default(),
            orphans: Orphans::new(),
            phase: Phase::Serving,
            deadline_ms: None,
            hunt_at_ms: None,
            directories_left: Vec::new(),
        })
    }

    fn serve(mut self) -> io::Result<()> {
        crate::pages::forget_start();
        crate::pages::forget_peak();
        loop {
            self.link.flush();
            self.arm()?;
            let (child_ended, node_spoke) = self.wait()?;
            if child_ended {
                self.reap();
            }
            // The socket before the clock: a renewal that has arrived counts.
            if node_spoke {
                self.receive();
            }
            self.keep_time();
            if self.phase != Phase::Serving && !self.anything_is_left() {
                if self.phase == Phase::Leaving {
                    self.remove_directories();
                    return Ok(());
                }
                self.phase = Phase::Serving;
                self.hunt_at_ms = None;
            }
        }
    }

    fn arm(&mut self) -> io::Result<()> {
        let matters = self.phase == Phase::Serving && self.anything_is_left();
        let deadline_ms = self.deadline_ms.filter(|_| matters);
        let next_ms = [deadline_ms, self.hunt_at_ms, self.attempts.next_force_ms()].into_iter().flatten().min();
        self.timer.arm(next_ms)
    }

    /// Waits for anything; says whether a child has ended and whether the socket has something.
    fn wait(&self) -> io::Result<(bool, bool)> {
        let wanted = if self.link.is_clogged() { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
        let mut watched = [
            PollFd::from_borrowed_fd(self.bell.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.timer.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.link.as_fd(), wanted),
        ];
        let count = if self.phase == Phase::Leaving { 2 } else { 3 };
        match rustix::event::poll(&mut watched[..count], None) {
            Err(error) if error != rustix::io::Errno::INTR => return Err(error.into()),
            _ => {}
        }
        let rung = rustix::io::read(&self.bell, &mut [0_u8; 8]).is_ok();
        let spoke = watched[2].revents().intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR);
        Ok((rung, spoke))
    }

    fn receive(&mut self) {
        let outcome = self.link.receive().and_then(|()| {
            while let Some(request) = self.link.next_request()? {
                match request {
                    link::Received::Spawn(spawn, stdio) => self.spawn(&spawn, &stdio),
                    link::Received::Plain(request) => self.obey(request),
                }
            }
            Ok(())
        });
        if let Err(reason) = outcome {
            if reason == link::Broken::Malformed {
                eprintln!("quorla warden: the node sent a malformed frame; killing everything");
            }
            self.kill_everything(Phase::Leaving);
        }
    }

    fn obey(&mut self, request: Request) {
        match request {
            Request::Kill { fence, signal, grace_ms } => {
                let force_at_ms = (self.boot_ms)().saturating_add(grace_ms);
                if let Some(pid) = self.attempts.force_at(fence, force_at_ms) {
                    signal_group(pid, Signal::from_named_raw(signal).unwrap_or(Signal::KILL));
                }
            }
            Request::LeaseDeadline { boot_ms } => self.deadline_ms = Some(boot_ms).filter(|at| *at != 0),
            Request::Cgroups(cgroups) => self.launcher.cgroups = cgroups,
            Request::Spawn(_) => {}
        }
    }

    fn spawn(&mut self, spawn: &Spawn, stdio: &[OwnedFd; FDS_PER_SPAWN]) {
        let now_ms = (self.boot_ms)();
        let lapsed = self.phase != Phase::Serving || self.deadline_ms.is_some_and(|at| now_ms >= at);
        let launched = if lapsed { Err(End::Lapsed) } else { self.launcher.launch(spawn, stdio) };
        match launched {
            Ok(launched) => {
                let pid = u32::try_from(launched.pid.as_raw_nonzero().get()).expect("a pid is positive");
                self.attempts.start(spawn.fence, launched);
                self.link.queue(&Notice::Started { fence: spawn.fence, pid, boot_ms: now_ms });
            }
            Err(end) => {
                let (fence, usage) = (spawn.fence, Usage::default());
                self.link.queue(&Notice::Ended(Ended { fence, end, usage, boot_ms: now_ms, directory_left: false }));
            }
        }
    }

    fn keep_time(&mut self) {
        let now_ms = (self.boot_ms)();
        let passed = self.deadline_ms.is_some_and(|at| now_ms >= at);
        if passed && self.phase == Phase::Serving && self.anything_is_left() {
            // R17: at once and without grace. The passed deadline stays, so that nothing starts without a new one.
            self.kill_everything(Phase::Lapsing);
        }
        for pid in self.attempts.take_forced(now_ms) {
            self.attempts.by_main(pid).into_iter().for_each(Running::kill);
        }
        if self.hunt_at_ms.is_some_and(|at| now_ms >= at) {
            self.sweep();
        }
    }

    fn kill_everything(&mut self, phase: Phase) {
        self.phase = phase;
        self.attempts.lapse_all().for_each(Running::kill);
        self.sweep();
    }

    /// Reaps whatever has ended. The rest of an attempt's group is killed while its leader still holds the id.
    fn reap(&mut self) {
        let mut ended = false;
        while let Some(pid) = sys::ended_child() {
            ended = true;
            let running = self.attempts.end(pid);
            running.iter().for_each(Running::kill);
            let (end, usage) = sys::reap(pid);
            match running {
                Some(running) => self.close(running, end, usage),
                None => self.orphans.forget(pid),
            }
        }
        if ended {
            self.sweep();
        }
    }

    fn close(&mut self, running: Running, end: End, usage: Usage) {
        let account = running.account();
        let end = match self.launcher.release(running.slot) {
            Some((stage, errno)) => End::Failed { stage, errno },
            None if running.lapsed => End::Lapsed,
            None if account.out_of_memory && end != End::Exited(0) => End::OutOfMemory,
            None => end,
        };
        let max_rss_bytes = account.memory_bytes_max.unwrap_or(usage.max_rss_bytes);
        let usage = Usage { max_rss_bytes, ..usage };
        let ended_ms = (self.boot_ms)();
        self.attempts.closing.push(Closing { running, end, usage, ended_ms, reported: false });
    }

    /// Kills the descendants of ended attempts that have come to the warden, and reports the attempts without any.
    /// A killed descendant's own children come here when it is reaped, so this repeats until none is left.
    fn sweep(&mut self) {
        self.orphans.refresh(&self.attempts);
        let everything = self.phase != Phase::Serving;
        let mut doomed = false;
        for (orphan, owner) in self.orphans.owners() {
            if everything || !self.attempts.is_alive(owner) {
                doomed = true;
                self.orphans.kill(orphan, &self.attempts);
            }
        }
        let now_ms = (self.boot_ms)();
        let orphans = &self.orphans;
        let closed = self.attempts.close(now_ms, |fence| orphans.has(fence));
        for (mut ended, directory) in closed {
            let left = directory.and_then(|directory| self.launcher.fresh.give_back(directory));
            ended.directory_left = left.is_some();
            self.link.queue(&Notice::Ended(ended));
            self.directories_left.extend(left.filter(|_| self.phase == Phase::Leaving));
        }
        let unfinished = doomed || everything || self.orphans.any_undecided() || !self.attempts.closing.is_empty();
        self.hunt_at_ms = unfinished.then(|| now_ms + HUNT_MS);
    }

    fn anything_is_left(&self) -> bool {
        self.attempts.any() || self.orphans.any()
    }

    fn remove_directories(&mut self) {
        self.launcher.fresh.remove_spares();
        for directory in &self.directories_left {
            let path = Path::new(OsStr::from_bytes(directory.to_bytes()));
            if let Err(error) = std::fs::remove_dir_all(path) {
                eprintln!("quorla warden: remove the working directory {}: {error}", path.display());
            }
        }
    }
}

/// Signals a whole group by its leader, which the caller knows to be unreaped. A child that has not yet made its
/// session has no group: it is alone, and gets the signal itself.
fn signal_group(leader: Pid, signal: Signal) {
    if rustix::process::kill_process_group(leader, signal) == Err(rustix::io::Errno::SRCH) {
        let _ = rustix::process::kill_process(leader, signal);
    }
}
