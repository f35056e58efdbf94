//! Builds a status from openraft's metrics and our own parts.

use openraft::ServerState;

use crate::consensus::Consensus;
use crate::route::Route;
use crate::status::{MemberProgress, Role, Status};
use crate::transport::Peer;
use crate::types::{Member, RaftMetrics};

pub(super) fn take(consensus: &Consensus, metrics: &RaftMetrics) -> Status {
    let membership = metrics.membership_config.membership();
    let voters: Vec<u64> = membership.voter_ids().collect();
    let (voting, learning) = membership.nodes().map(peer).partition(|peer: &Peer| voters.contains(&peer.raft_id));
    let role = role(metrics);
    let is_heard = consensus.router().route() != Route::Nowhere;
    let leader = metrics.current_leader.filter(|_| is_heard);
    let leader = leader.and_then(|leader| membership.get_node(&leader).map(|node| peer((&leader, node))));
    let (applied_index, chain) = consensus.state().place();
    let clock_skews = if role == Role::Leader { consensus.time().skews() } else { Vec::new() };
    Status {
        raft_id: metrics.id,
        role,
        term: metrics.current_term,
        leader,
        last_log_index: metrics.last_log_index,
        committed_index: metrics.cluster_committed.map(|log_id| log_id.index),
        applied_index,
        purged_index: metrics.purged.map(|log_id| log_id.index),
        snapshot_index: metrics.snapshot.map(|log_id| log_id.index),
        voters: voting,
        learners: learning,
        is_joint: membership.get_joint_config().len() > 1,
        progress: progress(metrics),
        recovered: consensus.recovered(),
        queued_commands: consensus.proposer().queue.depth(),
        chain,
        content_hash: consensus.state().content_hash().borrow().clone(),
        clock_skews,
    }
}

fn peer((raft_id, member): (&u64, &Member)) -> Peer {
    Peer { raft_id: *raft_id, node_key: member.node_key, address: member.address.clone() }
}

fn role(metrics: &RaftMetrics) -> Role {
    match metrics.state {
        ServerState::Leader => Role::Leader,
        ServerState::Candidate => Role::Candidate,
        ServerState::Follower => Role::Follower,
        _ => Role::Learner,
    }
}

fn progress(metrics: &RaftMetrics) -> Vec<MemberProgress> {
    let last = metrics.last_log_index.unwrap_or(0);
    let others = metrics.replication.iter().flatten().filter(|(raft_id, _)| **raft_id != metrics.id);
    let progress = others.map(|(raft_id, matched)| {
        let matched_index = matched.map(|matched| matched.index);
        MemberProgress { raft_id: *raft_id, matched_index, lag: last.saturating_sub(matched_index.unwrap_or(0)) }
    });
    progress.collect()
}
