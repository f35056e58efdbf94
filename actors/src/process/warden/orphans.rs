//! Descendants that came to the warden because their parent ended: whose they are, and their end.
//!
//! A process that left its attempt's session is recognised by the fence in its environment. One that also hides
//! that belongs to any attempt that was running when it was first seen, and may live as long as one of them does.

use std::collections::HashMap;

use rustix::process::{Pid, Signal};

use super::attempts::Attempts;
use crate::process::children::{Children, groups};
use crate::process::environment::FENCE;

/// Whose process it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// The attempt with this fence.
    Attempt(u64),
    /// Any of the attempts that this many starts have made.
    AnyUpTo(u64),
    /// Not known yet: looked at this often.
    Undecided(u8),
}

/// How often a process without a trace is looked at before it counts as one: in the middle of an exec, the kernel
/// shows no environment for a moment.
const LOOKS_MAX: u8 = 3;

struct Orphan {
    owner: Owner,
    session: Option<Pid>,
}

pub(super) struct Orphans {
    children: Children,
    /// Unreaped children of the warden that it did not fork: their ids cannot be reused.
    adopted: HashMap<Pid, Orphan>,
}

impl Orphans {
    pub(super) fn new() -> Self {
        Self { children: Children::new(), adopted: HashMap::new() }
    }

    /// Takes note of children that the warden has been given since, and looks again at undecided ones.
    pub(super) fn refresh(&mut self, attempts: &Attempts) {
        for pid in self.children.list() {
            let looks = match self.adopted.get(&pid).map(|orphan| orphan.owner) {
                None => 0,
                Some(Owner::Undecided(looks)) => looks,
                Some(_) => continue,
            };
            if !attempts.is_main(pid) {
                let orphan = self.recognise(pid, looks, attempts);
                self.adopted.insert(pid, orphan);
            }
        }
    }

    fn recognise(&self, pid: Pid, looks: u8, attempts: &Attempts) -> Orphan {
        let session = groups(pid).map(|(_, session)| session);
        let fence = session.and_then(|session| attempts.by_session(session));
        let fence = fence.or_else(|| fence_in_environment(pid));
        let owner = match fence.or_else(|| self.fence_of_sibling(session?)) {
            Some(fence) => Owner::Attempt(fence),
            None if is_changing(pid) => Owner::Undecided(looks),
            None if looks < LOOKS_MAX => Owner::Undecided(looks + 1),
            None => Owner::AnyUpTo(attempts.started),
        };
        Orphan { owner, session }
    }

    fn fence_of_sibling(&self, session: Pid) -> Option<u64> {
        self.adopted.values().find_map(|orphan| match orphan.owner {
            Owner::Attempt(fence) if orphan.session == Some(session) => Some(fence),
            _ => None,
        })
    }

    pub(super) fn owners(&self) -> impl Iterator<Item = (Pid, Owner)> {
        self.adopted.iter().map(|(pid, orphan)| (*pid, orphan.owner))
    }

    /// Kills one and its group, unless the group is that of a running attempt.
    pub(super) fn kill(&self, pid: Pid, attempts: &Attempts) {
        if let Some((group, _)) = groups(pid)
            && !attempts.is_main(group)
            && group != rustix::process::getpgrp()
        {
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
        let _ = rustix::process::kill_process(pid, Signal::KILL);
    }

    pub(super) fn forget(&mut self, pid: Pid) {
        self.adopted.remove(&pid);
    }

    /// Whether a process is, or may turn out to be, one of this attempt.
    pub(super) fn has(&self, fence: u64) -> bool {
        self.adopted.values().any(|orphan| match orphan.owner {
            Owner::Attempt(owner) => owner == fence,
            Owner::Undecided(_) => true,
            Owner::AnyUpTo(_) => false,
        })
    }

    pub(super) fn any_undecided(&self) -> bool {
        self.adopted.values().any(|orphan| matches!(orphan.owner, Owner::Undecided(_)))
    }

    pub(super) fn any(&self) -> bool {
        !self.adopted.is_empty()
    }
}

fn fence_in_environment(pid: Pid) -> Option<u64> {
    let environment = std::fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero())).ok()?;
    environment.split(|byte| *byte == 0).find_map(|variable| {
        let value = variable.strip_prefix(FENCE.as_bytes())?.strip_prefix(b"=")?;
        std::str::from_utf8(value).ok()?.parse().ok()
    })
}

/// Whether the process is in the middle of an exec or dead: then it has no arguments either.
fn is_changing(pid: Pid) -> bool {
    std::fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).is_ok_and(|bytes| bytes.is_empty())
}
