//! One epoch's lease as the agent counts it: from when each renewal was *sent* (R16).

use std::collections::BTreeMap;

use quorla_ledger::{
    ids::{Epoch, NodeId},
    units::Millis,
};

use crate::{digest::HeldDigest, lease::LeaseTerms, messages::Renewal};

/// Renewals on the way; older ones are given up, for a newer one is as good.
const UNACKNOWLEDGED_MAX: usize = 16;

/// See the module.
#[derive(Debug)]
pub(super) struct Tenure {
    pub(super) node: NodeId,
    pub(super) epoch: Epoch,
    terms: LeaseTerms,
    until: Millis,
    renew_at: Millis,
    sequence: u64,
    sent: BTreeMap<u64, Millis>,
}

impl Tenure {
    /// Begins with the registration, as if that had been a renewal: its command was committed after it was first sent.
    pub(super) fn begun(node: NodeId, epoch: Epoch, terms: LeaseTerms, registered_from: Millis) -> Self {
        let until = registered_from.after(terms.ttl);
        Self { node, epoch, terms, until, renew_at: registered_from, sequence: 0, sent: BTreeMap::new() }
    }

    pub(super) const fn until(&self) -> Millis {
        self.until
    }

    pub(super) fn is_over(&self, now: Millis) -> bool {
        self.until <= now
    }

    pub(super) const fn renew_at(&self) -> Millis {
        self.renew_at
    }

    /// A renewal to send now.
    pub(super) fn renewal(&mut self, digest: HeldDigest, now: Millis) -> Renewal {
        self.sequence += 1;
        self.renew_at = now.after(self.terms.renewal);
        self.sent.insert(self.sequence, now);
        if self.sent.len() > UNACKNOWLEDGED_MAX {
            self.sent.pop_first();
        }
        Renewal { node: self.node, epoch: self.epoch, sequence: self.sequence, digest }
    }

    /// Counts an acknowledgement; the new end, where it moved. A lease that is over stays over.
    pub(super) fn acknowledged(&mut self, sequence: u64, now: Millis) -> Option<Millis> {
        let sent_at = self.sent.remove(&sequence)?;
        self.sent = self.sent.split_off(&sequence);
        let until = sent_at.after(self.terms.ttl);
        if self.is_over(now) || until <= self.until {
            return None;
        }
        self.until = until;
        Some(until)
    }
}
