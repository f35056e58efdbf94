//! I7: no node is over-allocated: what really runs on a machine never needs more than the machine has.

use std::collections::BTreeMap;

use quorla_ledger::{
    Command, Reply,
    ids::{Fence, JobId},
    spec::Resources,
};

use super::{
    super::{messages::Site, workload::CAPACITY},
    Committed, Fact, Invariant,
};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct NoOverAllocation {
    shares: BTreeMap<JobId, Resources>,
    running: BTreeMap<Site, BTreeMap<Fence, JobId>>,
}

impl Invariant for NoOverAllocation {
    fn name(&self) -> &'static str {
        "I7"
    }

    fn hear(&mut self, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::Committed(committed) => self.learn(committed),
            Fact::ProcessIsGone { site, fence, .. } => {
                self.running.entry(*site).or_default().remove(fence);
            }
            Fact::ProcessBegins { site, job, fence, .. } => {
                self.running.entry(*site).or_default().insert(*fence, *job);
                return self.check(*site);
            }
            _ => {}
        }
        Ok(())
    }
}

impl NoOverAllocation {
    /// What each job needs: said by its submitter, inherited by a retry.
    fn learn(&mut self, committed: &Committed) {
        for (command, reply) in &committed.done {
            let Reply::Submitted { job } = reply else {
                continue;
            };
            let share = match command {
                Command::Submit(submit) => Some(submit.spec.demand.resources),
                Command::SubmitArray(submit) => Some(submit.spec.demand.resources),
                Command::Retry { job, .. } => self.share(*job).copied(),
                _ => None,
            };
            if let Some(share) = share {
                self.shares.entry(*job).or_insert(share);
            }
        }
    }

    /// A task needs what its array does.
    fn share(&self, job: JobId) -> Option<&Resources> {
        self.shares.get(&job.of_task().map_or(job, |(array, _)| array))
    }

    fn check(&self, site: Site) -> Result<(), String> {
        let none = Resources::default();
        let running = &self.running[&site];
        let taken = running.values().filter_map(|job| self.share(*job)).fold(none, |sum, share| sum.with(share));
        if CAPACITY.holds(&taken) {
            return Ok(());
        }
        Err(format!("{site:?} has {CAPACITY:?}, and {taken:?} run there: {running:?}"))
    }
}
