//! What a server says when it does not do what was asked: a stable code, words, and what to try next.
//!
//! R9: a code belongs to exactly one of three outcomes. What is merely not done *yet* (no leader, overload) may be
//! repeated; what is unknown may be repeated only with the same ids.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::retry::TryOutcome;

/// Why a request was not done. The text of a code never changes; new codes are only added at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The request contradicts itself or is incomplete.
    InvalidRequest,
    /// A field that does not exist.
    UnknownField,
    /// A bound is exceeded; the message names it.
    LimitExceeded,
    /// There is no such job, node or attempt.
    NotFound,
    /// Several jobs begin with this prefix.
    PrefixAmbiguous,
    /// The idempotency key was used with other content.
    IdempotencyConflict,
    /// The request's id is older than the dedup window.
    SubmitIsTooOld,
    /// The request's id is from the future by more than the allowed skew.
    RequestIsFromTheFuture,
    /// The job has ended, so that it can't be cancelled.
    JobHasEnded,
    /// The job has not ended, so that it can't be retried.
    JobHasNotEnded,
    /// The credential may not do this.
    Denied,
    /// The server's queue is full.
    Overloaded,
    /// The server's disk is nearly full.
    DiskIsLow,
    /// The server is not the leader and did not forward.
    NotLeader,
    /// No leader is known, or no majority answers.
    NoQuorum,
    /// The server is stopping.
    ShuttingDown,
    /// Whether it was done is not known.
    OutcomeUnknown,
    /// The protocol's version is not spoken here.
    VersionUnsupported,
    /// The bytes are no request.
    MalformedFrame,
    /// The frame is longer than the bound.
    FrameTooLarge,
    /// The events asked for have expired.
    EventsCompacted,
    /// A bug or a failure of the server.
    Internal,
    /// The node votes on the ledger, and nobody takes a vote away.
    NodeVotes,
}

impl ErrorCode {
    /// The stable text, as in JSON and in error messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::UnknownField => "unknown_field",
            Self::LimitExceeded => "limit_exceeded",
            Self::NotFound => "not_found",
            Self::PrefixAmbiguous => "prefix_ambiguous",
            Self::IdempotencyConflict => "idempotency_conflict",
            Self::SubmitIsTooOld => "submit_is_too_old",
            Self::RequestIsFromTheFuture => "request_is_from_the_future",
            Self::JobHasEnded => "job_has_ended",
            Self::JobHasNotEnded => "job_has_not_ended",
            Self::Denied => "denied",
            Self::Overloaded => "overloaded",
            Self::DiskIsLow => "disk_is_low",
            Self::NotLeader => "not_leader",
            Self::NoQuorum => "no_quorum",
            Self::ShuttingDown => "shutting_down",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::VersionUnsupported => "version_unsupported",
            Self::MalformedFrame => "malformed_frame",
            Self::FrameTooLarge => "frame_too_large",
            Self::EventsCompacted => "events_compacted",
            Self::Internal => "internal",
            Self::NodeVotes => "node_votes",
        }
    }

    /// Whether this refusal depends on the request alone, so that no earlier copy of it can have been accepted.
    #[must_use]
    pub const fn settles_earlier_copies(self) -> bool {
        matches!(
            self,
            Self::InvalidRequest
                | Self::UnknownField
                | Self::LimitExceeded
                | Self::IdempotencyConflict
                | Self::Denied
                | Self::MalformedFrame
                | Self::FrameTooLarge
                | Self::VersionUnsupported
        )
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A refusal, or the word that an outcome is unknown, as it crosses the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorBody {
    /// The stable code.
    pub code: ErrorCode,
    /// What was attempted, and why it was not done.
    pub message: String,
    /// The next thing to try.
    #[serde(default)]
    pub hint: Option<String>,
    /// When to ask again, in milliseconds from now.
    #[serde(default)]
    pub retry_after_ms: Option<u64>,
    /// The client address of the leader, where it is known and the reason.
    #[serde(default)]
    pub leader: Option<String>,
}

impl ErrorBody {
    /// An error with this code and message.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None, retry_after_ms: None, leader: None }
    }

    /// Adds the next thing to try.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds when to ask again.
    #[must_use]
    pub fn retry_after_ms(mut self, ms: u64) -> Self {
        self.retry_after_ms = Some(ms);
        self
    }

    /// What this means for the try that it answers.
    #[must_use]
    pub fn outcome(&self) -> TryOutcome<String> {
        match self.code {
            ErrorCode::NotLeader | ErrorCode::ShuttingDown => TryOutcome::NotLeader { leader: self.leader.clone() },
            // A majority may be reachable from another address; whom a cut-off node takes for the leader is no help.
            ErrorCode::NoQuorum => TryOutcome::NotLeader { leader: None },
            ErrorCode::Overloaded | ErrorCode::DiskIsLow => TryOutcome::NotNow { retry_after_ms: self.retry_after_ms },
            ErrorCode::OutcomeUnknown => TryOutcome::Unknown,
            code => TryOutcome::Refused { settles_earlier_copies: code.settles_earlier_copies() },
        }
    }

    /// Adds where the leader is.
    #[must_use]
    pub fn leader(mut self, address: Option<String>) -> Self {
        self.leader = address;
        self
    }
}

impl fmt::Display for ErrorBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

#[cfg(test)]
mod tests {
    use super::ErrorCode;

    #[test]
    fn the_text_of_a_code_is_its_json() {
        for code in [ErrorCode::InvalidRequest, ErrorCode::RequestIsFromTheFuture, ErrorCode::Internal] {
            assert_eq!(serde_json::to_string(&code).unwrap(), format!("\"{code}\""));
        }
    }
}
