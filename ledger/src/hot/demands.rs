//! Each different demand once, however many live jobs have it: a queued job costs a pointer.

use std::{collections::BTreeMap, sync::Arc};

use crate::{limits::DEMANDS_MAX, spec::Demand};

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Demands {
    /// How many live jobs have each.
    jobs: BTreeMap<Arc<Demand>, u64>,
}

impl Demands {
    /// Whether a job with this demand may come in.
    pub(crate) fn admit(&self, demand: &Demand) -> bool {
        self.jobs.len() < DEMANDS_MAX || self.jobs.contains_key(demand)
    }

    pub(crate) fn intern(&mut self, demand: &Demand) -> Arc<Demand> {
        let shared = match self.jobs.get_key_value(demand) {
            Some((shared, _)) => Arc::clone(shared),
            None => Arc::new(demand.clone()),
        };
        *self.jobs.entry(Arc::clone(&shared)).or_default() += 1;
        shared
    }

    pub(crate) fn release(&mut self, demand: Arc<Demand>) {
        let jobs = self.jobs.get_mut(&demand).expect("R5: a job's demand is interned while it lives");
        *jobs -= 1;
        if *jobs == 0 {
            self.jobs.remove(&demand);
        }
    }
}
