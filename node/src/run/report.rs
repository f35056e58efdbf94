//! What operators see: metrics and readiness, from the status of the consensus and the ledger.

use std::sync::Arc;

use quorla_consensus::{Consensus, Role, Status};
use quorla_ledger::{Ledger, ids::NodeKey, limits::REQUEST_AHEAD_MAX};

use crate::{
    gossip::{ChitchatGossip, Gossip as _, Member},
    guard::SubmitGate,
    http::{Gate, Readiness},
    metrics::{self, RaftState},
};

/// A voter's clock that is further off is warned of (R7): requests drawn by such a clock are refused as well.
const CLOCK_SKEW_MS_MAX: u64 = REQUEST_AHEAD_MAX.0;

/// The parts that are looked at.
pub(super) struct Report {
    pub(super) consensus: Consensus,
    pub(super) gossip: Arc<ChitchatGossip>,
    pub(super) gate: Gate,
    pub(super) room: SubmitGate,
    pub(super) readiness: Readiness,
    pub(super) key: NodeKey,
}

impl Report {
    /// Renews everything at each change of the status, until the consensus ends.
    pub(super) async fn run(self) {
        let mut status = self.consensus.status();
        loop {
            let current = status.borrow_and_update().clone();
            self.show(&current);
            if status.changed().await.is_err() {
                return;
            }
        }
    }

    fn show(&self, status: &Status) {
        metrics::set_raft_term(status.term);
        metrics::set_raft_state(state(status.role));
        metrics::set_applied_index(status.applied_index);
        let known = status.committed_index.unwrap_or(0);
        metrics::set_apply_lag_entries(known.saturating_sub(status.applied_index));
        metrics::set_proposals_queued(status.queued_commands);
        self.room.observe(&self.consensus, status);
        self.show_ledger();
        let members = self.gossip.members().borrow().clone();
        metrics::set_members_live(members.len());
        for behind in &status.progress {
            metrics::set_follower_lag_entries(name_of(behind.raft_id, status, &members), behind.lag);
        }
        metrics::set_clock_skew_ms(furthest_clock(status).map_or(0, |(_, ahead_ms)| ahead_ms));
        self.readiness.warn("clock", clock_warning(status, &members));
        match not_ready(status) {
            Some(reason) => self.gate.close(reason),
            None => self.gate.open(),
        }
    }

    fn show_ledger(&self) {
        let look = |ledger: &Ledger| {
            let node = ledger.node_by_key(&self.key);
            let slots = node.map(|node| (node.record().capacity.slots, node.free().slots));
            (ledger.live_jobs(), slots.unwrap_or_default())
        };
        let (live, (slots, free)) = self.consensus.inspect(look);
        metrics::set_jobs_live(u64::try_from(live).unwrap_or(u64::MAX));
        metrics::set_slots(slots, slots - free);
    }
}

fn not_ready(status: &Status) -> Option<String> {
    if !status.recovered {
        return Some("replays the log".to_owned());
    }
    if status.leader.is_none() {
        return Some("knows no leader".to_owned());
    }
    None
}

/// The voter whose clock is furthest from the cluster's, and by how much; only the leader knows.
fn furthest_clock(status: &Status) -> Option<(u64, i64)> {
    let clocks = status.clock_skews.iter().map(|clock| (clock.raft_id, clock.ahead_ms));
    clocks.max_by_key(|(_, ahead_ms)| ahead_ms.unsigned_abs())
}

fn clock_warning(status: &Status, members: &[Member]) -> Option<String> {
    let (raft_id, ahead_ms) = furthest_clock(status).filter(|(_, ms)| ms.unsigned_abs() > CLOCK_SKEW_MS_MAX)?;
    let name = name_of(raft_id, status, members);
    let (seconds, side) = (ahead_ms.unsigned_abs() / 1_000, if ahead_ms < 0 { "behind" } else { "ahead of" });
    Some(format!("the clock of {name} is {seconds} s {side} the cluster's; set it"))
}

/// What people call the node of a Raft member, as far as gossip knows it.
fn name_of(raft_id: u64, status: &Status, members: &[Member]) -> String {
    let peer = status.voters.iter().chain(&status.learners).find(|peer| peer.raft_id == raft_id);
    let member = peer.and_then(|peer| members.iter().find(|member| member.key.0 == peer.node_key));
    member.map_or_else(|| format!("member {raft_id}"), |member| member.name.clone())
}

const fn state(role: Role) -> RaftState {
    match role {
        Role::Learner => RaftState::Learner,
        Role::Follower => RaftState::Follower,
        Role::Candidate => RaftState::Candidate,
        Role::Leader => RaftState::Leader,
    }
}

#[cfg(test)]
mod tests {
    use quorla_consensus::ClockSkew;

    use super::{Status, clock_warning, furthest_clock};

    fn status(skews: &[i64]) -> Status {
        let clock_skews = (1..).zip(skews).map(|(raft_id, ahead_ms)| ClockSkew { raft_id, ahead_ms: *ahead_ms });
        Status { clock_skews: clock_skews.collect(), ..Status::default() }
    }

    #[test]
    fn a_clock_is_warned_of_beyond_what_requests_are_allowed() {
        for (skews, expected) in [
            (&[][..], None),
            (&[0, 5_000, -4_999], None),
            (&[0, 5_001], Some("the clock of member 2 is 5 s ahead of the cluster's; set it")),
            (&[-3_600_000, 9_000], Some("the clock of member 1 is 3600 s behind the cluster's; set it")),
        ] {
            assert_eq!(clock_warning(&status(skews), &[]).as_deref(), expected, "{skews:?}");
        }
    }

    #[test]
    fn the_furthest_clock_keeps_its_sign() {
        assert_eq!(furthest_clock(&status(&[1, -7, 3])), Some((2, -7)));
    }
}
