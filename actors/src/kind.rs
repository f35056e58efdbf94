//! Kinds of agents behind one trait: what it takes to run an attempt, whatever an attempt is made of.
//!
//! Refuses to know leases beyond their end and jobs beyond what a start carries.

use futures::future::BoxFuture;
use quorla_ledger::{
    outcome::{AttemptEnd, Tails},
    units::Millis,
};

use crate::{holdings::KillHow, messages::Start};

pub mod process;

/// Runs attempts of one kind.
pub trait Kind: Send + Sync + 'static {
    /// Starts an attempt on the node of this name; what cannot start ends at once.
    fn start(&self, start: &Start, node: &str) -> Box<dyn Attempt>;

    /// The node's lease ends then; nothing runs past it.
    fn lease_until(&self, boot_time: Millis);

    /// Attempts that may still be alive.
    fn running(&self) -> usize;

    /// Resolves when nothing can be run any more, and the node must end (R17).
    fn gone(&self) -> BoxFuture<'static, ()>;
}

/// A started attempt. Dropping it kills it by force.
pub trait Attempt: Send {
    /// What ends it early.
    fn killer(&self) -> Box<dyn Killer>;

    /// How it ended, once nothing of it is left.
    fn wait(self: Box<Self>) -> BoxFuture<'static, (AttemptEnd, Tails)>;
}

/// Ends an attempt early; harmless afterwards.
pub trait Killer: Send + Sync {
    /// Ends it; a later call can only be harder.
    fn kill(&self, how: KillHow);

    /// Whether something of it may be alive, or may yet come to be.
    fn is_alive(&self) -> bool;
}
