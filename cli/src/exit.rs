//! Exit codes: the table of the documentation, and which outcome has which.

use std::process::ExitCode;

use quorla_client::{AttemptOutcome, Error, ErrorBody, ErrorCode, JobState, JobView};

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit(pub u8);

impl Exit {
    /// Done.
    pub const OK: Self = Self(0);
    /// Another failure.
    pub const OTHER: Self = Self(1);
    /// The command line is wrong.
    pub const USAGE: Self = Self(2);
    /// There is no such thing.
    pub const NOT_FOUND: Self = Self(3);
    /// Not allowed.
    pub const DENIED: Self = Self(4);
    /// Idempotency, or a state that does not permit it.
    pub const CONFLICT: Self = Self(5);
    /// No quorum, or nothing reachable; trying again may help.
    pub const UNAVAILABLE: Self = Self(6);
    /// The time to wait is up.
    pub const WAIT_TIMED_OUT: Self = Self(7);
    /// Limited or over quota.
    pub const LIMITED: Self = Self(8);
    /// Whether it was done is not known.
    pub const UNKNOWN: Self = Self(9);
    /// The job failed.
    pub const JOB_FAILED: Self = Self(10);
    /// The job was cancelled.
    pub const JOB_CANCELLED: Self = Self(11);
    /// The job's deadline passed.
    pub const DEADLINE: Self = Self(12);
    /// `job run`: the deadline passed.
    pub const RUN_DEADLINE: Self = Self(124);
    /// `job run`: its own failure, not the job's.
    pub const RUN_FAILED: Self = Self(125);
    /// `job run`: the command could not be started.
    pub const RUN_NOT_STARTED: Self = Self(126);
    /// Interrupted; `job run`: cancelled.
    pub const INTERRUPTED: Self = Self(130);

    /// The code for a call that did not give what was asked for.
    #[must_use]
    pub fn of_error(error: &Error) -> Self {
        match error {
            Error::Refused(body) | Error::NotNow(body) => Self::of_refusal(body),
            Error::OutcomeUnknown { .. } => Self::UNKNOWN,
            Error::Unavailable { .. } => Self::UNAVAILABLE,
            Error::WaitTimedOut { .. } | Error::NodeWaitTimedOut { .. } => Self::WAIT_TIMED_OUT,
            Error::NodeUndrained { .. } => Self::CONFLICT,
            Error::PrefixAmbiguous { .. } | Error::ReadJob(_) => Self::USAGE,
            Error::HandshakeRefused { .. } => Self::DENIED,
            Error::Setup(quorla_client::SetupError::NoProfile { .. }) => Self::UNAVAILABLE,
            _ => Self::OTHER,
        }
    }

    fn of_refusal(body: &ErrorBody) -> Self {
        match body.code {
            ErrorCode::InvalidRequest | ErrorCode::UnknownField | ErrorCode::PrefixAmbiguous => Self::USAGE,
            ErrorCode::NotFound | ErrorCode::EventsCompacted => Self::NOT_FOUND,
            ErrorCode::Denied => Self::DENIED,
            ErrorCode::IdempotencyConflict | ErrorCode::JobHasEnded | ErrorCode::JobHasNotEnded => Self::CONFLICT,
            ErrorCode::NodeVotes => Self::CONFLICT,
            ErrorCode::NotLeader | ErrorCode::NoQuorum | ErrorCode::ShuttingDown => Self::UNAVAILABLE,
            ErrorCode::LimitExceeded | ErrorCode::Overloaded | ErrorCode::DiskIsLow => Self::LIMITED,
            ErrorCode::OutcomeUnknown => Self::UNKNOWN,
            _ => Self::OTHER,
        }
    }

    /// The code of `job wait` for a job that has ended.
    #[must_use]
    pub const fn of_ended(state: JobState) -> Self {
        match state {
            JobState::Succeeded => Self::OK,
            JobState::Cancelled => Self::JOB_CANCELLED,
            JobState::DeadlineExceeded => Self::DEADLINE,
            _ => Self::JOB_FAILED,
        }
    }

    /// The code of `job run`: the job's own where it has one.
    #[must_use]
    pub fn of_run(job: &JobView) -> Self {
        match job.state {
            JobState::Succeeded => return Self::OK,
            JobState::Cancelled => return Self::INTERRUPTED,
            JobState::DeadlineExceeded => return Self::RUN_DEADLINE,
            _ => {}
        }
        let Some(attempt) = job.attempts.last() else {
            return Self::RUN_FAILED;
        };
        let code = |number: Option<i32>| number.and_then(|number| u8::try_from(number).ok());
        match attempt.outcome {
            AttemptOutcome::TimedOut => Self::RUN_DEADLINE,
            AttemptOutcome::NotStarted => code(attempt.exit_code).map_or(Self::RUN_NOT_STARTED, Self),
            AttemptOutcome::Signalled | AttemptOutcome::Oom => {
                code(attempt.signal.map(|signal| signal.saturating_add(128))).map_or(Self::RUN_FAILED, Self)
            }
            _ => code(attempt.exit_code).map_or(Self::RUN_FAILED, Self),
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use quorla_client::{AttemptView, JobId};

    use super::{AttemptOutcome, Exit, JobState, JobView};

    fn job(state: JobState, outcome: AttemptOutcome, exit_code: Option<i32>, signal: Option<i32>) -> JobView {
        let attempt = AttemptView {
            number: 1,
            fence: 1,
            node: "n1".into(),
            outcome,
            exit_code,
            signal,
            reason: None,
            assigned_ms: 0,
            ended_ms: Some(1),
            usage: None,
        };
        JobView {
            id: JobId::from_parts(1, 1),
            name: "job".into(),
            command: vec!["true".into()],
            state,
            until_ms: None,
            reason: None,
            queue: "default".into(),
            priority: 50,
            labels: BTreeMap::new(),
            terms: None,
            retry_of: None,
            submitted_ms: 0,
            started_ms: None,
            ended_ms: None,
            node: None,
            attempts_total: 1,
            attempts: vec![attempt],
            tasks: None,
            paused: None,
        }
    }

    #[test]
    fn a_node_that_was_given_back_meanwhile_is_a_conflict() {
        let error = quorla_client::Error::NodeUndrained { node: "n1".into() };
        assert_eq!(Exit::of_error(&error), Exit::CONFLICT);
    }

    #[test]
    fn run_passes_the_jobs_own_code_through() {
        let rows = [
            (JobState::Succeeded, AttemptOutcome::Succeeded, Some(0), None, 0),
            (JobState::Failed, AttemptOutcome::Failed, Some(7), None, 7),
            (JobState::Failed, AttemptOutcome::Signalled, None, Some(9), 137),
            (JobState::Failed, AttemptOutcome::Oom, None, Some(9), 137),
            (JobState::Failed, AttemptOutcome::NotStarted, Some(127), None, 127),
            (JobState::Failed, AttemptOutcome::NotStarted, None, None, 126),
            (JobState::Failed, AttemptOutcome::TimedOut, None, Some(15), 124),
            (JobState::Failed, AttemptOutcome::Lost, None, None, 125),
            (JobState::DeadlineExceeded, AttemptOutcome::Failed, Some(3), None, 124),
            (JobState::Cancelled, AttemptOutcome::Cancelled, None, Some(15), 130),
        ];
        for (state, outcome, exit_code, signal, expected) in rows {
            assert_eq!(Exit::of_run(&job(state, outcome, exit_code, signal)), Exit(expected), "{state} {outcome}");
        }
    }

    #[test]
    fn wait_never_says_ok_for_a_job_that_failed() {
        for state in JobState::ALL.into_iter().filter(|state| *state != JobState::Succeeded) {
            assert_ne!(Exit::of_ended(state), Exit::OK, "{state}");
        }
    }
}
