//! What a group is doing, for readiness, metrics and people.

use quorla_ledger::ids::ChainHash;

use crate::ledger_time::ClockSkew;
use crate::state_store::ContentHash;
use crate::transport::Peer;

/// The part that this node plays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Role {
    /// It receives the log and does not vote.
    #[default]
    Learner,
    /// It votes and follows.
    Follower,
    /// It asks for votes.
    Candidate,
    /// It leads.
    Leader,
}

/// How far a member's log is, as the leader knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberProgress {
    /// The member.
    pub raft_id: u64,
    /// The last entry that it is known to have.
    pub matched_index: Option<u64>,
    /// Entries that it is behind the leader.
    pub lag: u64,
}

/// A picture of the group, renewed four times a second and at every change of leadership or membership.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// This storage.
    pub raft_id: u64,
    /// Its part.
    pub role: Role,
    /// The term.
    pub term: u64,
    /// Who leads, this node included; none when that leadership has fallen silent.
    pub leader: Option<Peer>,
    /// The last entry of the log here.
    pub last_log_index: Option<u64>,
    /// The last entry known to be committed by the group.
    pub committed_index: Option<u64>,
    /// The last applied entry.
    pub applied_index: u64,
    /// Everything up to here is gone from the log.
    pub purged_index: Option<u64>,
    /// The newest snapshot.
    pub snapshot_index: Option<u64>,
    /// Who votes.
    pub voters: Vec<Peer>,
    /// Who only receives.
    pub learners: Vec<Peer>,
    /// Whether the membership is between two configurations.
    pub is_joint: bool,
    /// On the leader: the others.
    pub progress: Vec<MemberProgress>,
    /// Whether what was served before the restart has been applied again; nothing is served before (R4).
    pub recovered: bool,
    /// Commands that wait in the proposer.
    pub queued_commands: usize,
    /// The chain hash at the applied index.
    pub chain: ChainHash,
    /// The newest content hash that was asked for.
    pub content_hash: Option<ContentHash>,
    /// On the leader: the voters' clocks against ledger time.
    pub clock_skews: Vec<ClockSkew>,
}

impl Status {
    /// Whether this node leads.
    pub fn is_leader(&self) -> bool {
        self.role == Role::Leader
    }
}
