//! What happens next: a heap of moments in virtual time. Moments of one millisecond happen in the order they were set.

use std::{cmp::Ordering, collections::BinaryHeap};

use quorla_actors::lease::Round;
use quorla_ledger::{ids::Fence, outcome::AttemptEnd, units::Millis};

use super::{
    faults::Relief,
    messages::{Caller, Envelope, Site},
    node::Ticket,
};

/// When the simulated world begins, true time.
pub(super) const BEGINNING: Millis = Millis(1_700_000_000_000);

/// Something that happens.
#[derive(Debug)]
pub(super) enum Moment {
    /// A message arrives.
    Arrival(Envelope),
    /// A node process gets its turn; void when that life of it is over.
    Turn { site: Site, life: u64, turn: Turn },
    /// An operating system process ends by itself or by a signal.
    ProcessEnds { site: Site, fence: Fence, exit: AttemptEnd },
    /// The warden's deadline, unless it was moved.
    WardenStrikes { site: Site, deadline: Millis },
    /// The members of the group hear of each other.
    RaftBeat,
    /// A quorum answers, or does not, one round of a leader.
    RoundMeetsQuorum { site: Site, life: u64, term: u64, purpose: Purpose },
    /// A client does the next thing.
    CallerActs(Caller),
    /// A try of a client's request got no answer.
    TryTimesOut { caller: Caller, call: u64 },
    /// Something goes wrong.
    Fault,
    /// One thing that went wrong is over.
    Relief(Relief),
    /// No faults from now on.
    Calm,
    /// Somebody looks at a replica.
    Look,
}

/// What a node process does when it gets its turn.
#[derive(Debug)]
pub(super) enum Turn {
    /// The agent's own timer.
    AgentWakes,
    /// The agent looks for a leader to speak to.
    AgentLinks,
    /// A process of the agent is gone.
    ProcessIsGone { fence: Fence, end: AttemptEnd },
    /// The leader looks at leases and plans.
    LeaderTicks,
    /// The proposer seals its batch.
    Seal,
    /// The oldest batches may be committed now.
    Commit,
    /// More of the log is known to be committed.
    Learn { position: usize },
    /// A proposal's outcome stays unknown to whoever made it.
    ForgetProposal(Ticket),
    /// A round was answered.
    RoundAnswered { term: u64, purpose: Purpose, read_at: Option<usize> },
}

/// What a quorum round is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    /// Renewals.
    Leases(Round),
    /// A linearizable read.
    Read(Ticket),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Agenda {
    now: Millis,
    set: u64,
    heap: BinaryHeap<Due>,
}

#[derive(Debug)]
struct Due {
    at: Millis,
    set: u64,
    moment: Moment,
}

impl Agenda {
    pub(super) const fn new() -> Self {
        Self { now: BEGINNING, set: 0, heap: BinaryHeap::new() }
    }

    /// True time.
    pub(super) const fn now(&self) -> Millis {
        self.now
    }

    pub(super) fn set_in(&mut self, span_ms: u64, moment: Moment) {
        self.set_at(self.now.after(Millis(span_ms)), moment);
    }

    /// Sets a moment; one in the past happens at once.
    pub(super) fn set_at(&mut self, at: Millis, moment: Moment) {
        self.set += 1;
        self.heap.push(Due { at: at.max(self.now), set: self.set, moment });
    }

    /// The next moment; the clock moves to it.
    pub(super) fn next(&mut self) -> Option<(u64, Moment)> {
        let due = self.heap.pop()?;
        self.now = due.at;
        Some((due.set, due.moment))
    }
}

impl Ord for Due {
    /// The earliest is the greatest, for the heap gives its greatest.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.set).cmp(&(self.at, self.set))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Due {}
