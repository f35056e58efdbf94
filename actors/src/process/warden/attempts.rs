//! The attempts a warden has started: running ones by main process, ended ones until nothing of them is left.

use std::collections::{BTreeSet, HashMap};
use std::ffi::CString;

use rustix::process::{Pid, Signal};

use super::launch::Launched;
use super::orphans::Owner;
use super::{CLEANUP_MS_MAX, End, Ended, Usage, signal_group};
use crate::process::cgroup::{Account, Group};

/// An attempt whose main process is not reaped.
pub(super) struct Running {
    pub(super) fence: u64,
    /// Main process, group and session.
    pub(super) pid: Pid,
    pub(super) slot: u32,
    pub(super) lapsed: bool,
    /// Counts the starts of this warden.
    sequence: u64,
    fresh_directory: Option<CString>,
    /// Until it is removed.
    group: Option<Group>,
    force_at_ms: Option<u64>,
}

/// An attempt whose main process is reaped.
pub(super) struct Closing {
    pub(super) running: Running,
    pub(super) end: End,
    pub(super) usage: Usage,
    pub(super) ended_ms: u64,
    pub(super) reported: bool,
}

#[derive(Default)]
pub(super) struct Attempts {
    running: HashMap<Pid, Running>,
    pids: HashMap<u64, Pid>,
    /// (boot time, fence) at which a grace is over.
    forces: BTreeSet<(u64, u64)>,
    pub(super) closing: Vec<Closing>,
    pub(super) started: u64,
}

impl Attempts {
    pub(super) fn start(&mut self, fence: u64, launched: Launched) {
        self.started += 1;
        let Launched { pid, slot, fresh_directory, group } = launched;
        let (sequence, lapsed, force_at_ms) = (self.started, false, None);
        self.running.insert(pid, Running { fence, pid, slot, lapsed, sequence, fresh_directory, group, force_at_ms });
        self.pids.insert(fence, pid);
    }

    pub(super) fn end(&mut self, pid: Pid) -> Option<Running> {
        let running = self.running.remove(&pid)?;
        self.pids.remove(&running.fence);
        if let Some(at_ms) = running.force_at_ms {
            self.forces.remove(&(at_ms, running.fence));
        }
        Some(running)
    }

    /// Sets when the attempt is killed by force, never later than before; gives its main process when it runs.
    pub(super) fn force_at(&mut self, fence: u64, at_ms: u64) -> Option<Pid> {
        let pid = *self.pids.get(&fence)?;
        let running = self.running.get_mut(&pid)?;
        let sooner = running.force_at_ms.map_or(at_ms, |before_ms| before_ms.min(at_ms));
        if let Some(before_ms) = running.force_at_ms.replace(sooner) {
            self.forces.remove(&(before_ms, fence));
        }
        self.forces.insert((sooner, fence));
        Some(pid)
    }

    pub(super) fn next_force_ms(&self) -> Option<u64> {
        self.forces.first().map(|(at_ms, _)| *at_ms)
    }

    pub(super) fn take_forced(&mut self, now_ms: u64) -> Vec<Pid> {
        let later = self.forces.split_off(&(now_ms + 1, 0));
        let due = std::mem::replace(&mut self.forces, later);
        due.iter().filter_map(|(_, fence)| self.pids.get(fence).copied()).collect()
    }

    /// Marks every running attempt as lapsed and gives them.
    pub(super) fn lapse_all(&mut self) -> impl Iterator<Item = &Running> {
        self.running.values_mut().map(|running| {
            running.lapsed = true;
            &*running
        })
    }

    pub(super) fn by_main(&self, pid: Pid) -> Option<&Running> {
        self.running.get(&pid)
    }

    pub(super) fn is_main(&self, pid: Pid) -> bool {
        self.running.contains_key(&pid)
    }

    /// The attempt whose session this is.
    pub(super) fn by_session(&self, session: Pid) -> Option<u64> {
        let closing = || self.closing.iter().map(|closing| &closing.running).find(|running| running.pid == session);
        self.running.get(&session).or_else(closing).map(|running| running.fence)
    }

    /// Whether a process of this owner may live on: its attempt runs, or, when the owner is not known, any attempt
    /// that could be the owner does.
    pub(super) fn is_alive(&self, owner: Owner) -> bool {
        match owner {
            Owner::Undecided(_) => true,
            Owner::Attempt(fence) => self.pids.contains_key(&fence),
            Owner::AnyUpTo(sequence) => self.running.values().any(|running| running.sequence <= sequence),
        }
    }

    /// Closes the ended attempts that have no descendant left, or were kept long enough; gives what to report.
    pub(super) fn close(&mut self, now_ms: u64, has_orphans: impl Fn(u64) -> bool) -> Vec<Report> {
        let mut reports = Vec::new();
        self.closing.retain_mut(|closing| {
            let left = closing.running.has_group() | has_orphans(closing.running.fence);
            if !closing.reported && (!left || now_ms >= closing.ended_ms + CLEANUP_MS_MAX) {
                closing.reported = true;
                reports.push(closing.report());
            }
            left
        });
        reports
    }

    /// Whether any attempt runs or has something left.
    pub(super) fn any(&self) -> bool {
        !self.running.is_empty() || !self.closing.is_empty()
    }
}

impl Running {
    /// Kills all of it by force: its session's group at once, and its control group where it has one.
    pub(super) fn kill(&self) {
        signal_group(self.pid, Signal::KILL);
        self.group.iter().for_each(Group::kill);
    }

    /// What its control group counted.
    pub(super) fn account(&self) -> Account {
        self.group.as_ref().map(Group::account).unwrap_or_default()
    }

    /// Kills what lives in its control group and removes it; whether there is one still.
    fn has_group(&mut self) -> bool {
        self.group = self.group.take().filter(|group| {
            group.kill();
            !group.remove()
        });
        self.group.is_some()
    }
}

/// What to tell the node, and the fresh directory to take back.
pub(super) type Report = (Ended, Option<CString>);

impl Closing {
    fn report(&mut self) -> Report {
        let (fence, boot_ms) = (self.running.fence, self.ended_ms);
        let ended = Ended { fence, end: self.end, usage: self.usage, boot_ms, directory_left: false };
        (ended, self.running.fresh_directory.take())
    }
}
