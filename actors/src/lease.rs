//! The leader's table of leases: who may go on, who is over (R15, R16).
//!
//! Owns when a renewal is acknowledged and when an epoch lapses. Refuses to know how messages travel, what an attempt is
//! and which clock runs: time is the leader's boot-time clock, passed in. A table lives as long as one leadership; its
//! lapses may only be proposed within that term and must never be forwarded, for a later leader may have acknowledged
//! what this one did not see.
//!
//! I5 stands on four facts: a renewal is acknowledged only behind a quorum round that started after its receipt; an agent
//! counts from when it sent, the leader from when it received; a new table waits a whole lease before it lapses anyone;
//! and from the moment a lapse was decided nothing of that epoch is acknowledged any more.

use std::collections::BTreeMap;

use quorla_ledger::{
    defect::Defect,
    ids::{Epoch, NodeId},
    limits::{LEASE_RENEWAL, LEASE_SKEW, LEASE_TTL},
    units::Millis,
};

use crate::{digest::HeldDigest, messages::Renewal};

/// A lapse that shows no effect after this long is proposed again.
const LAPSE_RETRY: Millis = Millis(1_000);

/// The spans that both sides of a lease agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTerms {
    /// How long a renewal lasts, counted by the agent from when it sent it.
    pub ttl: Millis,
    /// The agent's pause between renewals.
    pub renewal: Millis,
    /// What clocks may drift apart within one lease.
    pub skew: Millis,
}

impl Default for LeaseTerms {
    fn default() -> Self {
        Self { ttl: LEASE_TTL, renewal: LEASE_RENEWAL, skew: LEASE_SKEW }
    }
}

/// What the leader does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseOutput {
    /// Tells the agent that its renewal holds.
    Acknowledge {
        /// The node.
        node: NodeId,
        /// Its epoch.
        epoch: Epoch,
        /// The renewal's sequence.
        sequence: u64,
    },
    /// Sends the agent everything that it should run.
    SendDesired {
        /// The node.
        node: NodeId,
    },
    /// Tells the agent that its epoch is over and that it has to register again.
    EpochIsOver {
        /// The node.
        node: NodeId,
        /// The epoch that it asked for.
        epoch: Epoch,
    },
    /// Proposes `LapseNode`, in this term only.
    Lapse {
        /// The node.
        node: NodeId,
        /// The epoch whose lease ran out.
        epoch: Epoch,
    },
}

/// Names one quorum round, so that its answer serves exactly the renewals received before its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Round(u64);

/// See the module.
#[derive(Debug)]
pub struct LeaseTable {
    terms: LeaseTerms,
    defect: Defect,
    started_at: Millis,
    leases: BTreeMap<NodeId, Lease>,
    round_last: u64,
    round_open: Option<Round>,
}

#[derive(Debug)]
struct Lease {
    epoch: Epoch,
    /// Whether the full set went out in this leadership.
    greeted: bool,
    standing: Standing,
}

#[derive(Debug)]
enum Standing {
    /// It can be renewed.
    Good {
        /// Nobody may believe in this lease after it; the skew is already in it.
        deadline: Millis,
        /// Received, and no round that would cover it has started.
        waiting: Option<Received>,
        /// Covered by the open round.
        in_round: Option<Received>,
    },
    /// A lapse was decided and may be in the log, whatever its proposer heard of it (I5): no way back.
    Lapsing { proposed_at: Millis },
    /// The ledger says so.
    Over,
}

#[derive(Clone, Copy, Debug)]
struct Received {
    sequence: u64,
    at: Millis,
}

impl LeaseTable {
    /// The table of a leader whose own first entry was applied in this process at `started_at`.
    pub fn new(terms: LeaseTerms, started_at: Millis, defect: Defect) -> Self {
        Self { terms, defect, started_at, leases: BTreeMap::new(), round_last: 0, round_open: None }
    }

    /// Brings the table up to what the ledger says: each node with its latest epoch and whether that is up.
    ///
    /// A new epoch gets a whole lease from now; one that is down is forgotten.
    pub fn observe(&mut self, nodes: impl IntoIterator<Item = (NodeId, Epoch, bool)>, now: Millis) {
        let mut known = BTreeMap::new();
        for (node, epoch, up) in nodes {
            let lease = self.leases.remove(&node).filter(|lease| lease.epoch == epoch);
            let mut lease = lease.unwrap_or_else(|| self.opened(epoch, now));
            if !up {
                lease.standing = Standing::Over;
            }
            known.insert(node, lease);
        }
        self.leases = known;
    }

    /// Takes in a renewal; `desired` is the digest of what the ledger wants on that node.
    ///
    /// An epoch that this leader's ledger has not reached yet gets no answer: the next renewal will.
    pub fn renewal(&mut self, renewal: &Renewal, desired: HeldDigest, now: Millis) -> Vec<LeaseOutput> {
        let (node, epoch) = (renewal.node, renewal.epoch);
        let Some(lease) = self.leases.get_mut(&node).filter(|lease| epoch <= lease.epoch) else { return Vec::new() };
        if epoch < lease.epoch || matches!(lease.standing, Standing::Over) {
            return vec![LeaseOutput::EpochIsOver { node, epoch }];
        }
        let mut outputs = Vec::new();
        if !lease.greeted || renewal.digest != desired {
            lease.greeted = true;
            outputs.push(LeaseOutput::SendDesired { node });
        }
        let received = Received { sequence: renewal.sequence, at: now };
        if self.defect.is(Defect::StaleLeaderAcknowledges) {
            outputs.extend(lease.acknowledge(node, received, &self.terms));
        } else {
            lease.wait(received);
        }
        outputs
    }

    /// Opens a round over everything received so far. Nothing while one is open or nothing waits.
    ///
    /// The caller asks the quorum after this call, never before it.
    pub fn begin_round(&mut self) -> Option<Round> {
        if self.round_open.is_some() || !self.leases.values().any(Lease::waits) {
            return None;
        }
        for lease in self.leases.values_mut() {
            if let Standing::Good { waiting, in_round, .. } = &mut lease.standing {
                *in_round = waiting.take();
            }
        }
        self.round_last += 1;
        self.round_open = Some(Round(self.round_last));
        self.round_open
    }

    /// A quorum answered that round: what was received before its start is acknowledged (R16).
    pub fn round_completed(&mut self, round: Round) -> Vec<LeaseOutput> {
        if self.round_open != Some(round) {
            return Vec::new();
        }
        self.round_open = None;
        let terms = self.terms;
        let covered = self.leases.iter_mut().filter_map(|(node, lease)| {
            let received = lease.covered()?;
            lease.acknowledge(*node, received, &terms)
        });
        covered.collect()
    }

    /// No quorum answered that round: its renewals wait for the next one.
    pub fn round_failed(&mut self, round: Round) {
        if self.round_open != Some(round) {
            return;
        }
        self.round_open = None;
        for lease in self.leases.values_mut() {
            if let Some(missed) = lease.covered() {
                lease.wait(missed);
            }
        }
    }

    /// Decides whose lease ran out.
    pub fn tick(&mut self, now: Millis) -> Vec<LeaseOutput> {
        let mut outputs = Vec::new();
        for (node, lease) in &mut self.leases {
            if lease.lapses_at().is_some_and(|at| at <= now) {
                lease.standing = Standing::Lapsing { proposed_at: now };
                outputs.push(LeaseOutput::Lapse { node: *node, epoch: lease.epoch });
            }
        }
        outputs
    }

    /// When the next [`Self::tick`] has something to do, as things stand.
    pub fn wakes_at(&self) -> Option<Millis> {
        self.leases.values().filter_map(Lease::lapses_at).min()
    }

    fn opened(&self, epoch: Epoch, now: Millis) -> Lease {
        let whole = now.max(self.started_at).after(self.terms.ttl).after(self.terms.skew);
        let impatient = self.defect.is(Defect::EarlyReassignment) && now == self.started_at;
        let deadline = if impatient { now } else { whole };
        Lease { epoch, greeted: false, standing: Standing::Good { deadline, waiting: None, in_round: None } }
    }
}

impl Lease {
    /// Keeps the newest renewal that no round covers yet.
    fn wait(&mut self, received: Received) {
        if let Standing::Good { waiting, .. } = &mut self.standing
            && waiting.is_none_or(|waiting| waiting.sequence < received.sequence)
        {
            *waiting = Some(received);
        }
    }

    const fn waits(&self) -> bool {
        matches!(self.standing, Standing::Good { waiting: Some(_), .. })
    }

    /// Takes the renewal out of the open round.
    const fn covered(&mut self) -> Option<Received> {
        match &mut self.standing {
            Standing::Good { in_round, .. } => in_round.take(),
            Standing::Lapsing { .. } | Standing::Over => None,
        }
    }

    fn acknowledge(&mut self, node: NodeId, received: Received, terms: &LeaseTerms) -> Option<LeaseOutput> {
        let Standing::Good { deadline, .. } = &mut self.standing else { return None };
        *deadline = (*deadline).max(received.at.after(terms.ttl).after(terms.skew));
        Some(LeaseOutput::Acknowledge { node, epoch: self.epoch, sequence: received.sequence })
    }

    const fn lapses_at(&self) -> Option<Millis> {
        match self.standing {
            Standing::Good { deadline, .. } => Some(deadline),
            Standing::Lapsing { proposed_at } => Some(proposed_at.after(LAPSE_RETRY)),
            Standing::Over => None,
        }
    }
}

#[cfg(test)]
mod tests;
