//! What an agent holds: its epoch's lease and attempts, reconciled with what leaders say (R15, R16).
//!
//! Owns which attempt is spawned, killed and reported, and when the node has to begin anew. Refuses to know how processes
//! run and how messages travel; time is the node's boot-time clock, passed in. Orders may be lost, repeated and overtaken:
//! each input is idempotent, and a full set repairs whatever was missed.
//!
//! Upholds on the agent's side I3 (an ended attempt is never started again), I5 (past its lease nothing runs, and a new
//! epoch is asked for only once the last process of the old one is gone) and that every attempt is reported until recorded.

use std::collections::{BTreeMap, BTreeSet};

use quorla_ledger::{
    command::EndAttempt,
    ids::{BootId, Epoch, Fence, JobId, NodeId},
    limits::NODE_SLOTS_MAX,
    outcome::{AttemptEnd, Exit, Tails, Usage},
    units::Millis,
};

use crate::{
    digest::HeldDigest,
    lease::LeaseTerms,
    messages::{Order, Renewal},
};

use held::{Ended, Held, Running};
use memory::{Known, Memory};
use tenure::Tenure;

mod held;
mod memory;
mod reconcile;
mod tenure;

/// Pause before a registration without an answer is repeated.
const REGISTER_RETRY: Millis = Millis(1_000);
/// Attempts held at once: a node's slots, and as many again whose recorded end has not come back yet.
const HELD_MAX: u64 = 2 * NODE_SLOTS_MAX;

/// What the agent does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Proposes `RegisterNode` with this boot id; answered by [`Holdings::registered`].
    Register {
        /// The same one until it is answered, then never again.
        boot: BootId,
    },
    /// Sends it to the leader; dropped where there is no link.
    SendRenewal(Renewal),
    /// The lease lasts until then: the warden kills everything afterwards.
    LeaseUntil(Millis),
    /// Runs the attempt; answered by [`Holdings::exited`], also when it could not start.
    Spawn(Order),
    /// Ends a spawned attempt; answered by [`Holdings::exited`].
    Kill {
        /// The attempt.
        fence: Fence,
        /// By force at once, or by its signal first.
        how: KillHow,
    },
    /// Sends it to the leader; answered by [`Holdings::recorded`].
    Report(Box<EndAttempt>),
    /// Asks the leader to send the start of these.
    Fetch {
        /// The epoch.
        epoch: Epoch,
        /// The attempts.
        fences: Vec<Fence>,
    },
}

/// How an attempt is ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KillHow {
    /// By the job's signal, then by force after its grace.
    WithGrace,
    /// By force at once.
    Now,
}

/// See the module.
#[derive(Debug)]
pub struct Holdings {
    terms: LeaseTerms,
    boot: BootId,
    draining: bool,
    standing: Standing,
    held: BTreeMap<Fence, Held>,
    memory: Memory,
}

#[derive(Debug)]
enum Standing {
    /// Waits for its epoch.
    Registering { first_sent_at: Millis, sent_at: Millis },
    /// Has one.
    Registered(Tenure),
    /// Its epoch is over, and these processes of it are being killed.
    Clearing { left: BTreeSet<Fence> },
    /// It drained, and wants no other epoch.
    Closed,
}

/// Inputs. Each takes the time of its arrival and gives what to do, in order.
impl Holdings {
    /// A node process that begins: `boot` is drawn at random once; later epochs of this process count on from it.
    pub fn begin(terms: LeaseTerms, boot: BootId, now: Millis) -> (Self, Vec<Output>) {
        let standing = Standing::Registering { first_sent_at: now, sent_at: now };
        let (held, memory) = (BTreeMap::new(), Memory::default());
        (Self { terms, boot, draining: false, standing, held, memory }, vec![Output::Register { boot }])
    }

    /// The ledger gave that boot id an epoch. It counts from when the id was first sent.
    pub fn registered(&mut self, boot: BootId, node: NodeId, epoch: Epoch, now: Millis) -> Vec<Output> {
        let Standing::Registering { first_sent_at, .. } = self.standing else { return Vec::new() };
        if boot != self.boot {
            return Vec::new();
        }
        let tenure = Tenure::begun(node, epoch, self.terms, first_sent_at);
        if tenure.is_over(now) {
            return self.register(now);
        }
        let until = tenure.until();
        self.standing = Standing::Registered(tenure);
        let mut outputs = vec![Output::LeaseUntil(until)];
        outputs.extend(self.renew(now));
        outputs
    }

    /// The ledger refused that boot id as stale: its epoch lapsed before its agent heard of it, or a later one is known.
    ///
    /// `latest` is the newest boot id of this node that its own replica knows; the next one lies above it.
    pub fn registration_is_stale(&mut self, boot: BootId, latest: BootId, now: Millis) -> Vec<Output> {
        if boot != self.boot || !matches!(self.standing, Standing::Registering { .. }) {
            return Vec::new();
        }
        self.boot = self.boot.max(latest);
        self.register(now)
    }

    /// A link to a leader is there: what an earlier one may have lost is sent again.
    pub fn link_opened(&mut self, now: Millis) -> Vec<Output> {
        let reports = self.held.values_mut().filter_map(|held| held.ended_mut().map(|ended| ended.report(now)));
        let reports: Vec<_> = reports.map(Output::Report).collect();
        self.renew(now).into_iter().chain(reports).collect()
    }

    /// The leader acknowledged a renewal behind a quorum round.
    pub fn acknowledged(&mut self, epoch: Epoch, sequence: u64, now: Millis) -> Option<Output> {
        let tenure = self.tenure_mut(epoch)?;
        tenure.acknowledged(sequence, now).map(Output::LeaseUntil)
    }

    /// The leader's ledger says that the epoch is over.
    pub fn epoch_is_over(&mut self, epoch: Epoch, now: Millis) -> Vec<Output> {
        if self.tenure_mut(epoch).is_some() { self.abandon(now) } else { Vec::new() }
    }

    /// An attempt to run. The caller keeps what to run beside it.
    pub fn start(&mut self, order: Order, now: Millis) -> Option<Output> {
        if !self.heeds(order.epoch, order.as_of, now) {
            return None;
        }
        if let Some(held) = self.held.get_mut(&order.fence) {
            held.seen_at(order.as_of);
            return None;
        }
        match self.memory.of(order.fence) {
            Known::Ended => None,
            Known::Forgotten => Some(self.give_up(order.job, order.fence, order.as_of, false, now)),
            Known::New if self.draining || self.is_full() => None,
            Known::New => {
                let running = Running { job: order.job, as_of: order.as_of, stopping: false, kill: None };
                self.held.insert(order.fence, Held::Running(running));
                Some(Output::Spawn(order))
            }
        }
    }

    /// A spawned attempt is gone, its whole process group with it.
    pub fn exited(&mut self, fence: Fence, end: AttemptEnd, tails: Tails, now: Millis) -> Vec<Output> {
        if let Standing::Clearing { left } = &mut self.standing {
            left.remove(&fence);
            return if left.is_empty() { self.register(now) } else { Vec::new() };
        }
        let Some(Held::Running(running)) = self.held.get(&fence) else { return Vec::new() };
        let Running { job, as_of, stopping, kill } = *running;
        let verdict = stopping || kill.is_none();
        let exit = if verdict { end.exit } else { Exit::GivenUp };
        let end = AttemptEnd { exit, usage: end.usage };
        let report = EndAttempt { job, fence, end, tails, refill: !self.draining };
        vec![self.ended(report, as_of, stopping, now)]
    }

    /// The ledger has the end of this attempt, or wants to hear no more of it.
    pub fn recorded(&mut self, fence: Fence, as_of: u64) {
        if matches!(self.held.get(&fence), Some(Held::Ended(_))) {
            self.held.remove(&fence);
            self.memory.recorded(fence, as_of);
        }
    }

    /// The node is about to stop: nothing new is started, what runs is ended with its grace and given up.
    pub fn drain(&mut self) -> Vec<Output> {
        self.draining = true;
        if matches!(self.standing, Standing::Registering { .. }) {
            self.standing = Standing::Closed;
        }
        let killed = self.held.iter_mut().filter_map(|(fence, held)| held.kill(*fence, KillHow::WithGrace));
        killed.collect()
    }

    /// Time passed.
    pub fn tick(&mut self, now: Millis) -> Vec<Output> {
        match &mut self.standing {
            Standing::Registered(tenure) if tenure.is_over(now) => self.abandon(now),
            Standing::Registered(tenure) => {
                let due = tenure.renew_at() <= now;
                let mut outputs: Vec<_> = if due { self.renew(now).into_iter().collect() } else { Vec::new() };
                let late = self.held.values_mut().filter_map(|held| held.ended_mut()?.report_when_due(now));
                outputs.extend(late.map(Output::Report));
                outputs
            }
            Standing::Registering { sent_at, .. } if sent_at.after(REGISTER_RETRY) <= now => {
                *sent_at = now;
                vec![Output::Register { boot: self.boot }]
            }
            Standing::Registering { .. } | Standing::Clearing { .. } | Standing::Closed => Vec::new(),
        }
    }
}

/// Getters.
impl Holdings {
    /// When the next [`Self::tick`] has something to do, as things stand.
    pub fn wakes_at(&self) -> Option<Millis> {
        match &self.standing {
            Standing::Registered(tenure) => {
                let reports = self.held.values().filter_map(Held::report_due_at);
                reports.chain([tenure.until(), tenure.renew_at()]).min()
            }
            Standing::Registering { sent_at, .. } => Some(sent_at.after(REGISTER_RETRY)),
            Standing::Clearing { .. } | Standing::Closed => None,
        }
    }

    /// The node and epoch, while there is one.
    pub const fn tenure(&self) -> Option<(NodeId, Epoch)> {
        match &self.standing {
            Standing::Registered(tenure) => Some((tenure.node, tenure.epoch)),
            _ => None,
        }
    }

    /// When the lease ends, while there is one.
    pub const fn lease_until(&self) -> Option<Millis> {
        match &self.standing {
            Standing::Registered(tenure) => Some(tenure.until()),
            _ => None,
        }
    }

    /// Attempts whose process may be alive.
    pub fn running(&self) -> impl Iterator<Item = Fence> {
        let cleared = match &self.standing {
            Standing::Clearing { left } => Some(left.iter().copied()),
            _ => None,
        };
        let held = self.held.iter().filter(|(_, held)| matches!(held, Held::Running(_))).map(|(fence, _)| *fence);
        held.chain(cleared.into_iter().flatten())
    }

    /// The digest of what is held, as the next renewal says it.
    pub fn digest(&self) -> HeldDigest {
        HeldDigest::of(self.held.iter().map(|(fence, held)| (*fence, held.is_stopping())))
    }

    /// Whether nothing runs and every end is recorded.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty() && !matches!(self.standing, Standing::Clearing { .. })
    }
}

impl Holdings {
    fn tenure_mut(&mut self, epoch: Epoch) -> Option<&mut Tenure> {
        match &mut self.standing {
            Standing::Registered(tenure) if tenure.epoch == epoch => Some(tenure),
            _ => None,
        }
    }

    /// Whether an order counts: of this epoch, within its lease, and not older than the newest full set.
    fn heeds(&mut self, epoch: Epoch, as_of: u64, now: Millis) -> bool {
        !self.memory.supersedes(as_of) && self.tenure_mut(epoch).is_some_and(|tenure| !tenure.is_over(now))
    }

    fn is_full(&self) -> bool {
        u64::try_from(self.held.len()).expect("a length fits 64 bits") >= HELD_MAX
    }

    fn renew(&mut self, now: Millis) -> Option<Output> {
        let digest = self.digest();
        match &mut self.standing {
            Standing::Registered(tenure) if !tenure.is_over(now) => {
                Some(Output::SendRenewal(tenure.renewal(digest, now)))
            }
            _ => None,
        }
    }

    /// Ends the epoch: everything is killed without grace and forgotten.
    fn abandon(&mut self, now: Millis) -> Vec<Output> {
        let left: BTreeSet<Fence> = self.running().collect();
        self.held.clear();
        self.memory = Memory::default();
        if left.is_empty() {
            return self.register(now);
        }
        let kills = left.iter().map(|fence| Output::Kill { fence: *fence, how: KillHow::Now }).collect();
        self.standing = Standing::Clearing { left };
        kills
    }

    /// Asks for an epoch that never was.
    fn register(&mut self, now: Millis) -> Vec<Output> {
        if self.draining {
            self.standing = Standing::Closed;
            return Vec::new();
        }
        self.boot = BootId(self.boot.0.wrapping_add(1));
        self.standing = Standing::Registering { first_sent_at: now, sent_at: now };
        vec![Output::Register { boot: self.boot }]
    }

    /// Reports an attempt that does not run here without a verdict on its job, so that it runs elsewhere.
    fn give_up(&mut self, job: JobId, fence: Fence, as_of: u64, stopping: bool, now: Millis) -> Output {
        let end = AttemptEnd { exit: Exit::GivenUp, usage: Usage::default() };
        let report = EndAttempt { job, fence, end, tails: Tails::default(), refill: !self.draining };
        self.ended(report, as_of, stopping, now)
    }

    fn ended(&mut self, report: EndAttempt, as_of: u64, stopping: bool, now: Millis) -> Output {
        let fence = report.fence;
        let (ended, report) = Ended::reported(report, as_of, stopping, now);
        self.held.insert(fence, Held::Ended(ended));
        Output::Report(report)
    }
}

#[cfg(test)]
mod tests;
