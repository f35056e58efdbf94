//! I5: no two unexpired leases on one job overlap: where a process of a job begins, no other one of it runs on a machine
//! that still counts its lease.

use std::collections::BTreeMap;

use quorla_ledger::{
    ids::{Fence, JobId},
    units::Millis,
};

use super::{super::messages::Site, Fact, Invariant};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct LeasesDoNotOverlap {
    running: BTreeMap<JobId, Vec<(Site, Fence)>>,
    leases: BTreeMap<Site, Millis>,
}

impl Invariant for LeasesDoNotOverlap {
    fn name(&self) -> &'static str {
        "I5"
    }

    fn hear(&mut self, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::LeaseLasts { site, until } => {
                self.leases.insert(*site, *until);
            }
            Fact::ProcessIsGone { site, job, fence, .. } => {
                if let Some(running) = self.running.get_mut(job) {
                    running.retain(|one| *one != (*site, *fence));
                }
            }
            Fact::ProcessBegins { site, job, fence, at } => {
                let running = self.running.entry(*job).or_default();
                running.push((*site, *fence));
                let overlap = running.iter().find(|(other_site, other)| {
                    let until = self.leases.get(other_site).copied().unwrap_or_default();
                    other != fence && until > *at
                });
                if let Some(other) = overlap {
                    return Err(format!("{job} begins as {fence:?} on {site:?} while it runs as {other:?}"));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
