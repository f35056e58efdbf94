//! What a client asks to be held, or to be let go on.

use serde::{Deserialize, Serialize};

use crate::ids::{JobId, RequestId};

/// Hold a job or an array, or let it go on. What is so already is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseJob {
    /// This request's id.
    pub request_id: RequestId,
    /// The job or the array.
    pub job: JobId,
    /// Whether it does not start from now on.
    pub paused: bool,
    /// Why.
    pub reason: Option<String>,
    /// The same key again is the same request.
    pub idempotency_key: Option<String>,
}

/// Hold a queue, or let it go on. What is so already is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseQueue {
    /// This request's id.
    pub request_id: RequestId,
    /// The queue's name; it need not have jobs.
    pub queue: String,
    /// Whether nothing of it starts from now on.
    pub paused: bool,
    /// Why.
    pub reason: Option<String>,
    /// The same key again is the same request.
    pub idempotency_key: Option<String>,
}
