//! I4: fencing tokens strictly increase per job: where they are given, and where processes begin under them.

use std::collections::BTreeMap;

use quorla_ledger::{
    event::Event,
    ids::{Fence, JobId},
};

use super::{Fact, Invariant};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct FencesRise {
    assigned: BTreeMap<JobId, Fence>,
    begun: BTreeMap<JobId, Fence>,
}

impl Invariant for FencesRise {
    fn name(&self) -> &'static str {
        "I4"
    }

    fn hear(&mut self, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::Committed(committed) => committed.events().try_for_each(|event| match event {
                Event::AttemptAssigned { job, fence, .. } => rise(&mut self.assigned, *job, *fence, "assigned"),
                _ => Ok(()),
            }),
            Fact::ProcessBegins { job, fence, .. } => rise(&mut self.begun, *job, *fence, "begun"),
            _ => Ok(()),
        }
    }
}

fn rise(last: &mut BTreeMap<JobId, Fence>, job: JobId, fence: Fence, what: &str) -> Result<(), String> {
    match last.insert(job, fence) {
        Some(before) if before >= fence => Err(format!("{fence:?} of {job} was {what} after {before:?}")),
        _ => Ok(()),
    }
}
