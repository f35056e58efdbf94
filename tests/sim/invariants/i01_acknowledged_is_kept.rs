//! I1: an acknowledged submit is never lost. Whoever leads has it, a linearizable read finds it, and it is there at last.

use std::collections::BTreeSet;

use quorla_ledger::{Reply, ids::JobId, memory::MemoryTables};

use super::{
    super::{messages::ClientRequest, server::exists},
    Fact, Invariant, Outcome,
};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct AcknowledgedIsKept {
    acknowledged: BTreeSet<JobId>,
}

impl Invariant for AcknowledgedIsKept {
    fn name(&self) -> &'static str {
        "I1"
    }

    fn hear(&mut self, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::Answered { outcome: Outcome::Done(Reply::Submitted { job }), .. } => {
                self.acknowledged.insert(*job);
                Ok(())
            }
            Fact::Answered { request: ClientRequest::Read { job }, outcome: Outcome::Seen { exists: false } }
                if self.acknowledged.contains(job) =>
            {
                Err(format!("a linearizable read does not find {job}, which was acknowledged"))
            }
            Fact::LeaderIsReady { site, tables } => {
                self.all_in(tables).map_err(|job| format!("the new leader {site:?} lacks the acknowledged {job}"))
            }
            Fact::ItIsOver { tables } => {
                self.all_in(tables).map_err(|job| format!("the acknowledged {job} is not there at last"))
            }
            _ => Ok(()),
        }
    }
}

impl AcknowledgedIsKept {
    fn all_in(&self, tables: &MemoryTables) -> Result<(), JobId> {
        self.acknowledged.iter().find(|job| !exists(tables, **job)).map_or(Ok(()), |job| Err(*job))
    }
}
