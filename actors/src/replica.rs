//! The replicated ledger as the actors see it, and the clocks and links that come with it.
//!
//! Owns the seam to consensus, so that a shell can be tested beside a ledger in memory. Refuses to know Raft: who leads, in
//! which term, and whether a command was answered is all that passes.

use futures::future::BoxFuture;
use quorla_consensus::transport::{Duplex, TransportError};
use quorla_ledger::{ids::NodeKey, ledger::Ledger, reply::Reply, units::Millis};
use tokio::sync::watch;

use crate::planning::retention::History;

mod consensus;

pub use consensus::ConsensusReplica;

/// Who leads, as this replica knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leadership {
    /// Raft's term.
    pub term: u64,
    /// Where the leader is.
    pub leader: Leader,
}

/// Where the leader is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Leader {
    /// Nobody that this replica knows of.
    #[default]
    Nobody,
    /// This process, and it has applied the first entry of its own term.
    Here,
    /// Another node.
    There(NodeKey),
}

/// A command without an answer: it may have been applied or not, and asking again with the same ids is safe (R9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unanswered {
    /// When to ask again, where the other side said so.
    pub retry_after: Option<Millis>,
}

/// A bounded reading of stored records.
pub type View = Box<dyn History + Send>;

/// See the module.
pub trait Replica: Send + Sync + 'static {
    /// Who leads; changes with each election.
    fn leadership(&self) -> watch::Receiver<Leadership>;

    /// The index of the last applied entry: a doorbell.
    fn applied(&self) -> watch::Receiver<u64>;

    /// Looks at the hot state. `look` is called once, before this returns, and does not block.
    fn inspect(&self, look: &mut dyn FnMut(&Ledger));

    /// The stored records as of an index at least as large; nothing when this replica stops before it gets there.
    fn view(&self, at_least: u64) -> BoxFuture<'_, Option<View>>;

    /// Proposes a command in the lane that overload does not close (R21), wherever the leader is.
    fn propose(&self, command: Vec<u8>) -> BoxFuture<'_, Result<Reply, Unanswered>>;

    /// Proposes a command in this term or not at all: it is never forwarded, nor appended in a later term (R16).
    fn propose_in_term(&self, term: u64, command: Vec<u8>) -> BoxFuture<'_, Result<Reply, Unanswered>>;

    /// Whether a quorum answered a round that started after this call (R16).
    fn quorum_round(&self) -> BoxFuture<'_, bool>;

    /// Opens a link for agents' messages to the leader on another node.
    fn open_link(&self, leader: NodeKey) -> BoxFuture<'_, Result<Duplex, TransportError>>;

    /// Ledger time as a leader would stamp it now (R7).
    fn ledger_time(&self) -> Millis;

    /// CLOCK_BOOTTIME: never goes back, counts while the machine sleeps. All lease time is of this clock.
    fn boot_time(&self) -> Millis;
}

/// Looks at the hot state and takes something home.
pub fn inspect<T>(replica: &dyn Replica, look: impl FnOnce(&Ledger) -> T) -> T {
    let (mut look, mut seen) = (Some(look), None);
    replica.inspect(&mut |ledger| {
        let look = look.take().expect("an inspection looks once");
        seen = Some(look(ledger));
    });
    seen.expect("an inspection looks before it returns")
}
