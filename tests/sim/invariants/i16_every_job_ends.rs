//! I16: every accepted job ends within the stated time of calm, and all along something says why it has not ended yet.

use std::collections::BTreeSet;

use quorla_ledger::{event::Event, ids::JobId};

use super::{Fact, Invariant};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct EveryJobEnds {
    unfinished: BTreeSet<JobId>,
}

impl Invariant for EveryJobEnds {
    fn name(&self) -> &'static str {
        "I16"
    }

    fn hear(&mut self, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::Committed(committed) => {
                for event in committed.events() {
                    match event {
                        Event::JobSubmitted(job) => self.unfinished.insert(*job),
                        Event::JobEnded(job) => self.unfinished.remove(job),
                        _ => false,
                    };
                }
            }
            Fact::Looked { site, replica, .. } => {
                let ledger = &replica.ledger;
                let unexplained = self
                    .unfinished
                    .iter()
                    .find(|job| ledger.is_live(**job) && ledger.why_waiting(**job, &replica.tables).is_none());
                if let Some(job) = unexplained {
                    return Err(format!("{site:?} cannot say why {job} has not ended"));
                }
            }
            Fact::TimeIsUp { unfinished } => return Err((*unfinished).to_owned()),
            Fact::ItIsOver { .. } if !self.unfinished.is_empty() => {
                return Err(format!("these jobs have not ended: {:?}", self.unfinished));
            }
            _ => {}
        }
        Ok(())
    }
}
