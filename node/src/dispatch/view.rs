//! From records to what clients are shown. Names nodes by their names, times by the cluster's clock.

use std::{collections::BTreeMap, mem::take};

use quorla_client::{
    AttemptOutcome, AttemptView, JobId, JobState as Shown, JobSummary, JobView, Tail as ShownTail, Usage,
};
use quorla_ledger::{
    ids::NodeId,
    outcome::{Deadline, Exit, Failure, StartFailure, StopCause, Tail},
    record::{AttemptRecord, Course, JobRecord, JobState, Pause, Placed},
    spec::JobSpec,
};

use super::{convert, waiting::shown_pause};

/// What the kernel sends to a job that is over its memory.
const SIGKILL: i32 = 9;
const OUT_OF_MEMORY: &str = "oom: it needed more memory than limits.memory_bytes";

/// Names of nodes by id, as far as they are known.
pub(super) type NodeNames = BTreeMap<NodeId, String>;

/// The nodes that a job's attempts were on.
pub(super) fn nodes_of(record: &JobRecord) -> impl Iterator<Item = NodeId> + '_ {
    record.attempts.iter().map(|attempt| attempt.placed.node)
}

/// The one of them that a summary names.
pub(super) fn last_node(record: &JobRecord) -> Option<NodeId> {
    nodes_of(record).last()
}

pub(super) fn job(record: &JobRecord, spec: Option<JobSpec>, names: &NodeNames) -> JobView {
    let last = record.attempts.last();
    let (command, labels, terms) = match spec {
        Some(mut spec) => (take(&mut spec.command), take(&mut spec.labels), Some(Box::new(convert::shown_terms(spec)))),
        None => Default::default(),
    };
    JobView {
        id: JobId::from_u128(record.id.0),
        name: record.name.clone(),
        command,
        state: state(&record.state),
        until_ms: until(&record.state),
        reason: reason(record),
        queue: record.queue.clone(),
        priority: record.priority,
        labels,
        terms,
        retry_of: record.retry_of.map(|job| JobId::from_u128(job.0)),
        submitted_ms: record.submitted_at.0,
        started_ms: last.map(|attempt| attempt.placed.at.0),
        ended_ms: record.state.ended_at().map(|at| at.0),
        node: last.map(|attempt| node_name(&attempt.placed, names)),
        attempts_total: record.attempts_made,
        attempts: record.attempts.iter().map(|attempt| self::attempt(attempt, &record.state, names)).collect(),
        tasks: None,
        paused: paused(record).map(shown_pause),
    }
}

pub(super) fn summary(record: &JobRecord, names: &NodeNames) -> JobSummary {
    let last = record.attempts.last();
    JobSummary {
        id: JobId::from_u128(record.id.0),
        name: record.name.clone(),
        state: state(&record.state),
        queue: record.queue.clone(),
        priority: record.priority,
        submitted_ms: record.submitted_at.0,
        started_ms: last.map(|attempt| attempt.placed.at.0),
        attempt_ended_ms: last.and_then(|attempt| ended_at(&attempt.course)),
        ended_ms: record.state.ended_at().map(|at| at.0),
        node: last.map(|attempt| node_name(&attempt.placed, names)),
        attempts: record.attempts_made,
        exit_code: last.and_then(|attempt| exit_code(&attempt.course)),
        tasks: None,
        paused: paused(record).is_some(),
    }
}

/// Who holds a job that may still start.
pub(super) fn paused(record: &JobRecord) -> Option<&Pause> {
    record.paused.as_ref().filter(|_| !record.state.is_ended())
}

pub(super) const fn state(state: &JobState) -> Shown {
    match state {
        JobState::Delayed { .. } => Shown::Delayed,
        JobState::Queued { .. } => Shown::Queued,
        JobState::Running(_) => Shown::Running,
        JobState::Stopping { .. } => Shown::Stopping,
        JobState::BackingOff { .. } => Shown::BackingOff,
        JobState::Succeeded { .. } => Shown::Succeeded,
        JobState::Failed { .. } => Shown::Failed,
        JobState::Cancelled { .. } => Shown::Cancelled,
        JobState::DeadlineExceeded { .. } => Shown::DeadlineExceeded,
    }
}

pub(super) fn tail(tail: Tail) -> ShownTail {
    ShownTail { bytes: tail.bytes.into(), bytes_omitted: tail.dropped.0 }
}

pub(super) fn attempt(attempt: &AttemptRecord, job: &JobState, names: &NodeNames) -> AttemptView {
    let (outcome, ended_ms, usage) = match &attempt.course {
        Course::Open if matches!(job, JobState::Stopping { .. }) => (AttemptOutcome::Stopping, None, None),
        Course::Open => (AttemptOutcome::Running, None, None),
        Course::Lost { at } => (AttemptOutcome::Lost, Some(at.0), None),
        Course::Ended { at, end, stopped } => {
            let usage = Usage {
                wall_ms: end.usage.wall.0,
                cpu_user_ms: end.usage.user.0,
                cpu_system_ms: end.usage.system.0,
                memory_bytes_max: end.usage.rss_max.0,
            };
            (outcome(&end.exit, *stopped), Some(at.0), Some(usage))
        }
    };
    AttemptView {
        number: attempt.number,
        fence: attempt.placed.fence.0,
        node: node_name(&attempt.placed, names),
        outcome,
        exit_code: exit_code(&attempt.course),
        signal: signal(&attempt.course),
        reason: attempt_reason(&attempt.course),
        assigned_ms: attempt.placed.at.0,
        ended_ms,
        usage,
    }
}

const fn outcome(exit: &Exit, stopped: Option<StopCause>) -> AttemptOutcome {
    match (stopped, exit) {
        (Some(StopCause::Cancel), _) => AttemptOutcome::Cancelled,
        (Some(StopCause::Drain), _) => AttemptOutcome::Moved,
        (Some(_), _) => AttemptOutcome::TimedOut,
        (None, Exit::Code(0)) => AttemptOutcome::Succeeded,
        (None, Exit::Code(_)) => AttemptOutcome::Failed,
        (None, Exit::Signal(_)) => AttemptOutcome::Signalled,
        (None, Exit::NotStarted { .. }) => AttemptOutcome::NotStarted,
        (None, Exit::GivenUp) => AttemptOutcome::Lost,
        (None, Exit::OutputFailed { .. }) => AttemptOutcome::OutputFailed,
        (None, Exit::OutOfMemory) => AttemptOutcome::Oom,
    }
}

fn ended_at(course: &Course) -> Option<u64> {
    match course {
        Course::Open => None,
        Course::Lost { at } | Course::Ended { at, .. } => Some(at.0),
    }
}

/// As a shell would say it: 127 for a missing program, 126 for one that may not run.
fn exit_code(course: &Course) -> Option<i32> {
    let Course::Ended { end, .. } = course else { return None };
    match &end.exit {
        Exit::Code(code) => Some((*code).into()),
        Exit::NotStarted { cause: StartFailure::NotFound, .. } => Some(127),
        Exit::NotStarted { .. } => Some(126),
        Exit::Signal(_) | Exit::GivenUp | Exit::OutputFailed { .. } | Exit::OutOfMemory => None,
    }
}

fn signal(course: &Course) -> Option<i32> {
    match course {
        Course::Ended { end, .. } => match end.exit {
            Exit::Signal(signal) => Some(signal.into()),
            Exit::OutOfMemory => Some(SIGKILL),
            _ => None,
        },
        _ => None,
    }
}

fn attempt_reason(course: &Course) -> Option<String> {
    let Course::Ended { end, .. } = course else { return None };
    match &end.exit {
        Exit::NotStarted { message, .. } | Exit::OutputFailed { message } => Some(message.clone()),
        Exit::GivenUp => Some("the node gave it up while it was stopping".into()),
        Exit::OutOfMemory => Some(OUT_OF_MEMORY.into()),
        _ => None,
    }
}

const fn until(state: &JobState) -> Option<u64> {
    match state {
        JobState::Delayed { until } | JobState::BackingOff { until } => Some(until.0),
        _ => None,
    }
}

pub(super) fn reason(record: &JobRecord) -> Option<String> {
    let said = record.cancel_reason.clone();
    match &record.state {
        JobState::Cancelled { .. } => said,
        JobState::Stopping { cause, .. } => match cause {
            StopCause::Cancel => Some(said.unwrap_or_else(|| self::cause(*cause).into())),
            _ => Some(self::cause(*cause).into()),
        },
        JobState::DeadlineExceeded { deadline, .. } => Some(match deadline {
            Deadline::Queue => "it waited in the queue for longer than timeouts.queue_ms".into(),
            Deadline::Attempt => "its last attempt took longer than timeouts.attempt_ms".into(),
            Deadline::Job => "it took longer than timeouts.job_ms in all".into(),
        }),
        JobState::Failed { failure, .. } => Some(failed(failure)),
        JobState::BackingOff { .. } => Some(format!("attempt {} failed", record.attempts_made)),
        _ => None,
    }
}

pub(super) const fn cause(cause: StopCause) -> &'static str {
    match cause {
        StopCause::Cancel => "cancelled",
        StopCause::AttemptTimeout => "the attempt's timeout passed",
        StopCause::JobTimeout => "the job's timeout passed",
        StopCause::Drain => "the deadline of its node's drain passed; it runs again elsewhere",
    }
}

pub(super) fn failed(failure: &Failure) -> String {
    match failure {
        Failure::Tasks { failed: 1 } => "a task failed".into(),
        Failure::Tasks { failed } => format!("{failed} tasks failed"),
        Failure::LostTooOften => "its attempts were lost with their nodes too often".into(),
        Failure::Attempt(Exit::Code(code)) => format!("the command ended with exit code {code}"),
        Failure::Attempt(Exit::Signal(signal)) => format!("the command was ended by signal {signal}"),
        Failure::Attempt(Exit::NotStarted { message, .. }) => format!("the command could not be started: {message}"),
        Failure::Attempt(Exit::OutOfMemory) => OUT_OF_MEMORY.into(),
        Failure::Attempt(Exit::GivenUp) => "its node gave it up".into(),
        Failure::Attempt(Exit::OutputFailed { message }) => format!("its node could not {message}"),
    }
}

fn node_name(placed: &Placed, names: &NodeNames) -> String {
    names.get(&placed.node).cloned().unwrap_or_else(|| format!("node-{}", placed.node.0))
}
