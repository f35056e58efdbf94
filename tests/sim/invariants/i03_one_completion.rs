//! I3: at most one accepted completion per job, and it is what a process really did.
//!
//! An attempt is open from its assignment until it ended or was lost; only an open one's end may be accepted, and a job
//! that has ended has no attempt any more. What is accepted must be how a real process with that fence ended.

use std::collections::{BTreeMap, BTreeSet};

use quorla_ledger::{
    Command, Reply,
    event::Event,
    ids::{Fence, JobId},
    outcome::Exit,
};

use super::{Committed, Fact, Invariant};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct OneCompletion {
    open: BTreeMap<Fence, JobId>,
    ended: BTreeSet<JobId>,
    /// How the process of each attempt really ended.
    real: BTreeMap<Fence, Exit>,
    alive: BTreeSet<Fence>,
}

impl Invariant for OneCompletion {
    fn name(&self) -> &'static str {
        "I3"
    }

    fn hear(&mut self, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::ProcessBegins { fence, .. } => {
                self.alive.insert(*fence);
                Ok(())
            }
            Fact::ProcessIsGone { fence, exit, .. } => {
                self.alive.remove(fence);
                self.real.insert(*fence, (*exit).clone());
                Ok(())
            }
            Fact::Committed(committed) => self.check(committed),
            _ => Ok(()),
        }
    }
}

impl OneCompletion {
    fn check(&mut self, committed: &Committed) -> Result<(), String> {
        for event in committed.events() {
            self.follow(event)?;
        }
        for (command, reply) in &committed.done {
            if let (Command::EndAttempt(end), Reply::AttemptEnded { .. }) = (command, reply) {
                self.compare(end.job, end.fence, &end.end.exit)?;
            }
        }
        Ok(())
    }

    fn follow(&mut self, event: &Event) -> Result<(), String> {
        match event {
            Event::AttemptAssigned { job, fence, .. } if self.ended.contains(job) => {
                Err(format!("{job} has ended and got the attempt {fence:?}"))
            }
            Event::AttemptAssigned { job, fence, .. } => {
                self.open.insert(*fence, *job);
                Ok(())
            }
            Event::AttemptLost { fence, .. } => {
                self.open.remove(fence);
                Ok(())
            }
            Event::AttemptEnded { job, fence } if self.open.remove(fence) != Some(*job) => {
                Err(format!("a completion of {job} was accepted under {fence:?}, which is not its open attempt"))
            }
            Event::JobEnded(job) if !self.ended.insert(*job) => Err(format!("{job} ended twice")),
            _ => Ok(()),
        }
    }

    /// The end that was accepted against the one that happened; what never ran was given up.
    fn compare(&self, job: JobId, fence: Fence, told: &Exit) -> Result<(), String> {
        if self.alive.contains(&fence) {
            return Err(format!("{fence:?} of {job} was recorded as ended, and its process runs"));
        }
        match (told, self.real.get(&fence)) {
            (Exit::GivenUp, _) => Ok(()),
            (told, Some(real)) if told == real => Ok(()),
            (told, real) => Err(format!("{fence:?} of {job} was recorded as {told:?}, and was {real:?}")),
        }
    }
}
