//! Why a queued job waits, in words: from the very function that places jobs (I16).

use std::collections::BTreeMap;

use quorla_client::PauseView;
use quorla_ledger::{
    Records,
    explain::Waiting,
    ids::JobId,
    record::{JobRecord, JobState, Pause},
    reply::{Lack, Rejection},
};

use super::Dispatch;
use crate::identity::KeyId;

/// Characters of a principal's fingerprint that are enough to tell it from others.
const PRINCIPAL_CHARS_SHOWN: usize = 16;

/// The hot state alone: whoever waits for more than a place is told so by the job's record.
pub(super) struct NoRecords;

impl Records for NoRecords {
    fn read(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }
}

impl Dispatch {
    /// Why this job is queued; nothing for one in another state.
    pub(super) fn why_queued(&self, record: &JobRecord) -> Option<String> {
        if !matches!(record.state, JobState::Queued { .. }) {
            return None;
        }
        match &record.paused {
            Some(pause) => Some(format!("it {}", paused_words(pause))),
            None => self.why_waiting(record.id),
        }
    }

    /// The same, of what the caller knows to be queued.
    pub(super) fn why_waiting(&self, job: JobId) -> Option<String> {
        words(self.consensus.inspect(|ledger| ledger.why_waiting(job, &NoRecords))?)
    }
}

pub(super) fn words(waiting: Waiting) -> Option<String> {
    match waiting {
        Waiting::Planner(_) => Some("a node has room for it; it is about to be assigned".into()),
        Waiting::Place(rejections) if rejections.is_empty() => Some("there is no node".into()),
        Waiting::Place(rejections) => {
            let mut nodes: BTreeMap<String, usize> = BTreeMap::new();
            rejections.iter().for_each(|(_, rejection)| *nodes.entry(lacks(rejection)).or_default() += 1);
            let each: Vec<String> = nodes.iter().map(|(why, count)| format!("{why} ({count})")).collect();
            Some(format!("no node can take it now: {}", each.join(", ")))
        }
        Waiting::Cap(max) => Some(format!("its array runs at most {max} tasks at once, and as many hold a place")),
        Waiting::Retries(tasks) => Some(format!("{tasks} other tasks of its array wait for their next attempt")),
        Waiting::Cancellation => Some("its array was cancelled, and it is about to end".into()),
        Waiting::Tasks(tasks) => Some(format!("{tasks} of its tasks run, and none waits")),
        Waiting::Resume => Some("it is paused".into()),
        Waiting::Queue(pause) => Some(format!("its queue {}", paused_words(&pause))),
        Waiting::Until(_) | Waiting::Attempt(_) | Waiting::Stop(..) => None,
    }
}

/// Who paused it, and what was said; when is a number beside it.
pub(super) fn paused_words(pause: &Pause) -> String {
    let by: String = KeyId(pause.by.0).to_string().chars().take(PRINCIPAL_CHARS_SHOWN).collect();
    let reason = pause.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
    format!("is paused by {by}{reason}")
}

pub(super) fn shown_pause(pause: &Pause) -> PauseView {
    PauseView { by: KeyId(pause.by.0).to_string(), since_ms: pause.since.0, reason: pause.reason.clone() }
}

fn lacks(rejection: &Rejection) -> String {
    match rejection {
        Rejection::NodeIsDown => "down".into(),
        Rejection::NodeIsDraining => "draining".into(),
        Rejection::LabelsDiffer { label } => format!("label {label} does not fit"),
        Rejection::TooSmall(lack) => format!("too small for its {}", named(lack)),
        Rejection::TooBusy(lack) => format!("not enough {} free", named(lack)),
        Rejection::Reserved { .. } => "kept for a job that waited longer".into(),
        Rejection::DiskIsLow => "disk nearly full".into(),
    }
}

const fn named(lack: &Lack) -> &'static str {
    match lack {
        Lack::Cpu(_) => "CPU",
        Lack::Memory(_) => "memory",
        Lack::Slots(_) => "slots",
    }
}

#[cfg(test)]
mod tests {
    use quorla_ledger::ids::NodeId;

    use super::*;

    #[test]
    fn nodes_that_reject_a_job_for_the_same_reason_are_counted() {
        let busy = Rejection::TooBusy(Lack::Slots(1));
        let rejections = [busy.clone(), Rejection::NodeIsDraining, busy];
        let place = Waiting::Place((1..).map(NodeId).zip(rejections).collect());
        let expected = "no node can take it now: draining (1), not enough slots free (2)";
        assert_eq!(words(place).as_deref(), Some(expected));
        assert_eq!(words(Waiting::Place(vec![])).as_deref(), Some("there is no node"));
    }
}
