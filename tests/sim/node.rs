//! A node process: what is lost when it is killed. A replica, an agent, the leader's part while it leads, and who waits.

use std::collections::BTreeMap;

use quorla_actors::planning::Task;
use quorla_ledger::{
    Defect, Reply,
    ids::{BootId, Fence, JobId},
    reply::Refusal,
};

use super::{
    agenda::{Purpose, Turn},
    agent::Agent,
    invariants::Fact,
    lead::Lead,
    messages::{Answer, Caller, End, Message, Site},
    replica::{Disk, Replica},
    world::World,
};

/// Names one wait for a proposal's reply, in all the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(pub(super) u64);

/// Who waits for what a proposal gives.
#[derive(Clone, Copy, Debug)]
pub(super) enum Waiter {
    /// A client.
    Caller { caller: Caller, call: u64 },
    /// A client's read: it waits for a quorum round, not for a proposal.
    Reader { caller: Caller, call: u64, job: JobId },
    /// A node that wants an epoch.
    Registrant { site: Site, boot: BootId },
    /// An agent that reported an end.
    Reporter { site: Site, link: u64, fence: Fence },
    /// This leader's planner.
    Planner(Task),
    /// Nobody.
    Nobody,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) life: u64,
    pub(super) replica: Replica,
    pub(super) agent: Agent,
    pub(super) lead: Option<Lead>,
    pub(super) awaiting: BTreeMap<Ticket, Waiter>,
}

impl Node {
    pub(super) fn new(life: u64, disk: &Disk, agent: Agent, defect: Defect) -> Self {
        let replica = Replica::from_disk(disk, defect);
        Self { life, replica, agent, lead: None, awaiting: BTreeMap::new() }
    }
}

impl World {
    /// The node process of a site does what it has set itself to do.
    pub(super) fn take_turn(&mut self, site: Site, turn: Turn) {
        match turn {
            Turn::AgentWakes => self.agent_wakes(site),
            Turn::AgentLinks => self.agent_links(site),
            Turn::ProcessIsGone { fence, end } => self.agent_hears_of_exit(site, fence, end),
            Turn::LeaderTicks => self.leader_ticks(site),
            Turn::Seal => self.seal(site),
            Turn::Commit => self.commit(site),
            Turn::Learn { position } => self.learn(site, position),
            Turn::ForgetProposal(ticket) => self.outcome_is_unknown(site, ticket),
            Turn::RoundAnswered { term, purpose: Purpose::Leases(round), read_at } => {
                self.lease_round_answered(site, term, round, read_at.is_some());
            }
            Turn::RoundAnswered { purpose: Purpose::Read(ticket), read_at, .. } => {
                self.read_round_answered(site, ticket, read_at);
            }
        }
    }

    /// Applies what is known to be committed.
    pub(super) fn catch_up(&mut self, site: Site) {
        let mut moved = false;
        while let Some(node) = self.machines[site.0].node.as_ref()
            && node.replica.position < self.raft.members[site.0].commit
        {
            self.apply_next(site);
            moved = true;
        }
        if moved {
            self.maybe_write_disk(site);
        }
        self.maybe_take_the_lead(site);
    }

    fn apply_next(&mut self, site: Site) {
        let node = self.machines[site.0].node.as_mut().expect("the caller looked");
        let position = node.replica.position;
        let entry = &self.raft.log[position];
        node.replica.position += 1;
        let Some(payload) = entry.payload.clone() else {
            return;
        };
        let (index, tickets, life) = (entry.index, entry.tickets.clone(), node.life);
        let applied = node.replica.apply(index, &payload);
        self.trace.mix(u64::from_le_bytes(*applied.hash.0.first_chunk().expect("a hash has 32 bytes")));
        self.tell(&Fact::Applied { site, index, payload: &payload, applied: &applied });
        let node = self.machines[site.0].node.as_mut().expect("it just applied");
        node.replica.tables.absorb(applied.changes);
        for (claim, reply) in tickets.into_iter().zip(applied.replies) {
            if let Some(claim) = claim.filter(|claim| claim.site == site && claim.life == life) {
                self.outcome_is(site, claim.ticket, reply);
            }
        }
    }

    /// State reaches the disk now and then.
    fn maybe_write_disk(&mut self, site: Site) {
        let machine = &mut self.machines[site.0];
        let Some(node) = &machine.node else { return };
        if node.replica.position >= machine.disk.position + 48 && self.dice.chance(100) {
            machine.disk = node.replica.disk();
        }
    }

    /// A proposal was applied.
    fn outcome_is(&mut self, site: Site, ticket: Ticket, reply: Reply) {
        let node = self.machines[site.0].node.as_mut().expect("it just applied");
        let Some(waiter) = node.awaiting.remove(&ticket) else {
            return;
        };
        match waiter {
            Waiter::Caller { caller, call } => {
                let answer = match reply {
                    Reply::Refused(refusal) => Answer::Refused(refusal),
                    reply => Answer::Done(reply),
                };
                self.answer(site, caller, call, answer);
            }
            Waiter::Registrant { site: to, boot } => {
                self.send(End::Site(site), End::Site(to), Message::Registered { boot, reply });
            }
            Waiter::Reporter { site: to, link, fence } => {
                assert!(
                    matches!(
                        reply,
                        Reply::AttemptEnded { .. }
                            | Reply::AlreadyRecorded
                            | Reply::Refused(Refusal::AttemptIsStale | Refusal::JobIsUnknown)
                    ),
                    "a report has these answers only: {reply:?}"
                );
                self.tell_recorded(site, to, link, fence);
            }
            Waiter::Planner(task) => self.plan_settled(site, task),
            Waiter::Reader { .. } | Waiter::Nobody => {}
        }
    }

    /// A proposal may or may not come to be; its waiter is told just that.
    pub(super) fn outcome_is_unknown(&mut self, site: Site, ticket: Ticket) {
        let Some(node) = self.machines[site.0].node.as_mut() else {
            return;
        };
        match node.awaiting.remove(&ticket) {
            Some(Waiter::Caller { caller, call }) => self.answer(site, caller, call, Answer::Unknown),
            Some(Waiter::Reader { caller, call, .. }) => {
                self.answer(site, caller, call, Answer::NoQuorum);
            }
            Some(Waiter::Planner(task)) => self.plan_settled(site, task),
            Some(Waiter::Registrant { .. } | Waiter::Reporter { .. } | Waiter::Nobody) | None => {}
        }
    }

    /// It heard of a higher term: nothing that it waits for will be told to it.
    pub(super) fn lose_leadership(&mut self, site: Site) {
        let Some(node) = self.machines[site.0].node.as_mut() else {
            return;
        };
        node.lead = None;
        let waiting: Vec<Ticket> = node.awaiting.keys().copied().collect();
        waiting.into_iter().for_each(|ticket| self.outcome_is_unknown(site, ticket));
    }

    pub(super) fn answer(&mut self, site: Site, caller: Caller, call: u64, answer: Answer) {
        self.send(End::Site(site), End::Caller(caller), Message::Answer { call, answer });
    }
}
