//! Planted bugs. A check that was never seen to go red proves nothing, so the simulation plants one of these and must notice.
//!
//! In a release build no defect is ever [`Defect::is`], whatever was passed.

/// A bug to plant in the pure steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Defect {
    /// No bug: the real thing.
    #[default]
    None,
    /// A completion is accepted whatever its fence.
    FenceCheckOff,
    /// A cancelled job's place is free before its attempt has ended.
    SlotFreedAtCancel,
    /// A lost dispatch message is never sent again.
    DispatchNeverSentAgain,
    /// A leader acknowledges renewals without asking a quorum.
    StaleLeaderAcknowledges,
    /// The idempotency digest covers the proposer's random bits.
    DigestWithJitter,
    /// A new leader lapses nodes without waiting for leases of its predecessor.
    EarlyReassignment,
    /// A task that is being stopped does not count towards what its array may run at once.
    CapForgetsStopping,
    /// A queue that is let go on is answered for, and stays paused.
    QueueStaysPaused,
    /// A node that says that its disk is full is answered, and gets attempts all the same.
    GuardForgotten,
    /// The deadline of a drain is never looked at.
    DrainDeadlineForgotten,
    /// What a drain stops ends like an attempt that failed.
    DrainCostsAttempt,
}

impl Defect {
    /// Whether this bug is planted.
    #[must_use]
    pub fn is(self, planted: Self) -> bool {
        cfg!(debug_assertions) && self == planted
    }
}
