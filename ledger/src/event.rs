//! What happened, in the past tense, with a dense sequence (R12, I14). Events are doorbells: the records are the truth.
//!
//! All events of one entry are stored as one page under the sequence of its first one.

use serde::{Deserialize, Serialize};

use crate::{
    disk::DiskLevel,
    ids::{Epoch, Fence, JobId, NodeId},
    outcome::{Deadline, StopCause},
    units::Millis,
};

/// Something that happened. Append-only: new kinds go to the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A job was accepted.
    JobSubmitted(JobId),
    /// It waits for a place.
    JobQueued(JobId),
    /// It got one.
    AttemptAssigned {
        /// The job.
        job: JobId,
        /// The attempt.
        fence: Fence,
        /// Where.
        node: NodeId,
    },
    /// Its attempt is being stopped.
    AttemptStopping {
        /// The job.
        job: JobId,
        /// The attempt.
        fence: Fence,
        /// Why.
        cause: StopCause,
    },
    /// Its attempt ended and was recorded.
    AttemptEnded {
        /// The job.
        job: JobId,
        /// The attempt.
        fence: Fence,
    },
    /// Its attempt was lost with its node's epoch.
    AttemptLost {
        /// The job.
        job: JobId,
        /// The attempt.
        fence: Fence,
    },
    /// It pauses before the next attempt.
    JobBackedOff {
        /// The job.
        job: JobId,
        /// Until then.
        until: Millis,
    },
    /// It was overtaken so often that a node is kept free for it.
    NodeReserved {
        /// The job.
        job: JobId,
        /// The node.
        node: NodeId,
    },
    /// It ended, one way or another.
    JobEnded(JobId),
    /// A node started an epoch.
    NodeRegistered {
        /// The node.
        node: NodeId,
        /// The epoch.
        epoch: Epoch,
    },
    /// An epoch's lease ran out.
    NodeLapsed {
        /// The node.
        node: NodeId,
        /// The epoch.
        epoch: Epoch,
    },
    /// A node takes nothing new, or does again.
    NodeDrained {
        /// The node.
        node: NodeId,
        /// Whether it drains.
        draining: bool,
    },
    /// The tasks of an array that had never been given a place ended, all together.
    TasksClosed {
        /// The array.
        array: JobId,
        /// How many.
        tasks: u32,
        /// The deadline that passed; none: somebody cancelled the array.
        deadline: Option<Deadline>,
    },
    /// A job or an array may not start any more, or may again.
    JobPaused {
        /// The job.
        job: JobId,
        /// Whether it is paused from now on.
        paused: bool,
    },
    /// Nothing of a queue may start any more, or may again.
    QueuePaused {
        /// The queue.
        queue: String,
        /// Whether it is paused from now on.
        paused: bool,
    },
    /// A node's disk is as full as this from now on.
    NodeGuarded {
        /// The node.
        node: NodeId,
        /// How full it is.
        level: DiskLevel,
    },
    /// Operators changed a node's labels.
    NodeLabelled(NodeId),
    /// A node that left was forgotten.
    NodeRemoved(NodeId),
}

/// The events of one entry, as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventPage {
    /// Sequence of the first one; the others follow without a gap.
    pub first: u64,
    /// Ledger time of the entry.
    pub at: Millis,
    /// At least one.
    pub events: Vec<Event>,
}
