//! Raft as its contract: one order of entries that a majority keeps, and everything around it that may go wrong.
//!
//! Entries are committed by the leader of the highest term while a majority hears it. A deposed leader goes on believing
//! until it hears of a higher term: its rounds fail and its proposals are lost. What it had sent before may survive, in
//! order, ahead of its successor's first entry. Knows bytes, not commands.

use std::rc::Rc;

use quorla_ledger::{BatchBuilder, units::Millis};

use super::{
    agenda::{Moment, Turn},
    messages::Site,
    node::Ticket,
    world::World,
};

mod election;
mod proposal;

/// The members of the group hear of each other this often.
const BEAT_MS: u64 = 100;

/// See the module.
#[derive(Debug)]
pub(super) struct Raft {
    pub(super) log: Vec<LogEntry>,
    pub(super) members: Vec<Member>,
    index_last: u64,
    term: u64,
    /// The leader of that term: the only one whose entries are committed.
    leader: Option<Site>,
    majority_heard_at: Millis,
    patience_ms: u64,
}

/// A committed entry.
#[derive(Debug)]
pub(super) struct LogEntry {
    pub(super) index: u64,
    /// A leader's first entry is blank.
    pub(super) payload: Option<Rc<[u8]>>,
    /// Who waits for each command's reply.
    pub(super) tickets: Vec<Option<Claim>>,
}

/// A proposer's claim to a reply; worth something while that life of its node lasts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    pub(super) site: Site,
    pub(super) life: u64,
    pub(super) ticket: Ticket,
}

/// What one node knows as a member of the group.
#[derive(Debug, Default)]
pub(super) struct Member {
    term: u64,
    leads: bool,
    pub(super) hint: Option<Site>,
    /// Entries that it knows to be committed.
    pub(super) commit: usize,
    /// Where its own first entry as a leader lies.
    own_first: usize,
    open: Option<Open>,
    sealed: Vec<Sealed>,
}

/// A batch that still takes commands.
#[derive(Debug, Default)]
struct Open {
    builder: BatchBuilder,
    tickets: Vec<Option<Claim>>,
}

/// A batch in the proposer's log, not committed yet.
#[derive(Debug)]
struct Sealed {
    payload: Rc<[u8]>,
    tickets: Vec<Option<Claim>>,
}

impl Raft {
    pub(super) fn new(members: usize, now: Millis) -> Self {
        let members = (0..members).map(|_| Member::default()).collect();
        Self { log: Vec::new(), members, index_last: 0, term: 0, leader: None, majority_heard_at: now, patience_ms: 0 }
    }

    /// Whether this node takes itself for the leader, rightly or not; then in which term.
    pub(super) fn leads(&self, site: Site) -> Option<u64> {
        let member = &self.members[site.0];
        member.leads.then_some(member.term)
    }

    /// Whether its first entry as a leader is among its first `position` ones.
    pub(super) fn own_first_is_in(&self, site: Site, position: usize) -> bool {
        self.members[site.0].own_first < position
    }

    /// Whether it is the leader whose entries count.
    pub(super) fn rules(&self, site: Site) -> bool {
        self.leader == Some(site) && self.leads(site) == Some(self.term)
    }

    pub(super) const fn ruler(&self) -> Option<Site> {
        self.leader
    }

    fn append(&mut self, payload: Option<Rc<[u8]>>, tickets: Vec<Option<Claim>>) {
        self.index_last += 1;
        self.log.push(LogEntry { index: self.index_last, payload, tickets });
    }
}

impl World {
    /// Whether a majority of all members, itself included, hears this one and is heard.
    pub(super) fn has_majority(&self, site: Site) -> bool {
        let hears = |other: &Site| *other != site && self.is_awake(*other) && self.network.open_both_ways(site, *other);
        2 * (1 + self.sites().filter(hears).count()) > self.machines.len()
    }

    /// Heartbeats: who is cut off is replaced, who missed something hears of it.
    pub(super) fn beat(&mut self) {
        self.agenda.set_in(BEAT_MS, Moment::RaftBeat);
        let now = self.agenda.now();
        let ruler = self
            .raft
            .leader
            .filter(|leader| self.raft.rules(*leader) && self.is_awake(*leader) && self.has_majority(*leader));
        match ruler {
            Some(ruler) => {
                self.raft.majority_heard_at = now;
                self.commit(ruler);
                self.spread(ruler);
            }
            None if now.since(self.raft.majority_heard_at).0 >= self.raft.patience_ms => {
                self.elect(None);
            }
            None => {}
        }
        self.tell_of_terms();
    }

    /// Followers in reach learn what is committed, now or a beat later.
    fn spread(&mut self, ruler: Site) {
        let position = self.raft.log.len();
        for site in self.sites() {
            let behind = self.raft.members[site.0].commit < position;
            if behind && self.network.open_both_ways(ruler, site) && self.dice.chance(700) {
                self.give_turn(site, 0, Turn::Learn { position });
            }
        }
    }

    /// Who hears of a higher term follows it.
    fn tell_of_terms(&mut self) {
        let term = self.raft.term;
        let informed: Vec<Site> =
            self.sites().filter(|site| self.is_awake(*site) && self.raft.members[site.0].term == term).collect();
        for site in self.sites() {
            let member = &self.raft.members[site.0];
            let is_news = member.term < term || (!member.leads && member.hint.is_none());
            let late = self.is_awake(site) && is_news;
            let reached = informed.iter().any(|other| self.network.open(*other, site));
            if late && reached && self.dice.chance(500) {
                self.step_down(site);
            }
        }
    }

    fn step_down(&mut self, site: Site) {
        let (term, hint) = (self.raft.term, self.raft.leader);
        let member = &mut self.raft.members[site.0];
        let led = member.leads;
        member.term = term;
        member.hint = hint;
        member.leads = false;
        member.open = None;
        member.sealed.clear();
        if led {
            self.census.count("leader stepped down");
            self.lose_leadership(site);
        }
    }

    /// A node process is gone: what it had not sealed is lost, what it had sealed may survive in others' logs.
    pub(super) fn member_crashes(&mut self, site: Site) {
        let member = &mut self.raft.members[site.0];
        member.leads = false;
        member.hint = None;
        member.open = None;
    }

    /// A node learns what is committed and takes it in.
    pub(super) fn learn(&mut self, site: Site, position: usize) {
        let member = &mut self.raft.members[site.0];
        member.commit = member.commit.max(position);
        self.catch_up(site);
    }
}
