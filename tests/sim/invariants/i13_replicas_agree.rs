//! I13: same applied index, same state hash on every replica; and R5, hot state equal to what the tables say.

use std::collections::BTreeMap;

use quorla_ledger::{Defect, ids::ChainHash, memory::MemoryTables};

use super::{Fact, Invariant};

/// See the module.
#[derive(Debug)]
pub(super) struct ReplicasAgree {
    defect: Defect,
    chain: BTreeMap<u64, ChainHash>,
    /// The newest tables that were looked at thoroughly, with their index.
    seen: Option<(u64, MemoryTables)>,
}

impl ReplicasAgree {
    pub(super) const fn new(defect: Defect) -> Self {
        Self { defect, chain: BTreeMap::new(), seen: None }
    }
}

impl Invariant for ReplicasAgree {
    fn name(&self) -> &'static str {
        "I13"
    }

    fn hear(&mut self, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::Applied { site, index, applied, .. } => {
                let first = self.chain.entry(*index).or_insert(applied.hash);
                if *first != applied.hash {
                    return Err(format!("{site:?} has another chain hash at index {index}"));
                }
                if applied.signals.divergence.is_some() || applied.signals.unknown_version.is_some() {
                    return Err(format!("{site:?} signals {:?} at index {index}", applied.signals));
                }
            }
            Fact::Looked { site, replica, thoroughly: true } => {
                if !replica.is_equal_to_rebuilt(self.defect) {
                    return Err(format!("R5: the hot state of {site:?} is not what its tables say"));
                }
                let index = replica.ledger.meta().index;
                match &self.seen {
                    Some((seen, tables)) if *seen == index && *tables != replica.tables => {
                        return Err(format!("{site:?} stores something else at index {index}"));
                    }
                    Some((seen, _)) if *seen >= index => {}
                    _ => self.seen = Some((index, replica.tables.clone())),
                }
            }
            _ => {}
        }
        Ok(())
    }
}
