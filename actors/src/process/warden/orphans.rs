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
    /// Any of the attempts started so far.
    AnyUpTo(u64),
}

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
        Self {
            children: Children::new(),
            adopted: HashMap::new(),
        }
    }

    /// Takes note of children that the warden has been given since.
    pub(super) fn refresh(&mut self, attempts: &Attempts) {
        for pid in self.children.list() {
            if !attempts.is_main(pid) && !self.adopted.contains_key(&pid) {
                let orphan = self.recognise(pid, attempts);
                self.adopted.insert(pid, orphan);
            }
        }
    }

    fn recognise(&self, pid: Pid, attempts: &Attempts) -> Orphan {
        let session = groups(pid).map(|(_, session)| session);
        let sibling = |session| {
            self.adopted
                .values()
                .find(|orphan| orphan.session == Some(session))
        };
        let fence = session
            .and_then(|session| attempts.by_session(session))
            .or_else(|| fence_in_environment(pid))
            .map(Owner::Attempt);
        let owner = fence.or_else(|| session.and_then(sibling).map(|orphan| orphan.owner));
        Orphan {
            owner: owner.unwrap_or(Owner::AnyUpTo(attempts.started)),
            session,
        }
    }

    pub(super) fn owners(&self) -> impl Iterator<Item = (Pid, Owner)> {
        self.adopted
            .iter()
            .map(|(pid, orphan)| (*pid, orphan.owner))
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

    pub(super) fn has(&self, fence: u64) -> bool {
        self.adopted
            .values()
            .any(|orphan| orphan.owner == Owner::Attempt(fence))
    }

    pub(super) fn any(&self) -> bool {
        !self.adopted.is_empty()
    }
}

fn fence_in_environment(pid: Pid) -> Option<u64> {
    let environment = std::fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero())).ok()?;
    environment.split(|byte| *byte == 0).find_map(|variable| {
        let value = variable
            .strip_prefix(FENCE.as_bytes())?
            .strip_prefix(b"=")?;
        std::str::from_utf8(value).ok()?.parse().ok()
    })
}
