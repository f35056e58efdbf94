//! The leader's part of a node: a shell around the real lease table, dispatch and planner.
//!
//! Looks at its own replica, sends what the steps say, and proposes what they decide. A deposed leader runs on until it
//! hears of its successor, which is what makes R16 worth testing.

use std::collections::BTreeMap;

use quorla_actors::{
    digest::HeldDigest,
    dispatch::{Assigned, Dispatch},
    lease::{LeaseOutput, LeaseTable, LeaseTerms, Round},
    messages::{Renewal, ToAgent, ToLeader},
    planning::{Planner, Task, retention::Retention},
};
use quorla_ledger::{
    Command, Defect,
    command::EndAttempt,
    ids::{Epoch, Fence, NodeId},
    units::Millis,
};

use super::{
    agenda::{Purpose, Turn},
    invariants::Fact,
    messages::{End, Message, Site},
    node::Waiter,
    world::World,
};
use orders::{in_words, listed};

mod orders;

/// The leader looks at leases and plans this often, beside every applied entry.
const TICK_MS: u64 = 250;
/// Orders on one link before the next look.
const ORDERS_AT_ONCE_MAX: usize = 8;

/// See the module.
#[derive(Debug)]
pub(super) struct Lead {
    term: u64,
    leases: LeaseTable,
    dispatch: Dispatch,
    planner: Planner,
    links: BTreeMap<NodeId, Link>,
}

/// Where an agent is reached.
#[derive(Clone, Copy, Debug)]
struct Link {
    site: Site,
    id: u64,
    epoch: Epoch,
}

impl Lead {
    fn new(term: u64, started_at: Millis, defect: Defect) -> Self {
        Self {
            term,
            leases: LeaseTable::new(LeaseTerms::default(), started_at, defect),
            dispatch: Dispatch::new(defect),
            planner: Planner::new(Retention::default()),
            links: BTreeMap::new(),
        }
    }
}

impl World {
    /// Its own first entry is applied: from here on it watches leases and plans (R16).
    pub(super) fn maybe_take_the_lead(&mut self, site: Site) {
        let Some(term) = self.raft.leads(site) else {
            return;
        };
        let started_at = self.boot(site);
        let Some(node) = self.machines[site.0].node.as_mut() else {
            return;
        };
        if node.lead.as_ref().is_none_or(|lead| lead.term != term) {
            if !self.raft.own_first_is_in(site, node.replica.position) {
                return;
            }
            node.lead = Some(Lead::new(term, started_at, self.defect));
            let tables = node.replica.tables.clone();
            self.census.count("leader began to lead");
            self.tell(&Fact::LeaderIsReady { site, tables: &tables });
            self.give_turn(site, TICK_MS, Turn::LeaderTicks);
        }
        self.lead_on(site);
    }

    pub(super) fn leader_ticks(&mut self, site: Site) {
        if self.node(site).is_some_and(|node| node.lead.is_some()) {
            self.give_turn(site, TICK_MS, Turn::LeaderTicks);
            self.lead_on(site);
        }
    }

    /// Everything that a leader does when it looks at its ledger.
    fn lead_on(&mut self, site: Site) {
        let (boot, now) = (self.boot(site), self.ledger_time());
        let Some(node) = self.machines[site.0].node.as_mut() else {
            return;
        };
        let Some(lead) = node.lead.as_mut() else {
            return;
        };
        let ledger = &node.replica.ledger;
        let nodes = ledger.nodes().map(|node| (node.record().id, node.record().epoch, node.record().up));
        lead.leases.observe(nodes, boot);
        let lapses = lead.leases.tick(boot);
        let mut proposals = lead.planner.plan(ledger, now);
        while lead.planner.goes_on() {
            proposals.extend(lead.planner.plan(ledger, now));
        }
        self.do_lease_outputs(site, lapses);
        for proposal in proposals {
            if proposal.task == Task::StopDrained {
                self.census.count("drained node cleared");
            }
            let proposed = self.propose(site, &proposal.command, Waiter::Planner(proposal.task));
            assert!(proposed.is_ok(), "a node has a leader's part only while it leads");
        }
        self.begin_lease_round(site);
        self.settle_links(site);
    }

    pub(super) fn plan_settled(&mut self, site: Site, task: Task) {
        if let Some(lead) = self.lead_mut(site) {
            lead.planner.settled(task);
        }
    }

    /// An agent speaks.
    pub(super) fn leader_hears(&mut self, site: Site, from: Site, link: u64, words: ToLeader) {
        if self.lead_mut(site).is_none() {
            return self.tell_agent(site, from, link, ToAgent::NotLeader);
        }
        match words {
            ToLeader::Renew(renewal) => self.leader_hears_renewal(site, from, link, &renewal),
            ToLeader::Report(report) => self.leader_hears_report(site, from, link, *report),
            ToLeader::Fetch { epoch, fences } => {
                let lead = self.lead_mut(site).expect("looked above");
                let node = lead.links.iter().find(|(_, known)| known.id == link).map(|(node, _)| *node);
                if let Some(node) = node {
                    lead.dispatch.fetched(node, epoch, &fences);
                }
                self.settle_links(site);
            }
        }
    }

    fn leader_hears_renewal(&mut self, site: Site, from: Site, link: u64, renewal: &Renewal) {
        let boot = self.boot(site);
        let node = self.machines[site.0].node.as_mut().expect("it hears");
        let lead = node.lead.as_mut().expect("the caller looked");
        let known = lead.links.get(&renewal.node);
        let newer = known.is_none_or(|known| known.id < link || known.epoch < renewal.epoch);
        if newer {
            lead.links.insert(renewal.node, Link { site: from, id: link, epoch: renewal.epoch });
            lead.dispatch.link_opened(renewal.node, renewal.epoch);
        }
        let desired = HeldDigest::of(
            listed(&node.replica.ledger, renewal.node).iter().map(|listed| (listed.fence, listed.stop.is_some())),
        );
        let outputs = lead.leases.renewal(renewal, desired, boot);
        self.do_lease_outputs(site, outputs);
        self.begin_lease_round(site);
        self.settle_links(site);
    }

    fn leader_hears_report(&mut self, site: Site, from: Site, link: u64, report: EndAttempt) {
        let waiter = Waiter::Reporter { site: from, link, fence: report.fence };
        if self.propose(site, &Command::EndAttempt(report), waiter).is_err() {
            self.tell_agent(site, from, link, ToAgent::NotLeader);
        }
    }

    pub(super) fn tell_recorded(&mut self, site: Site, to: Site, link: u64, fence: Fence) {
        let as_of = self.node(site).expect("it just applied").replica.ledger.meta().index;
        self.tell_agent(site, to, link, ToAgent::Recorded { fence, as_of });
    }

    fn do_lease_outputs(&mut self, site: Site, outputs: Vec<LeaseOutput>) {
        for output in outputs {
            match output {
                LeaseOutput::Acknowledge { node, epoch, sequence } => {
                    self.census.count("renewal acknowledged");
                    self.tell_node(site, node, ToAgent::Acknowledged { epoch, sequence });
                }
                LeaseOutput::SendDesired { node } => {
                    if let Some(lead) = self.lead_mut(site) {
                        lead.dispatch.full_set_wanted(node);
                    }
                }
                LeaseOutput::EpochIsOver { node, epoch } => {
                    self.tell_node(site, node, ToAgent::EpochIsOver { epoch });
                }
                LeaseOutput::Lapse { node, epoch } => {
                    self.census.count("lapse proposed");
                    let lapse = Command::LapseNode { node, epoch };
                    let proposed = self.propose(site, &lapse, Waiter::Nobody);
                    assert!(proposed.is_ok(), "a node has a leader's part only while it leads");
                }
            }
        }
    }

    fn begin_lease_round(&mut self, site: Site) {
        if let Some(round) = self.lead_mut(site).and_then(|lead| lead.leases.begin_round()) {
            self.begin_quorum_round(site, Purpose::Leases(round));
        }
    }

    pub(super) fn lease_round_answered(&mut self, site: Site, term: u64, round: Round, met: bool) {
        let Some(lead) = self.lead_mut(site).filter(|lead| lead.term == term) else {
            return;
        };
        let outputs = if met {
            lead.leases.round_completed(round)
        } else {
            lead.leases.round_failed(round);
            Vec::new()
        };
        self.do_lease_outputs(site, outputs);
        self.begin_lease_round(site);
    }

    /// Sends each agent what is new to it.
    fn settle_links(&mut self, site: Site) {
        let Some(node) = self.machines[site.0].node.as_mut() else {
            return;
        };
        let Some(lead) = node.lead.as_mut() else {
            return;
        };
        let ledger = &node.replica.ledger;
        let mut orders = Vec::new();
        for (node_id, link) in &lead.links {
            let Some(view) = ledger.node(*node_id).filter(|view| view.record().up) else {
                continue;
            };
            let attempts = listed(ledger, *node_id);
            let assigned = Assigned { epoch: view.record().epoch, as_of: ledger.meta().index, attempts: &attempts };
            for dispatched in lead.dispatch.settle(*node_id, assigned, ORDERS_AT_ONCE_MAX) {
                let words = in_words(dispatched, &node.replica.tables);
                orders.extend(words.map(|words| (*link, words)));
            }
        }
        for (link, words) in orders {
            self.tell_agent(site, link.site, link.id, words);
        }
    }

    fn tell_node(&mut self, site: Site, node: NodeId, words: ToAgent) {
        let link = self.lead_mut(site).and_then(|lead| lead.links.get(&node).copied());
        if let Some(link) = link {
            self.tell_agent(site, link.site, link.id, words);
        }
    }

    fn tell_agent(&mut self, site: Site, to: Site, link: u64, words: ToAgent) {
        let message = Message::ToAgent { link, words: Box::new(words) };
        self.send(End::Site(site), End::Site(to), message);
    }

    fn lead_mut(&mut self, site: Site) -> Option<&mut Lead> {
        self.machines[site.0].node.as_mut()?.lead.as_mut()
    }
}
