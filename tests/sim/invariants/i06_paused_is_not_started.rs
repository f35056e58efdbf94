//! I6: nothing that is paused starts: no job that is, no task of an array that is, nothing of a queue that is.
//!
//! Follows the events, whose order within an entry is the order in which the commands were done; queues of jobs are known
//! from what was submitted.

use std::collections::{BTreeMap, BTreeSet};

use quorla_ledger::{Command, Reply, event::Event, ids::JobId};

use super::{Committed, Fact, Invariant};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct PausedIsNotStarted {
    queue_of: BTreeMap<JobId, String>,
    jobs: BTreeSet<JobId>,
    queues: BTreeSet<String>,
}

impl Invariant for PausedIsNotStarted {
    fn name(&self) -> &'static str {
        "I6"
    }

    fn hear(&mut self, fact: &Fact<'_>) -> Result<(), String> {
        let Fact::Committed(committed) = fact else { return Ok(()) };
        self.learn(committed);
        committed.events().try_for_each(|event| self.follow(event))
    }
}

impl PausedIsNotStarted {
    fn learn(&mut self, committed: &Committed) {
        for (command, reply) in &committed.done {
            let Reply::Submitted { job } = reply else { continue };
            let queue = match command {
                Command::Submit(submit) => Some(submit.spec.queue.clone()),
                Command::SubmitArray(submit) => Some(submit.spec.queue.clone()),
                Command::Retry { job: of, .. } => self.queue_of.get(&owner(*of)).cloned(),
                _ => None,
            };
            // A repetition is answered with the first job, whose queue is known.
            if let Some(queue) = queue {
                self.queue_of.entry(*job).or_insert(queue);
            }
        }
    }

    fn follow(&mut self, event: &Event) -> Result<(), String> {
        match event {
            Event::JobPaused { job, paused: true } => drop(self.jobs.insert(*job)),
            Event::JobPaused { job, paused: false } => drop(self.jobs.remove(job)),
            Event::QueuePaused { queue, paused: true } => drop(self.queues.insert(queue.clone())),
            Event::QueuePaused { queue, paused: false } => drop(self.queues.remove(queue)),
            Event::AttemptAssigned { job, .. } => {
                let owner = owner(*job);
                let queue = self.queue_of.get(&owner).ok_or_else(|| format!("nobody knows the queue of {job}"))?;
                if self.jobs.contains(&owner) || self.queues.contains(queue) {
                    return Err(format!("{job} of queue {queue} started while it was paused"));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// The job, or the array of a task.
fn owner(job: JobId) -> JobId {
    job.of_task().map_or(job, |(array, _)| array)
}
