//! A job's output as it is followed: records, and what is said in the place of those that are missing.

use serde::{Deserialize, Serialize};

use super::job::JobView;
use crate::payload::Payload;

/// One of a job's two output streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl OutputStream {
    /// The stable text, as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// A place in a job's output: the next record that was not had yet. The order of places is the order of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OutputPlace {
    /// The attempt, 1 for the first.
    pub attempt: u32,
    /// The record's sequence in that attempt, 1 for the first.
    pub sequence: u64,
}

impl OutputPlace {
    /// Where a job's output begins.
    pub const START: Self = Self::of_attempt(1);

    /// Where the output of an attempt begins.
    #[must_use]
    pub const fn of_attempt(attempt: u32) -> Self {
        Self { attempt, sequence: 1 }
    }
}

impl Default for OutputPlace {
    fn default() -> Self {
        Self::START
    }
}

/// What an attempt wrote to one stream at one time, as it was read: a record knows nothing of lines or characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputRecord {
    /// The attempt.
    pub attempt: u32,
    /// Its fence.
    pub fence: u64,
    /// Dense over both streams of the attempt.
    pub sequence: u64,
    /// When the node read it, in milliseconds since 1970 of the node's clock.
    pub at_ms: u64,
    /// Where it was written to.
    pub stream: OutputStream,
    /// What.
    pub bytes: Payload,
}

/// Records that are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputGap {
    /// The attempt.
    pub attempt: u32,
    /// The first sequence that is missing.
    pub from: u64,
    /// The first one that is there again; none: the end of the attempt's output is missing, if there was more.
    pub until: Option<u64>,
    /// Why.
    pub reason: GapReason,
}

/// Why records are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// The node keeps so much and no more, and they were the oldest.
    Expired,
    /// The node, or its disk, failed while the attempt ran: whether there was more is not known.
    EndUnknown,
    /// The node that had them is gone.
    NodeIsGone,
    /// The job had so many attempts that this one is not known any more.
    AttemptForgotten,
    /// The node's disk was nearly full, so that they were not recorded.
    DiskLow,
}

impl GapReason {
    /// The stable text, as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::EndUnknown => "end_unknown",
            Self::NodeIsGone => "node_is_gone",
            Self::AttemptForgotten => "attempt_forgotten",
            Self::DiskLow => "disk_low",
        }
    }
}

/// One piece of a job's output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputPiece {
    /// What was written.
    Record(OutputRecord),
    /// What is missing.
    Gap(OutputGap),
    /// All of an attempt was told.
    AttemptEnded {
        /// The attempt.
        attempt: u32,
    },
}

/// A bounded part of a job's output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputPage {
    /// In the order of places.
    pub pieces: Vec<OutputPiece>,
    /// Where the next page begins.
    pub next: OutputPlace,
    /// Whether this is all that there is now.
    pub caught_up: bool,
    /// The job, once nothing can follow any more.
    pub ended: Option<Box<JobView>>,
}
