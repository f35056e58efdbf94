//! The proposer: commands become batches, batches become committed entries, or nobody knows.

use std::rc::Rc;

use quorla_ledger::{Command, codec::encode_command, units::Millis};

use super::super::{
    agenda::{Moment, Purpose, Turn},
    messages::Site,
    node::{Ticket, Waiter},
    world::World,
};
use super::{Claim, Sealed};

/// The node does not lead: the command was never appended (R9).
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct NotLeader;

impl World {
    /// Proposes where this node takes itself for the leader; the waiter is told, or never.
    pub(in super::super) fn propose(&mut self, site: Site, command: &Command, waiter: Waiter) -> Result<(), NotLeader> {
        if self.raft.leads(site).is_none() {
            return Err(NotLeader);
        }
        let claim = self.claim(site, waiter);
        if self.trouble(4) {
            self.census.count("proposal lost");
            let span_ms = self.dice.between(200, 2_000);
            self.give_turn(site, span_ms, Turn::ForgetProposal(claim.ticket));
            return Ok(());
        }
        if self.trouble(15) {
            self.census.count("proposal outlived its caller's patience");
            self.give_turn(site, 1, Turn::ForgetProposal(claim.ticket));
        }
        let bytes = encode_command(command);
        self.enqueue(site, &bytes, Some(claim));
        if self.trouble(15) {
            self.census.count("proposal repeated");
            self.enqueue(site, &bytes, None);
        }
        Ok(())
    }

    /// Whether something goes wrong that goes wrong so often in a thousand while things go wrong at all.
    fn trouble(&mut self, permille: u64) -> bool {
        self.calm_since.is_none() && self.dice.chance(permille)
    }

    fn claim(&mut self, site: Site, waiter: Waiter) -> Claim {
        let ticket = self.draw_ticket();
        let node = self.machines[site.0].node.as_mut().expect("only a live node proposes");
        node.awaiting.insert(ticket, waiter);
        Claim { site, life: node.life, ticket }
    }

    fn enqueue(&mut self, site: Site, bytes: &[u8], claim: Option<Claim>) {
        let open = &mut self.raft.members[site.0].open;
        let first = open.is_none();
        let open = open.get_or_insert_default();
        open.builder.push(bytes);
        open.tickets.push(claim);
        if first {
            let span_ms = self.dice.between(0, 2);
            self.give_turn(site, span_ms, Turn::Seal);
        }
    }

    /// The open batch goes to the log and to the followers.
    pub(in super::super) fn seal(&mut self, site: Site) {
        let time = self.ledger_time();
        let member = &mut self.raft.members[site.0];
        let Some(open) = member.open.take() else {
            return;
        };
        let payload: Rc<[u8]> = open.builder.seal(time).into();
        member.sealed.push(Sealed { payload, tickets: open.tickets });
        let late = self.trouble(30);
        let span_ms = if late { self.dice.between(50, 900) } else { self.dice.between(1, 5) };
        self.give_turn(site, span_ms, Turn::Commit);
    }

    /// What a leader stamps on entries: the lower median of all wall clocks (R7).
    pub(in super::super) fn ledger_time(&self) -> Millis {
        let now = self.agenda.now();
        let mut walls: Vec<Millis> = self.machines.iter().map(|machine| machine.clock.wall(now)).collect();
        walls.sort_unstable();
        walls[(walls.len() - 1) / 2]
    }

    /// Commits what this node has sent, if it rules and a majority answers.
    pub(in super::super) fn commit(&mut self, site: Site) {
        if !self.raft.rules(site) || !self.has_majority(site) || self.raft.members[site.0].sealed.is_empty() {
            return;
        }
        for batch in std::mem::take(&mut self.raft.members[site.0].sealed) {
            self.raft.append(Some(batch.payload), batch.tickets);
        }
        let position = self.raft.log.len();
        for follower in self.sites().filter(|other| *other != site) {
            if self.network.open_both_ways(site, follower) {
                let lags = self.trouble(60);
                let span_ms = if lags { self.dice.between(100, 3_000) } else { self.dice.between(1, 20) };
                self.give_turn(follower, span_ms, Turn::Learn { position });
            }
        }
        self.learn(site, position);
    }

    /// Begins a quorum round; its answer says whether this node ruled at some moment after now.
    pub(in super::super) fn begin_quorum_round(&mut self, site: Site, purpose: Purpose) {
        let (Some(term), Some(node)) = (self.raft.leads(site), self.machines[site.0].node.as_ref()) else {
            return;
        };
        let life = node.life;
        let span_ms = self.dice.between(1, 8);
        self.agenda.set_in(span_ms, Moment::RoundMeetsQuorum { site, life, term, purpose });
    }

    pub(in super::super) fn round_meets_quorum(&mut self, site: Site, life: u64, term: u64, purpose: Purpose) {
        let rules = self.raft.rules(site) && self.raft.leads(site) == Some(term) && self.has_majority(site);
        let read_at = rules.then_some(self.raft.log.len());
        let span_ms = if rules { self.dice.between(1, 8) } else { self.dice.between(200, 800) };
        if !rules {
            self.census.count("quorum round failed");
        }
        let turn = Turn::RoundAnswered { term, purpose, read_at };
        self.agenda.set_in(span_ms, Moment::Turn { site, life, turn });
    }

    pub(in super::super) fn draw_ticket(&mut self) -> Ticket {
        self.tickets_drawn += 1;
        Ticket(self.tickets_drawn)
    }
}
