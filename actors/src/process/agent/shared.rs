//! What the agent's callers and its link share: the attempts that are out, and the requests not yet sent.
//!
//! All of it is bounded by the number of attempts: one spawn and one kill each, and one deadline, the newest.

use std::collections::{HashMap, VecDeque};
use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use super::{ProcessError, SpecRefusal};
use crate::process::cgroup::Cgroups;
use crate::process::wire::{Ended, FDS_PER_SPAWN, Request, Spawn};

/// Spawns in one message: keeps the warden's turns short, and far from the kernel's 253 descriptors.
pub(super) const SPAWNS_PER_MESSAGE_MAX: usize = 16;
const MESSAGE_BYTES: usize = 64 * 1024;

/// How an attempt ended, as far as it had begun.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) ended: Ended,
    pub(super) started_boot_ms: Option<u64>,
}

#[derive(Debug)]
struct Out {
    finished: oneshot::Sender<Finished>,
    started_boot_ms: Option<u64>,
    pid: Option<u32>,
    /// Whether the warden was told of it; a kill must not overtake its spawn.
    sent: bool,
}

#[derive(Debug, Default)]
struct State {
    attempts: HashMap<u64, Out>,
    spawns: VecDeque<(Spawn, [OwnedFd; FDS_PER_SPAWN])>,
    kills: HashMap<u64, (i32, u64)>,
    deadline_ms: Option<u64>,
    /// Until the warden is told.
    cgroups: Option<Cgroups>,
    warden_is_gone: bool,
}

#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    attempts_max: usize,
    pub(super) settle_max: Duration,
    /// Rung when there is something to send.
    pub(super) bell: Notify,
}

/// Bytes to send, with the descriptors that go along.
#[derive(Debug, Default)]
pub(super) struct Message {
    pub(super) bytes: Vec<u8>,
    pub(super) fds: Vec<OwnedFd>,
}

impl Shared {
    pub(super) fn new(attempts_max: u32, settle_max: Duration, cgroups: Cgroups) -> Self {
        let attempts_max = usize::try_from(attempts_max).expect("at most 65,536");
        let state = State { cgroups: Some(cgroups), ..State::default() };
        Self { state: Mutex::new(state), attempts_max, settle_max, bell: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no code panics while it holds this lock")
    }

    /// Takes a place for the attempt and queues its spawn.
    pub(super) fn spawn(
        &self,
        spawn: Spawn,
        stdio: [OwnedFd; FDS_PER_SPAWN],
    ) -> Result<oneshot::Receiver<Finished>, ProcessError> {
        let (finished, receiver) = oneshot::channel();
        let mut state = self.state();
        if state.warden_is_gone {
            return Err(ProcessError::WardenIsGone);
        }
        if state.attempts.contains_key(&spawn.fence) {
            return Err(SpecRefusal::FenceIsInUse(spawn.fence).into());
        }
        if state.attempts.len() >= self.attempts_max {
            return Err(SpecRefusal::TooManyAttempts { attempts_max: self.attempts_max }.into());
        }
        state.attempts.insert(spawn.fence, Out { finished, started_boot_ms: None, pid: None, sent: false });
        state.spawns.push_back((spawn, stdio));
        drop(state);
        self.bell.notify_one();
        Ok(receiver)
    }

    pub(super) fn kill(&self, fence: u64, signal: i32, grace_ms: u64) {
        let mut state = self.state();
        if state.attempts.contains_key(&fence) {
            let queued = state.kills.entry(fence).or_insert((signal, grace_ms));
            *queued = (signal, grace_ms.min(queued.1));
            drop(state);
            self.bell.notify_one();
        }
    }

    pub(super) fn set_lease_deadline(&self, boot_ms: u64) {
        self.state().deadline_ms = Some(boot_ms);
        self.bell.notify_one();
    }

    pub(super) fn running(&self) -> usize {
        self.state().attempts.len()
    }

    pub(super) fn has(&self, fence: u64) -> bool {
        self.state().attempts.contains_key(&fence)
    }

    pub(super) fn pid(&self, fence: u64) -> Option<u32> {
        self.state().attempts.get(&fence).and_then(|out| out.pid)
    }

    /// What to send next: once, where groups are made, which every spawn relies on; the deadline first, since late is worst for it; then some spawns; then the kills of those
    /// attempts that the warden knows by then.
    pub(super) fn take_message(&self) -> Option<Message> {
        let mut state = self.state();
        let state = &mut *state;
        let mut message = Message::default();
        if let Some(cgroups) = state.cgroups.take() {
            Request::Cgroups(cgroups).encode(&mut message.bytes);
        }
        if let Some(boot_ms) = state.deadline_ms.take() {
            Request::LeaseDeadline { boot_ms }.encode(&mut message.bytes);
        }
        for _ in 0..SPAWNS_PER_MESSAGE_MAX {
            let Some((spawn, stdio)) = state.spawns.pop_front() else {
                break;
            };
            if let Some(out) = state.attempts.get_mut(&spawn.fence) {
                out.sent = true;
            }
            Request::Spawn(spawn).encode(&mut message.bytes);
            message.fds.extend(stdio);
            if message.bytes.len() >= MESSAGE_BYTES {
                break;
            }
        }
        let attempts = &state.attempts;
        state.kills.retain(|fence, (signal, grace_ms)| {
            let sent = attempts.get(fence).is_none_or(|out| out.sent);
            if sent {
                Request::Kill { fence: *fence, signal: *signal, grace_ms: *grace_ms }.encode(&mut message.bytes);
            }
            !sent
        });
        (!message.bytes.is_empty()).then_some(message)
    }

    pub(super) fn started(&self, fence: u64, pid: u32, boot_ms: u64) {
        if let Some(out) = self.state().attempts.get_mut(&fence) {
            out.pid = Some(pid);
            out.started_boot_ms = Some(boot_ms);
        }
    }

    /// Gives the end to whoever waits; gives it back when nobody does.
    pub(super) fn ended(&self, ended: Ended) -> Result<(), Ended> {
        let mut state = self.state();
        state.kills.remove(&ended.fence);
        let Some(out) = state.attempts.remove(&ended.fence) else {
            return Err(ended);
        };
        drop(state);
        let finished = Finished { ended, started_boot_ms: out.started_boot_ms };
        out.finished.send(finished).map_err(|finished| finished.ended)
    }

    /// Ends every attempt's wait and refuses new ones.
    pub(super) fn warden_is_gone(&self) {
        let mut state = self.state();
        *state = State { warden_is_gone: true, ..State::default() };
    }
}
