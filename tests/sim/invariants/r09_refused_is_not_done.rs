//! R9: what a client was told is not done is not done: not before, and not by a copy that was still on its way.

use std::collections::BTreeSet;

use quorla_ledger::{event::Event, ids::JobId};

use super::{super::messages::ClientRequest, Fact, Invariant, Outcome};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct RefusedIsNotDone {
    refused: BTreeSet<JobId>,
    submitted: BTreeSet<JobId>,
}

impl Invariant for RefusedIsNotDone {
    fn name(&self) -> &'static str {
        "R9"
    }

    fn hear(&mut self, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::Answered {
                request:
                    ClientRequest::Submit { request, .. }
                    | ClientRequest::SubmitArray { request, .. }
                    | ClientRequest::Retry { request, .. },
                outcome: Outcome::Refused(_) | Outcome::NotDone,
            } => {
                self.refused.insert(request.id);
            }
            Fact::Committed(committed) => {
                self.submitted.extend(committed.events().filter_map(|event| match event {
                    Event::JobSubmitted(job) => Some(*job),
                    _ => None,
                }));
            }
            Fact::ItIsOver { .. } => {
                if let Some(job) = self.refused.intersection(&self.submitted).next() {
                    return Err(format!("{job} was refused, and is there"));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
