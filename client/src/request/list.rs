//! What a client asks to be listed: jobs by what is said of them, and queues.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ReadLevel;
use crate::ids::JobId;
use crate::view::JobState;

/// Jobs by what is said of them; all conditions must hold.
///
/// A page looks at `limits::LIST_RECORDS_MAX` records at the most and is short where that ends it; `next` goes on there. The
/// order, `since_ms`, `until_ms` and whether `states` have all ended or none has, are found by an index: what they rule out
/// is not looked at. Every other condition is asked of each record in turn, `labels` with one look-up more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListQuery {
    /// Any of these states; empty: every state.
    pub states: Vec<JobState>,
    /// In this queue.
    pub queue: Option<String>,
    /// Whose name begins with this.
    pub name_prefix: Option<String>,
    /// Rows at most; none: `limits::LIST_ROWS_DEFAULT`.
    pub limit: Option<u32>,
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// The tasks of this array, by index, in the place of jobs and arrays.
    pub array: Option<JobId>,
    /// How fresh the answer must be.
    pub read: ReadLevel,
    /// With all these labels; at most `limits::LIST_LABELS_MAX`.
    pub labels: BTreeMap<String, String>,
    /// Drawn at this time or later, in milliseconds since 1970: by the time in their ids, a moment before they were accepted.
    pub since_ms: Option<u64>,
    /// Drawn before this time.
    pub until_ms: Option<u64>,
    /// Whose latest attempt is or was on the node of this name.
    pub node: Option<String>,
    /// Which come first; tasks of an array always go by index.
    pub order: ListOrder,
}

/// Which jobs come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListOrder {
    /// The last submitted.
    #[default]
    Newest,
    /// The first submitted.
    Oldest,
}

/// A page of queues.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuesQuery {
    /// Those whose names come after this one; none: from the first on.
    pub after: Option<String>,
    /// How fresh the answer must be.
    pub read: ReadLevel,
}
