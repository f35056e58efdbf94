//! Membership: who votes. Acts on the leader only; its step is pure and looks at the group as it is.
//!
//! Supervised by Root; supervises nobody. A crash loses nothing, a start looks again. Storages ask to be admitted by
//! themselves; what is left to decide is when learners become voters: once as many members are there as are expected
//! (R25), and in the place of the incarnation before, when a node came back with an empty directory (R1); and when a node
//! that left is forgotten, whose storage has no vote. It never takes a vote away, and believes the log's progress, never
//! gossip.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use futures::future::BoxFuture;
use quorla_ledger::ids::{NodeId, NodeKey, RaftId};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use ractor_cluster::RactorMessage;
use tokio::task::JoinSet;

use crate::tasks::reap;

/// Between two looks at the group.
const PAUSE: Duration = Duration::from_millis(250);

/// The members as the leader sees them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    /// Who votes.
    pub voters: BTreeMap<RaftId, NodeKey>,
    /// Who only receives.
    pub learners: BTreeMap<RaftId, NodeKey>,
    /// Those of the learners that have nearly all of the log.
    pub caught_up: BTreeSet<RaftId>,
    /// Nodes that are to leave.
    pub leaving: BTreeSet<NodeKey>,
    /// Those of them whose last epoch is over.
    pub left: BTreeMap<NodeKey, NodeId>,
}

/// One change of the membership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// These learners vote from now on.
    Promote(BTreeSet<RaftId>),
    /// A node's new incarnation votes in the place of its former one.
    Replace {
        /// The former one.
        old: RaftId,
        /// The new one.
        new: RaftId,
    },
    /// A learner that is an abandoned incarnation goes, or one whose node left.
    Forget(RaftId),
    /// A node that left and has no storage in the group goes from the ledger.
    Dismiss(NodeId),
}

/// Changes who votes.
pub trait Group: Send + Sync + 'static {
    /// The members, on the leader and between two configurations of the group nothing.
    fn members(&self) -> Option<Members>;

    /// Makes one change; whether it was made shows in the members.
    fn change(&self, change: Change) -> BoxFuture<'_, ()>;
}

/// The next change, if any is due.
pub fn next_change(members: &Members, expected: usize) -> Option<Change> {
    let Members { voters, learners, caught_up, leaving, left } = members;
    let ready = |id: &RaftId| caught_up.contains(id);
    let newest: BTreeMap<NodeKey, RaftId> =
        voters.iter().chain(learners).fold(BTreeMap::new(), |mut newest, (id, key)| {
            newest.entry(*key).and_modify(|known: &mut RaftId| *known = (*known).max(*id)).or_insert(*id);
            newest
        });
    let abandoned = |id: &RaftId, key: &NodeKey| newest.get(key) != Some(id) || left.contains_key(key);
    if let Some((id, _)) = learners.iter().find(|(id, key)| abandoned(id, key)) {
        return Some(Change::Forget(*id));
    }
    // R25: a voter stays in both, whatever was asked for.
    if let Some((_, node)) = left.iter().find(|(key, _)| !newest.contains_key(*key)) {
        return Some(Change::Dismiss(*node));
    }
    let came_back =
        voters.iter().find_map(|(old, key)| newest.get(key).filter(|new| *new != old).map(|new| (*old, *new)));
    if let Some((old, new)) = came_back.filter(|(_, new)| ready(new)) {
        return Some(Change::Replace { old, new });
    }
    let voting: BTreeSet<&NodeKey> = voters.values().collect();
    let wanted = expected.saturating_sub(voters.len());
    let may_vote = |key| !voting.contains(key) && !leaving.contains(key);
    let candidates = learners.iter().filter(|(id, key)| ready(id) && may_vote(*key)).map(|(id, _)| *id);
    let promoted: BTreeSet<RaftId> = candidates.take(wanted).collect();
    (wanted > 0 && promoted.len() == wanted).then_some(Change::Promote(promoted))
}

/// What it is told.
#[derive(Debug, RactorMessage)]
pub(crate) enum MembershipMessage {
    /// Time passed, and no change is on its way.
    Look,
}

/// The actor.
pub(crate) struct Membership;

/// What it starts with.
#[derive(Clone)]
pub(crate) struct MembershipArguments {
    pub(crate) group: Arc<dyn Group>,
    /// Voters that the cluster is meant to have.
    pub(crate) expected: usize,
}

/// Its state.
pub(crate) struct MembershipState {
    arguments: MembershipArguments,
    tasks: JoinSet<()>,
}

impl Actor for Membership {
    type Msg = MembershipMessage;
    type State = MembershipState;
    type Arguments = MembershipArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<MembershipMessage>,
        arguments: MembershipArguments,
    ) -> Result<MembershipState, ActorProcessingErr> {
        myself.cast(MembershipMessage::Look)?;
        Ok(MembershipState { arguments, tasks: JoinSet::new() })
    }

    async fn handle(
        &self,
        myself: ActorRef<MembershipMessage>,
        _: MembershipMessage,
        state: &mut MembershipState,
    ) -> Result<(), ActorProcessingErr> {
        reap(&mut state.tasks)?;
        let MembershipArguments { group, expected } = state.arguments.clone();
        state.tasks.spawn(async move {
            let change = group.members().and_then(|members| next_change(&members, expected));
            if let Some(change) = change {
                tracing::info!(?change, "the membership changes");
                group.change(change).await;
            }
            tokio::time::sleep(PAUSE).await;
            let _ = myself.cast(MembershipMessage::Look);
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Members as `id/node`, learners with `+` when caught up.
    fn members(voters: &[(u64, u8)], learners: &[(u64, u8, bool)]) -> Members {
        let entry = |id: u64, node: u8| (RaftId(id), NodeKey([node; 32]));
        Members {
            voters: voters.iter().map(|(id, node)| entry(*id, *node)).collect(),
            learners: learners.iter().map(|(id, node, _)| entry(*id, *node)).collect(),
            caught_up: learners.iter().filter(|(_, _, ready)| *ready).map(|(id, _, _)| RaftId(*id)).collect(),
            leaving: BTreeSet::new(),
            left: BTreeMap::new(),
        }
    }

    /// The same, with these nodes on their way out, whose epoch is over or not.
    fn leave(mut members: Members, nodes: &[(u8, bool)]) -> Members {
        for (node, is_over) in nodes {
            members.leaving.insert(NodeKey([*node; 32]));
            if *is_over {
                members.left.insert(NodeKey([*node; 32]), NodeId(u32::from(*node)));
            }
        }
        members
    }

    #[test]
    fn a_learner_that_left_goes_from_the_group_and_then_from_the_ledger() {
        let group = members(&[(1, 1)], &[(5, 2, true), (6, 3, true)]);
        assert_eq!(next_change(&leave(group.clone(), &[(2, false)]), 1), None, "its epoch is not over");
        assert_eq!(next_change(&leave(group, &[(2, true)]), 1), Some(Change::Forget(RaftId(5))));
        let alone = leave(members(&[(1, 1)], &[(6, 3, true)]), &[(2, true)]);
        assert_eq!(next_change(&alone, 1), Some(Change::Dismiss(NodeId(2))));
    }

    #[test]
    fn a_voter_stays_whatever_was_asked_for() {
        let group = members(&[(1, 1), (5, 2)], &[]);
        assert_eq!(next_change(&leave(group, &[(2, true)]), 2), None);
    }

    #[test]
    fn who_is_to_leave_gets_no_vote() {
        let group = members(&[(1, 1)], &[(5, 2, true), (6, 3, true)]);
        assert_eq!(next_change(&leave(group.clone(), &[(2, false)]), 3), None);
        let change = next_change(&leave(group, &[(2, false)]), 2);
        assert_eq!(change, Some(Change::Promote(BTreeSet::from([RaftId(6)]))));
    }

    #[test]
    fn learners_are_promoted_together_once_all_expected_are_caught_up() {
        let waiting = members(&[(1, 1)], &[(5, 2, true), (6, 3, false)]);
        assert_eq!(next_change(&waiting, 3), None);
        let ready = members(&[(1, 1)], &[(5, 2, true), (6, 3, true)]);
        assert_eq!(next_change(&ready, 3), Some(Change::Promote(BTreeSet::from([RaftId(5), RaftId(6)]))));
    }

    #[test]
    fn beyond_what_is_expected_nobody_is_promoted() {
        assert_eq!(next_change(&members(&[(1, 1)], &[(5, 2, true)]), 1), None);
    }

    #[test]
    fn a_new_incarnation_takes_the_place_of_the_former_one_once_caught_up() {
        let voters = [(1, 1), (5, 2), (6, 3)];
        assert_eq!(next_change(&members(&voters, &[(9, 2, false)]), 3), None);
        let change = Change::Replace { old: RaftId(5), new: RaftId(9) };
        assert_eq!(next_change(&members(&voters, &[(9, 2, true)]), 3), Some(change));
    }

    #[test]
    fn an_abandoned_incarnation_that_never_voted_is_forgotten() {
        let twice = members(&[(1, 1)], &[(5, 2, true), (7, 2, false)]);
        assert_eq!(next_change(&twice, 3), Some(Change::Forget(RaftId(5))));
    }
}
