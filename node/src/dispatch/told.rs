//! What an event tells of a job. Events are doorbells: the words about how something went are the record's.

use quorla_client::{AttemptOutcome, EventView};
use quorla_ledger::{event::Event, ids, outcome::StopCause, record::JobRecord, units::Millis};

use super::view;

/// An event that is about a job.
pub(super) struct Told {
    pub(super) job: ids::JobId,
    pub(super) node: Option<ids::NodeId>,
    kind: &'static str,
    fence: Option<ids::Fence>,
    until: Option<Millis>,
    what: What,
}

/// What there is to say of it beside that.
enum What {
    Nothing,
    Submitted,
    Ended,
    AttemptEnded,
    Lost,
    Stopping(StopCause),
    Paused,
    Queue,
}

impl Told {
    pub(super) fn of(event: &Event) -> Option<Self> {
        let plain = |job: &ids::JobId, kind| Self {
            job: *job,
            node: None,
            kind,
            fence: None,
            until: None,
            what: What::Nothing,
        };
        Some(match event {
            Event::JobSubmitted(job) => Self { what: What::Submitted, ..plain(job, "job_submitted") },
            Event::JobQueued(job) => plain(job, "job_queued"),
            Event::TasksClosed { array, .. } => plain(array, "tasks_closed"),
            Event::JobEnded(job) => Self { what: What::Ended, ..plain(job, "job_ended") },
            Event::JobBackedOff { job, until } => Self { until: Some(*until), ..plain(job, "job_backed_off") },
            Event::AttemptAssigned { job, fence, node } => {
                Self { fence: Some(*fence), node: Some(*node), ..plain(job, "attempt_assigned") }
            }
            Event::AttemptStopping { job, fence, cause } => {
                Self { fence: Some(*fence), what: What::Stopping(*cause), ..plain(job, "attempt_stopping") }
            }
            Event::AttemptEnded { job, fence } => {
                Self { fence: Some(*fence), what: What::AttemptEnded, ..plain(job, "attempt_ended") }
            }
            Event::AttemptLost { job, fence } => {
                Self { fence: Some(*fence), what: What::Lost, ..plain(job, "attempt_lost") }
            }
            Event::NodeReserved { job, node } => Self { node: Some(*node), ..plain(job, "node_reserved") },
            Event::JobPaused { job, paused: true } => Self { what: What::Paused, ..plain(job, "job_paused") },
            Event::JobPaused { job, .. } => plain(job, "job_resumed"),
            Event::NodeRegistered { .. }
            | Event::NodeLapsed { .. }
            | Event::NodeDrained { .. }
            | Event::QueuePaused { .. }
            | Event::NodeGuarded { .. }
            | Event::NodeLabelled(_)
            | Event::NodeRemoved(_) => return None,
        })
    }

    /// The same of what is about this job, which what happens to its queue is, too.
    pub(super) fn of_job(event: &Event, record: &JobRecord) -> Option<Self> {
        match event {
            Event::QueuePaused { queue, paused } if *queue == record.queue => Some(Self {
                job: record.id,
                node: None,
                kind: if *paused { "queue_paused" } else { "queue_resumed" },
                fence: None,
                until: None,
                what: What::Queue,
            }),
            event => Self::of(event).filter(|told| told.job == record.id),
        }
    }

    pub(super) fn show(self, sequence: u64, at_ms: u64, record: &JobRecord, names: &view::NodeNames) -> EventView {
        let attempt = record.attempts.iter().find(|attempt| Some(attempt.placed.fence) == self.fence);
        let node = self.node.or(attempt.map(|attempt| attempt.placed.node));
        let shown = attempt.map(|attempt| view::attempt(attempt, &record.state, names));
        let ended = shown.as_ref().filter(|_| matches!(self.what, What::AttemptEnded));
        EventView {
            sequence,
            at_ms,
            kind: self.kind.to_owned(),
            attempt: attempt.map(|attempt| attempt.number),
            node: node.and_then(|node| names.get(&node).cloned()),
            fence: self.fence.map(|fence| fence.0),
            exit_code: ended.and_then(|ended| ended.exit_code),
            until_ms: self.until.map(|until| until.0),
            detail: match self.what {
                What::Nothing => String::new(),
                What::Paused => record.paused.as_ref().and_then(|pause| pause.reason.clone()).unwrap_or_default(),
                What::Queue => format!("queue {}", record.queue),
                What::Submitted => format!("queue {}, priority {}", record.queue, record.priority),
                What::Ended => with(&view::state(&record.state).to_string(), view::reason(record)),
                What::Stopping(cause) => stopping(cause, record),
                What::Lost => "its node's lease ran out, or its node process ended".to_owned(),
                What::AttemptEnded => ended.map_or_else(String::new, |ended| {
                    let signal = ended.signal.map(|signal| format!("signal {signal}"));
                    with(outcome(ended.outcome), ended.reason.clone().or(signal))
                }),
            },
        }
    }
}

fn with(words: &str, reason: Option<String>) -> String {
    reason.map_or_else(|| words.to_owned(), |reason| format!("{words}: {reason}"))
}

const fn outcome(outcome: AttemptOutcome) -> &'static str {
    match outcome {
        // Reported by a node that goes on: it was not lost with it.
        AttemptOutcome::Lost => "given up",
        other => other.as_str(),
    }
}

fn stopping(cause: StopCause, record: &JobRecord) -> String {
    match cause {
        StopCause::Cancel => with("cancelled", record.cancel_reason.clone()),
        other => view::cause(other).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use quorla_ledger::{
        ids::{Fence, JobId, NodeId},
        units::Millis,
    };

    use super::*;

    #[test]
    fn events_of_nodes_tell_nothing_of_a_job_and_those_of_a_job_name_it() {
        let (job, fence, node) = (JobId(7), Fence(1), NodeId(2));
        assert!(Told::of(&Event::NodeDrained { node, draining: true }).is_none());
        for (event, kind) in [
            (Event::JobSubmitted(job), "job_submitted"),
            (Event::AttemptAssigned { job, fence, node }, "attempt_assigned"),
            (Event::JobBackedOff { job, until: Millis(5) }, "job_backed_off"),
            (Event::AttemptLost { job, fence }, "attempt_lost"),
        ] {
            let told = Told::of(&event).unwrap();
            assert_eq!((told.job, told.kind), (job, kind));
        }
    }
}
