//! Why a job is not running yet (I16): from the same `place` that decides.

use crate::{
    hot::Stage,
    ids::{JobId, NodeId},
    ledger::{Ledger, Records},
    limits::AHEAD_COUNTED_MAX,
    outcome::StopCause,
    place::{Candidate, Wish},
    record::{JobRecord, JobState, Placed, Stored},
    reply::Rejection,
    tables,
    units::Millis,
};

/// What a job that has not ended waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// For a time: its delay, or the pause after a failure.
    Until(Millis),
    /// For the planner: this node can take it now.
    Planner(NodeId),
    /// For a place: every node rejects it.
    Place(Vec<(NodeId, Rejection)>),
    /// For its attempt, which runs.
    Attempt(Placed),
    /// For its attempt, which is being stopped.
    Stop(Placed, StopCause),
}

/// How many queued jobs are due a place before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ahead {
    /// Of these, [`AHEAD_COUNTED_MAX`] at most were counted.
    pub jobs: usize,
    /// Whether there are more.
    pub more: bool,
}

impl Ledger {
    /// How many queued jobs are due a place before this one; nothing for a job that is not queued.
    ///
    /// Looks at [`AHEAD_COUNTED_MAX`] jobs and one more at the most.
    #[must_use]
    pub fn ahead_of(&self, job: JobId) -> Option<Ahead> {
        let hot = self.hot.jobs.get(&job).filter(|hot| hot.stage == Stage::Queued)?;
        let heads = self.hot.queue.heads().take_while(|head| head.rank < hot.rank);
        let before = heads.flat_map(|head| head.line.range(..hot.rank));
        let counted = before.take(AHEAD_COUNTED_MAX + 1).count();
        Some(Ahead { jobs: counted.min(AHEAD_COUNTED_MAX), more: counted > AHEAD_COUNTED_MAX })
    }

    /// Why this job has not ended yet; nothing if it has, or never was.
    #[must_use]
    pub fn why_waiting(&self, job: JobId, records: &impl Records) -> Option<Waiting> {
        let hot = self.hot.jobs.get(&job)?;
        match &hot.stage {
            Stage::Placed(hold) => Some(match hold.stopping {
                None => Waiting::Attempt(hold.placed),
                Some(cause) => Waiting::Stop(hold.placed, cause),
            }),
            Stage::Pausing => {
                let bytes = records.read(&tables::live(job))?;
                let Some(Stored::V1(JobRecord { state, .. })) = crate::codec::decode(&bytes) else {
                    return None;
                };
                match state {
                    JobState::Delayed { until } | JobState::BackingOff { until } => Some(Waiting::Until(until)),
                    _ => None,
                }
            }
            Stage::Queued => Some(self.why_queued(&Wish { job, rank: hot.rank, demand: &hot.demand })),
        }
    }

    fn why_queued(&self, wish: &Wish<'_>) -> Waiting {
        let mut rejections = Vec::new();
        for node in self.hot.nodes.iter() {
            match Candidate::of(node).reject(wish) {
                Some(rejection) => rejections.push((node.record.id, rejection)),
                None => return Waiting::Planner(node.record.id),
            }
        }
        Waiting::Place(rejections)
    }
}
