//! Orders beyond a start: single stops, and full sets that repair whatever was missed (R15).
//!
//! Upholds that an unlisted attempt is killed unless a newer order brought it, and that a stop of an attempt that never
//! came still ends it in the ledger.

use std::collections::BTreeSet;

use quorla_ledger::{
    ids::{Fence, JobId},
    units::Millis,
};

use super::{Holdings, KillHow, Output, held::Held, memory::Known};
use crate::messages::{Desired, Listed, Order, Stop};

/// Inputs.
impl Holdings {
    /// An attempt to stop, for a cause that the ledger knows. One that never came is reported as given up.
    pub fn stop(&mut self, stop: &Stop, now: Millis) -> Option<Output> {
        let Order { epoch, as_of, job, fence } = stop.order;
        if self.heeds(epoch, as_of, now) { self.stop_listed(job, fence, as_of, now) } else { None }
    }

    /// Everything that the ledger assigned to this epoch at one index: the rest is killed, what is missing is fetched.
    pub fn desired(&mut self, desired: &Desired, now: Millis) -> Vec<Output> {
        let Desired { epoch, as_of, attempts } = desired;
        if !self.heeds(*epoch, *as_of, now) {
            return Vec::new();
        }
        self.memory.full_set_taken(*as_of);
        let mut outputs = self.kill_unlisted(attempts, *as_of);
        let mut missing = Vec::new();
        for Listed { job, fence, stop } in attempts {
            if stop.is_some() {
                outputs.extend(self.stop_listed(*job, *fence, *as_of, now));
            } else if let Some(held) = self.held.get_mut(fence) {
                held.seen_at(*as_of);
            } else {
                match self.memory.of(*fence) {
                    Known::New if !self.draining => missing.push(*fence),
                    Known::Forgotten => outputs.push(self.give_up(*job, *fence, *as_of, false, now)),
                    Known::New | Known::Ended => {}
                }
            }
        }
        if !missing.is_empty() {
            outputs.push(Output::Fetch { epoch: *epoch, fences: missing });
        }
        outputs
    }
}

impl Holdings {
    fn stop_listed(&mut self, job: JobId, fence: Fence, as_of: u64, now: Millis) -> Option<Output> {
        let Some(held) = self.held.get_mut(&fence) else {
            let ended = self.memory.of(fence) == Known::Ended;
            return (!ended).then(|| self.give_up(job, fence, as_of, true, now));
        };
        held.seen_at(as_of);
        held.mark_stopping();
        held.kill(fence, KillHow::WithGrace)
    }

    /// Kills what a full set does not list, unless a newer order brought it; what has ended needs no report any more.
    fn kill_unlisted(&mut self, attempts: &[Listed], as_of: u64) -> Vec<Output> {
        let listed: BTreeSet<Fence> = attempts.iter().map(|listed| listed.fence).collect();
        let unlisted = |fence: &Fence, held: &Held| !listed.contains(fence) && held.as_of() <= as_of;
        self.held.retain(|fence, held| matches!(held, Held::Running(_)) || !unlisted(fence, held));
        let left = self.held.iter_mut().filter(|(fence, held)| unlisted(fence, held));
        left.filter_map(|(fence, held)| held.kill(*fence, KillHow::Now)).collect()
    }
}
