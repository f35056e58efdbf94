//! The agent of a node: a shell around the real holdings.
//!
//! Owns the link to a leader and what each attempt is to run. Decides nothing: the pure step says what is spawned, killed
//! and reported.

use std::collections::BTreeMap;

use quorla_actors::{
    holdings::{Holdings, Output},
    messages::{Start, ToAgent, ToLeader},
};
use quorla_ledger::{
    Command, Refusal, Reply,
    command::{COMMAND_VERSION, RegisterNode},
    ids::{BootId, Fence, NodeKey},
    outcome::AttemptEnd,
    units::Millis,
};

use super::{
    agenda::{Moment, Turn},
    messages::{End, Message, Site},
    node::Waiter,
    processes::tails,
    workload,
    world::World,
};

/// The agent looks this often whether it speaks to the right node.
const LINK_PAUSE_MS: u64 = 300;
/// A leader that says nothing for so long is given up.
const SILENCE_MAX: Millis = Millis(5_000);

/// See the module.
#[derive(Debug)]
pub(super) struct Agent {
    holdings: Holdings,
    works: BTreeMap<Fence, Start>,
    link: Option<Link>,
    /// The boot time of the next timer that is set.
    wakes_at: Option<Millis>,
}

#[derive(Clone, Copy, Debug)]
struct Link {
    leader: Site,
    id: u64,
    heard_at: Millis,
}

impl Agent {
    pub(super) const fn new(holdings: Holdings) -> Self {
        Self { holdings, works: BTreeMap::new(), link: None, wakes_at: None }
    }

    /// Whether nothing runs and every end is recorded.
    pub(super) fn is_at_rest(&self) -> bool {
        self.holdings.is_empty() && self.holdings.tenure().is_some()
    }
}

impl World {
    pub(super) fn agent_wakes(&mut self, site: Site) {
        let boot = self.boot(site);
        let agent = self.agent_mut(site);
        if agent.wakes_at.is_some_and(|at| at <= boot) {
            agent.wakes_at = None;
        }
        let outputs = agent.holdings.tick(boot);
        self.do_outputs(site, outputs);
    }

    /// Opens a link to whoever is said to lead, if the present one is no good.
    pub(super) fn agent_links(&mut self, site: Site) {
        self.give_turn(site, LINK_PAUSE_MS, Turn::AgentLinks);
        self.agent_guards(site);
        let boot = self.boot(site);
        let leader = self.leader_known_to(site);
        let agent = self.agent_mut(site);
        let is_good = |link: &Link| Some(link.leader) == leader && boot.since(link.heard_at) < SILENCE_MAX;
        if agent.link.as_ref().is_some_and(is_good) || agent.holdings.tenure().is_none() {
            return;
        }
        let Some(leader) = leader else { return };
        let id = self.draw_ticket().0;
        self.census.count("link opened");
        let agent = self.agent_mut(site);
        agent.link = Some(Link { leader, id, heard_at: boot });
        let outputs = agent.holdings.link_opened(boot);
        self.do_outputs(site, outputs);
    }

    /// A leader, or one that takes itself for it, speaks.
    pub(super) fn agent_hears(&mut self, site: Site, link: u64, words: ToAgent) {
        let boot = self.boot(site);
        let agent = self.agent_mut(site);
        let current = agent.link.as_mut().filter(|current| current.id == link);
        if let Some(current) = current {
            current.heard_at = boot;
            if words == ToAgent::NotLeader {
                agent.link = None;
            }
        }
        let holdings = &mut agent.holdings;
        let outputs = match words {
            ToAgent::Acknowledged { epoch, sequence } => {
                holdings.acknowledged(epoch, sequence, boot).into_iter().collect()
            }
            ToAgent::EpochIsOver { epoch } => holdings.epoch_is_over(epoch, boot),
            ToAgent::Start(start) => {
                let order = start.order;
                agent.works.entry(order.fence).or_insert(*start);
                agent.holdings.start(order, boot).into_iter().collect()
            }
            ToAgent::Stop(stop) => holdings.stop(&stop, boot).into_iter().collect(),
            ToAgent::Desired(desired) => holdings.desired(&desired, boot),
            ToAgent::Recorded { fence, as_of } => {
                holdings.recorded(fence, as_of);
                Vec::new()
            }
            ToAgent::NotLeader => Vec::new(),
        };
        self.do_outputs(site, outputs);
    }

    pub(super) fn agent_hears_of_exit(&mut self, site: Site, fence: Fence, end: AttemptEnd) {
        let boot = self.boot(site);
        let outputs = self.agent_mut(site).holdings.exited(fence, end, tails(fence), boot);
        self.do_outputs(site, outputs);
    }

    /// The ledger answered a registration.
    pub(super) fn agent_is_registered(&mut self, site: Site, boot_id: BootId, reply: &Reply) {
        let boot = self.boot(site);
        let latest = self.latest_boot_known_to(site).unwrap_or(BootId(0));
        let holdings = &mut self.agent_mut(site).holdings;
        let outputs = match reply {
            Reply::NodeRegistered { node, epoch } => holdings.registered(boot_id, *node, *epoch, boot),
            Reply::Refused(Refusal::EpochIsStale) => holdings.registration_is_stale(boot_id, latest, boot),
            other => panic!("a registration has these answers only: {other:?}"),
        };
        self.do_outputs(site, outputs);
    }

    pub(super) fn do_outputs(&mut self, site: Site, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Register { boot } => self.register(site, boot),
                Output::SendRenewal(renewal) => self.tell_leader(site, ToLeader::Renew(renewal)),
                Output::LeaseUntil(until) => self.set_deadline(site, until),
                Output::Spawn(order) => {
                    let start = self.agent_mut(site).works.get(&order.fence).cloned();
                    let start = start.expect("a start brought its work along");
                    self.spawn(site, &start);
                }
                Output::Kill { fence, how } => self.signal(site, fence, how),
                Output::Report(report) => self.tell_leader(site, ToLeader::Report(report)),
                Output::Fetch { epoch, fences } => self.tell_leader(site, ToLeader::Fetch { epoch, fences }),
            }
        }
        self.set_alarm(site);
    }

    /// Sets the timer that the pure step asks for, if none is set that comes as early.
    fn set_alarm(&mut self, site: Site) {
        let agent = self.agent_mut(site);
        let Some(at) = agent.holdings.wakes_at() else {
            return;
        };
        if agent.wakes_at.is_some_and(|set| set <= at) {
            return;
        }
        agent.wakes_at = Some(at);
        let machine = &self.machines[site.0];
        let life = machine.node.as_ref().expect("its agent just acted").life;
        let at = machine.clock.when_boot_is(at);
        self.agenda.set_at(at, Moment::Turn { site, life, turn: Turn::AgentWakes });
    }

    fn register(&mut self, site: Site, boot: BootId) {
        let registration = RegisterNode {
            key: key_of(site),
            name: format!("node-{}", site.0),
            capacity: workload::CAPACITY,
            labels: workload::labels_of(site),
            boot,
            command_version: COMMAND_VERSION,
        };
        let Some(leader) = self.leader_known_to(site) else {
            return;
        };
        let message = Message::Register(Box::new(registration));
        self.send(End::Site(site), End::Site(leader), message);
    }

    /// A node asks this one for an epoch.
    pub(super) fn hear_registration(&mut self, site: Site, from: Site, registration: RegisterNode) {
        let boot = registration.boot;
        let waiter = Waiter::Registrant { site: from, boot };
        if self.propose(site, &Command::RegisterNode(registration), waiter).is_err() {
            self.census.count("registration met no leader");
        }
    }

    /// Tells whoever leads how full the disk is, where the node's own replica does not say so.
    fn agent_guards(&mut self, site: Site) {
        let (boot, leader) = (self.boot(site), self.leader_known_to(site));
        let machine = &mut self.machines[site.0];
        let node = machine.node.as_ref().expect("only a live node's agent acts");
        let recorded = || {
            let known = node.replica.ledger.node_by_key(&key_of(site))?;
            Some((known.record().epoch, known.record().disk))
        };
        let command = machine.guard.look(node.agent.holdings.tenure(), machine.fullness, boot, recorded);
        if let (Some(command), Some(leader)) = (command, leader) {
            self.send(End::Site(site), End::Site(leader), Message::Guard(Box::new(command)));
        }
    }

    /// A node tells this one how full its disk is.
    pub(super) fn hear_of_disk(&mut self, site: Site, command: &Command) {
        if self.propose(site, command, Waiter::Nobody).is_err() {
            self.census.count("word of a disk met no leader");
        }
    }

    fn tell_leader(&mut self, site: Site, words: ToLeader) {
        if let Some(link) = self.agent_mut(site).link {
            let message = Message::ToLeader { link: link.id, words: Box::new(words) };
            self.send(End::Site(site), End::Site(link.leader), message);
        }
    }

    pub(super) fn leader_known_to(&self, site: Site) -> Option<Site> {
        if self.raft.leads(site).is_some() { Some(site) } else { self.raft.members[site.0].hint }
    }

    fn latest_boot_known_to(&self, site: Site) -> Option<BootId> {
        let ledger = &self.node(site)?.replica.ledger;
        ledger.node_by_key(&key_of(site)).map(|node| node.record().boot)
    }

    fn agent_mut(&mut self, site: Site) -> &mut Agent {
        let node = self.machines[site.0].node.as_mut().expect("only a live node's agent acts");
        &mut node.agent
    }
}

/// The key of the node on a machine; it outlives every process there.
pub(super) fn key_of(site: Site) -> NodeKey {
    let number = u8::try_from(site.0).expect("few machines");
    NodeKey([number; 32])
}
