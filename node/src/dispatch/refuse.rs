//! From what the ledger and the consensus refuse to words for a client: a stable code, why, and what to try next.

use quorla_client::{ErrorBody, ErrorCode, JobId};
use quorla_ledger::{
    limits::{
        ARRAYS_MAX, DEMANDS_MAX, LIVE_JOBS_MAX, LIVE_TASKS_MAX, Limit, QUEUES_MAX, QUEUES_PAUSED_MAX, UPLOADS_MAX,
        UPLOADS_OF_ONE_MAX,
    },
    record::JobState,
    reply::Refusal,
    spec::check::SpecFault,
};

/// When to ask again for what found no room: by then a leader has given up to a voter with some.
const DISK_RETRY_AFTER_MS: u64 = 1_000;

/// The ledger refused: `attempt` says what was tried, as in "submit a job".
pub fn refused(attempt: &str, refusal: &Refusal) -> ErrorBody {
    let (code, why) = explain(refusal);
    let body = ErrorBody::new(code, format!("{attempt}: {why}"));
    let body = match refusal {
        Refusal::DiskIsLow => body.retry_after_ms(DISK_RETRY_AFTER_MS),
        _ => body,
    };
    match hint(refusal) {
        Some(hint) => body.hint(hint),
        None => body,
    }
}

/// A reply that cannot answer what was asked: a bug, said without losing the connection.
pub(super) fn unexpected(attempt: &str) -> ErrorBody {
    ErrorBody::new(ErrorCode::Internal, format!("{attempt}: the ledger answered something else"))
        .hint("This is a bug in Quorla; the node's log has more.")
}

/// A job that is not there.
pub(super) fn unknown_job(attempt: &str, job: JobId) -> ErrorBody {
    ErrorBody::new(ErrorCode::NotFound, format!("{attempt}: there is no job {job}"))
        .hint("`quorla job list` shows the jobs that are kept; ended ones are removed after the retention.")
}

/// A job that is not there, or an array where one of its tasks is to be named.
pub(super) fn no_record(attempt: &str, job: JobId) -> ErrorBody {
    if !job.is_array() {
        return unknown_job(attempt, job);
    }
    ErrorBody::new(ErrorCode::InvalidRequest, format!("{attempt}: {job} is an array, not one of its tasks"))
        .hint(format!("Name a task: {}/0. `quorla array status` shows the array.", job.short()))
}

/// An attempt that is not there.
pub(super) fn unknown_attempt(job: JobId, number: u32, made: u32) -> ErrorBody {
    let message = format!("read a job's output: job {job} has no attempt {number} that is kept; it made {made}");
    ErrorBody::new(ErrorCode::NotFound, message).hint("`quorla job history` shows its attempts.")
}

fn explain(refusal: &Refusal) -> (ErrorCode, String) {
    match refusal {
        Refusal::SpecIsInvalid(fault) => explain_fault(fault),
        Refusal::SubmitIsTooOld { oldest } => {
            (ErrorCode::SubmitIsTooOld, format!("its id is older than {oldest}, what the cluster remembers"))
        }
        Refusal::RequestIsFromFuture { now } => {
            (ErrorCode::RequestIsFromTheFuture, format!("its id was drawn after the cluster's time, {now}"))
        }
        Refusal::KeyConflicts { first } => (
            ErrorCode::IdempotencyConflict,
            format!("the id or idempotency key was used for another request, {}", JobId::from_u128(first.0)),
        ),
        Refusal::JobIsUnknown => (ErrorCode::NotFound, "there is no such job".into()),
        Refusal::JobHasEnded(state) => (ErrorCode::JobHasEnded, format!("the job has {}", past(state))),
        Refusal::JobIsLive => (ErrorCode::JobHasNotEnded, "the job has not ended".into()),
        Refusal::LedgerIsFull => {
            (ErrorCode::Overloaded, format!("{LIVE_JOBS_MAX} jobs have not ended, which is the most there may be"))
        }
        Refusal::DemandsAreExhausted => (
            ErrorCode::Overloaded,
            format!("{DEMANDS_MAX} different demands are live, those of each queue by themselves, which is the most"),
        ),
        Refusal::ArraysAreExhausted => (
            ErrorCode::Overloaded,
            format!("{ARRAYS_MAX} arrays, or {LIVE_TASKS_MAX} tasks in arrays, have not ended, which is the most"),
        ),
        Refusal::UploadsAreExhausted => (
            ErrorCode::Overloaded,
            format!("{UPLOADS_MAX} uploads of items, or {UPLOADS_OF_ONE_MAX} of yours, are open"),
        ),
        Refusal::UploadIsAt { items } => (
            ErrorCode::InvalidRequest,
            format!("the upload has {items} items, which is not what this request goes on from or asks for"),
        ),
        Refusal::NothingToRetry => (ErrorCode::InvalidRequest, "every task of the array succeeded".into()),
        Refusal::IdIsOfAnotherKind => {
            (ErrorCode::InvalidRequest, "the id is an array's where a job's belongs, or the other way round".into())
        }
        Refusal::TaskIsOfAnArray => {
            (ErrorCode::InvalidRequest, "it is a task, and tasks are paused together, with their array".into())
        }
        Refusal::QueuesAreExhausted => (
            ErrorCode::Overloaded,
            format!("{QUEUES_MAX} queues have jobs or are paused, which is the most there may be"),
        ),
        Refusal::PausedQueuesAreExhausted => {
            (ErrorCode::Overloaded, format!("{QUEUES_PAUSED_MAX} queues are paused, which is the most there may be"))
        }
        Refusal::NodeIsUnknown => (ErrorCode::NotFound, "there is no such node".into()),
        Refusal::DiskIsLow => {
            (ErrorCode::DiskIsLow, "the disk of the leader, or of most voters, is nearly full".into())
        }
        Refusal::LabelIsRegistered { label } => (
            ErrorCode::InvalidRequest,
            format!("the label {label:?} is of the node's own configuration, and can't be removed here"),
        ),
        other => (ErrorCode::Internal, format!("the ledger refused: {other:?}")),
    }
}

fn explain_fault(fault: &SpecFault) -> (ErrorCode, String) {
    let why = match fault {
        SpecFault::TooMuch { limit, actual } => {
            let max = Limit::max(*limit);
            return (ErrorCode::LimitExceeded, format!("{} is {actual}, at most {max} is accepted", named(*limit)));
        }
        SpecFault::CommandIsEmpty => "the command is empty".into(),
        SpecFault::SlotsAreZero => "a job needs at least one slot".into(),
        SpecFault::AttemptsAreZero => "a retry policy allows at least one attempt".into(),
        SpecFault::SignalIsZero => "the kill signal is 0".into(),
        SpecFault::NameIsInvalid(name) => format!("{name:?} is no name: letters, digits and . _ - / : are"),
        SpecFault::KeyIsInvalid(key) => format!("{key:?} is no name of a label or variable"),
        SpecFault::HasNul => "a text holds a NUL byte".into(),
        SpecFault::PathIsRelative(path) => format!("the working directory {path:?} is not an absolute path"),
        SpecFault::TooLittle { limit, least, actual } => {
            return (ErrorCode::LimitExceeded, format!("{} is {actual}, at least {least} is accepted", named(*limit)));
        }
        SpecFault::UserIsInvalid(name) => format!("{name:?} is no user to run as"),
        SpecFault::VariableIsReserved(name) => format!("the variable {name} is set by Quorla alone"),
        SpecFault::TasksAreEmpty => "an array has at least one task, and its first index is not above its last".into(),
        SpecFault::LabelIsReserved(label) => format!("the label {label:?} is one that only nodes themselves set"),
        SpecFault::LabelIsAmbiguous(label) => format!("the label {label:?} is to be set and removed at once"),
        SpecFault::RunningIsZero => "an array lets at least one task run at a time".into(),
    };
    (ErrorCode::InvalidRequest, why)
}

/// The name of a bound as users know it.
const fn named(limit: Limit) -> &'static str {
    match limit {
        Limit::NameBytes => "the length of a name in bytes",
        Limit::Arguments => "the number of the command's words",
        Limit::ArgumentBytes => "the length of the command in bytes",
        Limit::EnvVars => "the number of environment variables",
        Limit::EnvBytes => "the size of the environment in bytes",
        Limit::PathBytes => "the length of the working directory in bytes",
        Limit::StdinBytes => "the standard input in bytes",
        Limit::Labels => "the number of labels",
        Limit::LabelBytes => "the length of a label in bytes",
        Limit::Constraints => "the number of constraints",
        Limit::ConstraintValues => "the number of values in a constraint",
        Limit::ConstraintBytes => "the size of the constraints in bytes",
        Limit::Priority => "the priority",
        Limit::Slots => "the number of slots",
        Limit::Attempts => "the number of attempts",
        Limit::RetryableExitCodes => "the number of retryable exit codes",
        Limit::JitterPercent => "the jitter in percent",
        Limit::SpanMs => "a span in milliseconds",
        Limit::OutputTailBytes => "the recorded output in bytes",
        Limit::IdempotencyKeyBytes => "the length of the idempotency key in bytes",
        Limit::Signal => "the kill signal",
        Limit::ReasonBytes => "the length of the reason in bytes",
        Limit::Tasks => "the number of an array's tasks, or its last index and one,",
        Limit::ItemBytes => "the length of an item in bytes",
        Limit::ItemsBytes => "the size of all items in bytes",
        Limit::ItemsAtOnce => "the number of items in one request",
        Limit::ItemsAtOnceBytes => "the size of the items in one request in bytes",
        Limit::CpuLimitMilli => "limits.cpu_milli",
        Limit::MemoryLimitBytes => "limits.memory_bytes",
        Limit::ProcessesLimit => "limits.processes",
        Limit::OpenFilesLimit => "limits.open_files",
        Limit::FileLimitBytes => "limits.file_bytes",
        Limit::CoreLimitBytes => "limits.core_bytes",
        Limit::UserBytes => "the length of run_as in bytes",
    }
}

const fn hint(refusal: &Refusal) -> Option<&'static str> {
    match refusal {
        Refusal::KeyConflicts { .. } => Some("Use another key, or submit the very same job."),
        Refusal::SubmitIsTooOld { .. } => Some("Look whether the job was accepted, then submit it anew."),
        Refusal::RequestIsFromFuture { .. } => Some("Set the clock of this machine."),
        Refusal::JobHasEnded(_) => Some("`quorla job info` shows how; `quorla job retry` submits it again."),
        Refusal::JobIsLive => Some("Cancel it first, or wait for its end."),
        Refusal::JobIsUnknown => Some("`quorla job list` shows the jobs that are kept."),
        Refusal::LedgerIsFull => Some("Wait until jobs have ended."),
        Refusal::ArraysAreExhausted => Some("Wait until arrays have ended, or put many small ones into one."),
        Refusal::UploadsAreExhausted => Some("Wait until one became an array; those nobody goes on with are removed."),
        Refusal::UploadIsAt { .. } => Some("Submit the array anew; an upload that rests too long is removed."),
        Refusal::NothingToRetry => Some("`quorla array submit` runs all of it again."),
        Refusal::TaskIsOfAnArray => Some("`quorla array pause` holds the array; `quorla job cancel` stops the task."),
        Refusal::QueuesAreExhausted => Some("Wait until some are empty, or use fewer queues."),
        Refusal::PausedQueuesAreExhausted => Some("Resume one: quorla queue resume NAME"),
        Refusal::DiskIsLow => {
            Some("See whose: quorla node list. Free space there, or remove what is old; what runs goes on.")
        }
        Refusal::LabelIsRegistered { .. } => Some("Set it to another value, or change node.labels of the node."),
        Refusal::DemandsAreExhausted => Some("Let jobs share their resources and constraints."),
        _ => None,
    }
}

const fn past(state: &JobState) -> &'static str {
    match state {
        JobState::Succeeded { .. } => "succeeded",
        JobState::Failed { .. } => "failed",
        JobState::Cancelled { .. } => "been cancelled",
        JobState::DeadlineExceeded { .. } => "exceeded its deadline",
        _ => "not ended",
    }
}
