//! I8: of an array's tasks no more processes run at once than its submitter said.

use std::collections::{BTreeMap, BTreeSet};

use quorla_ledger::{
    Command, Reply,
    ids::{Fence, JobId},
};

use super::{Committed, Fact, Invariant};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct CapsAreKept {
    caps: BTreeMap<JobId, u32>,
    running: BTreeMap<JobId, BTreeSet<Fence>>,
}

impl Invariant for CapsAreKept {
    fn name(&self) -> &'static str {
        "I8"
    }

    fn hear(&mut self, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::Committed(committed) => self.learn(committed),
            Fact::ProcessIsGone { job, fence, .. } => {
                if let Some((array, _)) = job.of_task() {
                    self.running.entry(array).or_default().remove(fence);
                }
            }
            Fact::ProcessBegins { job, fence, .. } => {
                if let Some((array, _)) = job.of_task() {
                    self.running.entry(array).or_default().insert(*fence);
                    return self.check(array);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl CapsAreKept {
    /// Said by the submitter, inherited by a retry.
    fn learn(&mut self, committed: &Committed) {
        for (command, reply) in &committed.done {
            let Reply::Submitted { job } = reply else { continue };
            let cap = match command {
                Command::SubmitArray(submit) => submit.running_max,
                Command::Retry { job, .. } => self.caps.get(job).copied(),
                _ => None,
            };
            self.caps.extend(cap.map(|cap| (*job, cap)));
        }
    }

    fn check(&self, array: JobId) -> Result<(), String> {
        let running = &self.running[&array];
        match self.caps.get(&array) {
            Some(cap) if running.len() > usize::try_from(*cap).expect("a small number") => {
                Err(format!("{running:?} of {array} run, and {cap} may"))
            }
            _ => Ok(()),
        }
    }
}
