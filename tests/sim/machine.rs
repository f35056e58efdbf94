//! A machine: its clocks, its disk, the node process on it, and the processes that run attempts.
//!
//! A frozen node process does nothing until it thaws, while its processes and its warden go on. A killed one takes all
//! its processes with it: the warden sees to that (R17).

use std::collections::BTreeMap;

use quorla_actors::{guard::Guard, holdings::Holdings, lease::LeaseTerms};
use quorla_ledger::{
    disk::DiskLevel,
    ids::{BootId, Fence},
    units::Millis,
};

use super::{
    agenda::{Moment, Turn},
    agent::Agent,
    clock::Clock,
    invariants::Fact,
    messages::Site,
    node::Node,
    processes::Process,
    replica::{Disk, Replica},
    world::World,
};

/// Messages and turns that a frozen node finds when it thaws; its sockets hold no more.
const DEFERRED_MAX: usize = 300;

/// See the module.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) clock: Clock,
    pub(super) disk: Disk,
    pub(super) lives: u64,
    pub(super) node: Option<Node>,
    pub(super) frozen: bool,
    pub(super) deferred: Vec<Moment>,
    pub(super) processes: BTreeMap<Fence, Process>,
    /// The warden's deadline by the boot clock.
    pub(super) deadline: Option<Millis>,
    /// Everything takes several times as long.
    pub(super) slow: bool,
    /// How full its real disk is, whatever was told of it.
    pub(super) fullness: DiskLevel,
    pub(super) guard: Guard,
}

impl Machine {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            disk: Disk::default(),
            lives: 0,
            node: None,
            frozen: false,
            deferred: Vec::new(),
            processes: BTreeMap::new(),
            deadline: None,
            slow: false,
            fullness: DiskLevel::Fine,
            guard: Guard::default(),
        }
    }
}

impl World {
    pub(super) fn sites(&self) -> impl Iterator<Item = Site> + use<> {
        (0..self.machines.len()).map(Site)
    }

    /// What this machine's boot clock shows.
    pub(super) fn boot(&self, site: Site) -> Millis {
        self.machines[site.0].clock.boot(self.agenda.now())
    }

    pub(super) fn node(&self, site: Site) -> Option<&Node> {
        self.machines[site.0].node.as_ref()
    }

    /// Whether the node process runs and is not frozen.
    pub(super) fn is_awake(&self, site: Site) -> bool {
        let machine = &self.machines[site.0];
        machine.node.is_some() && !machine.frozen
    }

    /// Sets a turn of the node process as it lives now.
    pub(super) fn give_turn(&mut self, site: Site, span_ms: u64, turn: Turn) {
        if let Some(node) = self.node(site) {
            let life = node.life;
            self.agenda.set_in(span_ms, Moment::Turn { site, life, turn });
        }
    }

    /// Keeps what a frozen process would have done or read for later.
    pub(super) fn defer(&mut self, site: Site, moment: Moment) {
        let deferred = &mut self.machines[site.0].deferred;
        let is_own_turn = matches!(moment, Moment::Turn { .. });
        if is_own_turn || deferred.len() < DEFERRED_MAX {
            deferred.push(moment);
        }
    }

    /// A node process starts: hot state from the disk, sometimes with a snapshot of another replica in between.
    pub(super) fn start_node(&mut self, site: Site) {
        if self.node(site).is_some() {
            return;
        }
        let start = u128::from(self.machines[site.0].lives + 1);
        let boot = BootId((start << 64) | u128::from(self.dice.bits()));
        let at = self.boot(site);
        let (holdings, outputs) = Holdings::begin(LeaseTerms::default(), boot, at);
        let agent = Agent::new(holdings);
        let machine = &mut self.machines[site.0];
        machine.lives += 1;
        machine.deadline = None;
        machine.guard = Guard::default();
        machine.node = Some(Node::new(machine.lives, &machine.disk, agent, self.defect));
        if self.dice.chance(300) {
            self.install_snapshot(site);
        }
        let position = self.node(site).expect("it started").replica.position;
        let member = &mut self.raft.members[site.0];
        member.commit = position;
        self.do_outputs(site, outputs);
        self.give_turn(site, 0, Turn::AgentLinks);
    }

    /// The replica becomes another one's as it is now, if that is further.
    fn install_snapshot(&mut self, site: Site) {
        let position = self.node(site).map_or(0, |node| node.replica.position);
        let ahead = self.machines.iter().filter_map(|machine| machine.node.as_ref());
        let Some(from) = ahead.filter(|node| node.replica.position > position).map(|node| node.replica.disk()).next()
        else {
            return;
        };
        self.census.count("snapshot installed");
        let defect = self.defect;
        let machine = &mut self.machines[site.0];
        let node = machine.node.as_mut().expect("the caller started it");
        node.replica = Replica::from_disk(&from, defect);
        machine.disk = from;
    }

    /// The node process is killed.
    pub(super) fn kill_node(&mut self, site: Site) {
        let machine = &mut self.machines[site.0];
        if machine.node.take().is_none() {
            return;
        }
        machine.frozen = false;
        machine.deferred.clear();
        self.member_crashes(site);
        self.warden_strikes(site);
    }

    pub(super) fn freeze_node(&mut self, site: Site) {
        let machine = &mut self.machines[site.0];
        if machine.node.is_some() && !machine.frozen {
            machine.frozen = true;
        }
    }

    pub(super) fn thaw_node(&mut self, site: Site) {
        let machine = &mut self.machines[site.0];
        machine.frozen = false;
        for moment in std::mem::take(&mut machine.deferred) {
            self.agenda.set_in(0, moment);
        }
    }

    /// The agent has told its warden until when the lease lasts.
    pub(super) fn set_deadline(&mut self, site: Site, deadline: Millis) {
        let machine = &mut self.machines[site.0];
        machine.deadline = Some(deadline);
        let at = machine.clock.when_boot_is(deadline);
        self.agenda.set_at(at, Moment::WardenStrikes { site, deadline });
        self.tell(&Fact::LeaseLasts { site, until: at });
    }
}
