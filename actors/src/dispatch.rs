//! What the leader tells each agent, given what the ledger wants there and what went over the current link (R15).
//!
//! Owns the memory of what was sent, and nothing else: the ledger says what should run, the agent says what it holds.
//! Level-triggered: forgetting all of it costs repeated messages, never a job. A fresh link begins with the full set, which
//! names attempts without carrying them; the agent fetches what it misses.

use std::collections::BTreeMap;

use quorla_ledger::{
    defect::Defect,
    ids::{Epoch, Fence, NodeId},
    ledger::NodeView,
};

use crate::{
    digest::HeldDigest,
    messages::{Desired, Listed, Order, Stop},
};

/// A message to one agent. For a start the caller adds the specification, or skips it when the job has ended since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dispatched {
    /// Run it.
    Start(Order),
    /// Stop it.
    Stop(Stop),
    /// This and nothing else.
    Desired(Desired),
}

/// What the ledger assigned to a node's current epoch, read at one index.
#[derive(Clone, Copy, Debug)]
pub struct Assigned<'l> {
    /// The epoch.
    pub epoch: Epoch,
    /// The ledger index of the reading.
    pub as_of: u64,
    /// The attempts.
    pub attempts: &'l [Listed],
}

/// See the module.
#[derive(Debug, Default)]
pub struct Dispatch {
    defect: Defect,
    links: BTreeMap<NodeId, Link>,
}

#[derive(Debug)]
struct Link {
    epoch: Epoch,
    full_set_due: bool,
    sent: BTreeMap<Fence, Sent>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    Start,
    Stop,
}

impl Dispatch {
    /// Nothing sent to anybody.
    pub const fn new(defect: Defect) -> Self {
        Self { defect, links: BTreeMap::new() }
    }

    /// A link to an agent in that epoch is there; whatever went over an earlier one may be lost.
    pub fn link_opened(&mut self, node: NodeId, epoch: Epoch) {
        let forgetful = self.defect.is(Defect::DispatchNeverSentAgain);
        let earlier = self.links.remove(&node).filter(|link| forgetful && link.epoch == epoch);
        let fresh = Link { epoch, full_set_due: !forgetful, sent: BTreeMap::new() };
        self.links.insert(node, earlier.unwrap_or(fresh));
    }

    /// The link is gone.
    pub fn link_closed(&mut self, node: NodeId) {
        if !self.defect.is(Defect::DispatchNeverSentAgain) {
            self.links.remove(&node);
        }
    }

    /// The agent's digest differs, or this leader is new to it: the full set goes out next.
    pub fn full_set_wanted(&mut self, node: NodeId) {
        if let Some(link) = self.links.get_mut(&node)
            && !self.defect.is(Defect::DispatchNeverSentAgain)
        {
            link.full_set_due = true;
        }
    }

    /// The agent does not hold these: they are sent again.
    pub fn fetched(&mut self, node: NodeId, epoch: Epoch, fences: &[Fence]) {
        if let Some(link) = self.links.get_mut(&node)
            && link.epoch == epoch
            && !self.defect.is(Defect::DispatchNeverSentAgain)
        {
            link.sent.retain(|fence, _| !fences.contains(fence));
        }
    }

    /// What to send to a node now, at most `room` messages; what finds no room is sent by a later call.
    pub fn settle(&mut self, node: NodeId, assigned: Assigned<'_>, room: usize) -> Vec<Dispatched> {
        let link = self.links.get_mut(&node).filter(|link| link.epoch == assigned.epoch);
        match link {
            Some(link) if room > 0 && link.full_set_due => vec![link.full_set(assigned)],
            Some(link) => link.changes(assigned, room),
            None => Vec::new(),
        }
    }
}

/// What the ledger assigned to a node, by fence: what dispatch settles and digests are compared with.
pub fn listed(node: &NodeView<'_>) -> Vec<Listed> {
    let stopping = node.stopping();
    let listed = |(fence, job): (&Fence, &_)| Listed { job: *job, fence: *fence, stop: stopping.get(fence).copied() };
    node.held().iter().map(listed).collect()
}

/// The digest that a renewal has when its agent holds exactly these.
pub fn digest_of(attempts: &[Listed]) -> HeldDigest {
    HeldDigest::of(attempts.iter().map(|listed| (listed.fence, listed.stop.is_some())))
}

impl Link {
    fn full_set(&mut self, assigned: Assigned<'_>) -> Dispatched {
        self.full_set_due = false;
        self.sent = assigned.attempts.iter().map(|listed| (listed.fence, Sent::of(listed))).collect();
        let Assigned { epoch, as_of, attempts } = assigned;
        Dispatched::Desired(Desired { epoch, as_of, attempts: attempts.to_vec() })
    }

    fn changes(&mut self, assigned: Assigned<'_>, room: usize) -> Vec<Dispatched> {
        let wanted: BTreeMap<Fence, &Listed> = assigned.attempts.iter().map(|listed| (listed.fence, listed)).collect();
        self.sent.retain(|fence, _| wanted.contains_key(fence));
        let unsent = wanted.values().filter(|listed| self.sent.get(&listed.fence) != Some(&Sent::of(listed)));
        let messages: Vec<_> = unsent.take(room).map(|listed| message(&assigned, listed)).collect();
        for message in &messages {
            match message {
                Dispatched::Start(order) => self.sent.insert(order.fence, Sent::Start),
                Dispatched::Stop(stop) => self.sent.insert(stop.order.fence, Sent::Stop),
                Dispatched::Desired(_) => None,
            };
        }
        messages
    }
}

impl Sent {
    const fn of(listed: &Listed) -> Self {
        if listed.stop.is_some() { Self::Stop } else { Self::Start }
    }
}

const fn message(assigned: &Assigned<'_>, listed: &Listed) -> Dispatched {
    let Listed { job, fence, stop } = *listed;
    let order = Order { epoch: assigned.epoch, as_of: assigned.as_of, job, fence };
    match stop {
        Some(cause) => Dispatched::Stop(Stop { order, cause }),
        None => Dispatched::Start(order),
    }
}

#[cfg(test)]
mod tests;
