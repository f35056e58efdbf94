//! Which returned storage takes whose place next: a pure choice over the status.
//!
//! Ids of one node only grow, because they are log indexes; the largest one is its present storage.

use crate::status::Status;
use crate::transport::Peer;

/// What to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A caught-up learner takes the place of its node's former storage.
    Replace { old: u64, new: u64 },
    /// A learner that its node has no storage for any more.
    Forget { raft_id: u64 },
}

pub(super) fn next(status: &Status, is_caught_up: impl Fn(u64) -> bool) -> Option<Step> {
    let newest_of = |node: &Peer| {
        let members = status.voters.iter().chain(&status.learners);
        members.filter(|peer| peer.node_key == node.node_key).map(|peer| peer.raft_id).max()
    };
    for voter in &status.voters {
        let newest = newest_of(voter).filter(|newest| *newest > voter.raft_id);
        let is_ready = |new: &u64| status.learners.iter().any(|peer| peer.raft_id == *new) && is_caught_up(*new);
        if let Some(new) = newest.filter(is_ready) {
            return Some(Step::Replace { old: voter.raft_id, new });
        }
    }
    let former = status.learners.iter().find(|peer| newest_of(peer) > Some(peer.raft_id));
    former.map(|peer| Step::Forget { raft_id: peer.raft_id })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(raft_id: u64, node: u8) -> Peer {
        Peer { raft_id, node_key: [node; 32], address: String::new() }
    }

    fn check(voters: &[(u64, u8)], learners: &[(u64, u8)], caught_up: bool, step: Option<Step>) {
        let peers = |list: &[(u64, u8)]| list.iter().map(|(raft_id, node)| peer(*raft_id, *node)).collect();
        let status = Status { voters: peers(voters), learners: peers(learners), ..Status::default() };
        assert_eq!(next(&status, |_| caught_up), step);
    }

    #[test]
    fn a_caught_up_storage_replaces_its_nodes_former_one() {
        let voters = [(1, 1), (5, 2), (7, 3)];
        check(&voters, &[(40, 2)], true, Some(Step::Replace { old: 5, new: 40 }));
        check(&voters, &[(40, 2)], false, None);
        check(&voters, &[(40, 4)], true, None);
    }

    #[test]
    fn a_storage_lost_before_it_voted_is_forgotten() {
        check(&[(1, 1)], &[(40, 2), (50, 2)], true, Some(Step::Forget { raft_id: 40 }));
    }
}
