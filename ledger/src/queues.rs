//! Queues as whoever lists them sees them: from counts that are kept with every change, never by a walk over jobs.

use crate::{hot::queues::Line, ids::JobId, ledger::Ledger, limits::OLDEST_LOOKS_MAX, record::Pause};

/// Jobs and tasks that have not ended, by where they stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueCounts {
    /// Wait for a place; also those of a paused queue.
    pub waiting: u64,
    /// Would wait for a place, were they or their array not paused.
    pub held: u64,
    /// Wait for a time: delayed, or before another attempt.
    pub pausing: u64,
    /// Hold a place.
    pub running: u64,
    /// Hold a place, and are to be stopped.
    pub stopping: u64,
}

/// One queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueView {
    /// Its name.
    pub name: String,
    /// Its jobs and tasks that have not ended.
    pub counts: QueueCounts,
    /// Who paused it.
    pub pause: Option<Pause>,
    /// The first submitted of the jobs and arrays that wait for a place.
    pub oldest: Oldest,
}

/// The job that has waited longest, as far as one looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oldest {
    /// None waits.
    None,
    /// This one.
    Job(JobId),
    /// There are so many lines that none was looked for ([`OLDEST_LOOKS_MAX`]).
    NotSought,
}

impl Ledger {
    /// Queues that have jobs that have not ended, or are paused, by name from the one that follows `after` on.
    ///
    /// Costs a look at each queue and, for the oldest jobs, [`OLDEST_LOOKS_MAX`] look-ups at the most.
    #[must_use]
    pub fn queues_after(&self, after: Option<&str>, max: usize) -> Vec<QueueView> {
        let mut looks = 0;
        let queues = self.hot.queues.after(after).take(max);
        let views = queues.map(|(name, queue)| {
            let oldest = self.oldest_of(queue.lines(), &mut looks);
            QueueView { name: name.to_owned(), counts: queue.counts, pause: queue.pause.clone(), oldest }
        });
        views.collect()
    }

    /// Every queue with its counts, by name; at most [`crate::limits::QUEUES_MAX`].
    pub fn queue_counts(&self) -> impl Iterator<Item = (&str, QueueCounts)> {
        self.hot.queues.after(None).map(|(name, queue)| (name, queue.counts))
    }

    /// Queues that are paused.
    #[must_use]
    pub const fn paused_queues(&self) -> usize {
        self.hot.queues.paused()
    }

    /// Who paused this queue, if somebody did.
    #[must_use]
    pub fn queue_pause(&self, queue: &str) -> Option<&Pause> {
        self.hot.queues.pause_of(queue)
    }

    /// The queue of a job, task or array that has not ended.
    #[must_use]
    pub fn queue_of(&self, job: JobId) -> Option<&str> {
        self.hot.queue_of(job)
    }

    fn oldest_of<'l>(&self, lines: impl Iterator<Item = &'l std::sync::Arc<Line>>, looks: &mut usize) -> Oldest {
        let mut oldest = None::<(u64, JobId)>;
        for line in lines {
            if *looks >= OLDEST_LOOKS_MAX {
                return Oldest::NotSought;
            }
            *looks += 1;
            let Some((order, job, taken)) = self.hot.queue.oldest_in(line) else { continue };
            *looks += taken;
            if oldest.is_none_or(|(known, _)| order < known) {
                oldest = Some((order, job));
            }
        }
        oldest.map_or(Oldest::None, |(_, job)| Oldest::Job(job))
    }
}

impl QueueCounts {
    /// Jobs and tasks that have not ended.
    #[must_use]
    pub const fn all(&self) -> u64 {
        self.waiting + self.held + self.pausing + self.running + self.stopping
    }

    /// Both together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self {
            waiting: self.waiting + other.waiting,
            held: self.held + other.held,
            pausing: self.pausing + other.pausing,
            running: self.running + other.running,
            stopping: self.stopping + other.stopping,
        }
    }

    pub(crate) const fn without(self, other: Self) -> Self {
        Self {
            waiting: self.waiting - other.waiting,
            held: self.held - other.held,
            pausing: self.pausing - other.pausing,
            running: self.running - other.running,
            stopping: self.stopping - other.stopping,
        }
    }
}
