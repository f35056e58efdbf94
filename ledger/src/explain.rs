//! Why a job is not running yet (I16): from the same `place` that decides.

use crate::{
    hot::Stage,
    ids::{JobId, NodeId},
    ledger::{Ledger, Records},
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

impl Ledger {
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
