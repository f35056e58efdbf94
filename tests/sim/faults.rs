//! What goes wrong: one fault after another, each with its end, until the calm.

use quorla_ledger::{disk::DiskLevel, units::Millis};

use super::{
    agenda::{BEGINNING, Moment},
    callers::wishes::UNDRAIN_AFTER_MS,
    invariants::Fact,
    messages::{Caller, Site},
    network::Weather,
    world::World,
};

/// How long things go wrong.
pub(super) const FAULTS_LAST: Millis = Millis(45_000);
const HOUR_MS: u64 = 3_600_000;

/// The end of a fault.
#[derive(Clone, Copy, Debug)]
pub(super) enum Relief {
    Restart(Site),
    Thaw(Site),
    Mend(u64),
    SetClock(Site),
    HurryUp(Site),
    FreeDisk(Site),
    Clear,
}

impl World {
    /// Something goes wrong, and the next thing is set.
    pub(super) fn fault(&mut self) {
        if self.calm_since.is_some() {
            return;
        }
        let site = Site(self.dice.index(self.machines.len()));
        let ruler = self.raft.ruler().filter(|_| self.dice.chance(300)).unwrap_or(site);
        match self.dice.between(0, 99) {
            0..=19 => self.crash(ruler),
            20..=37 => self.freeze(ruler),
            38..=52 => self.partition(ruler),
            53..=57 => self.isolate_leader(),
            58..=71 => self.depose(),
            72..=79 => self.set_wall_clock(site),
            80..=85 => self.slow_down(site),
            86..=90 => self.fill_disk(ruler),
            _ => self.bad_weather(),
        }
        let span_ms = self.dice.between(200, self.fault_pause_ms);
        self.agenda.set_in(span_ms, Moment::Fault);
    }

    fn strike(&mut self, what: &'static str, site: Site) {
        self.census.count(what);
        self.tell(&Fact::WentWrong { what, site });
    }

    fn crash(&mut self, site: Site) {
        self.strike("node killed", site);
        self.kill_node(site);
        let span_ms = self.drawn_span(200, 3_000, 20_000);
        self.agenda.set_in(span_ms, Moment::Relief(Relief::Restart(site)));
    }

    fn freeze(&mut self, site: Site) {
        self.strike("node frozen", site);
        self.freeze_node(site);
        let span_ms = self.drawn_span(200, 4_000, 25_000);
        self.agenda.set_in(span_ms, Moment::Relief(Relief::Thaw(site)));
    }

    /// One side is cut from the other, both ways or one way.
    fn partition(&mut self, first: Site) {
        let one_way = self.dice.chance(350);
        let members: Vec<Site> = self.sites().collect();
        let side: Vec<Site> = members.iter().copied().filter(|site| *site == first || self.dice.chance(250)).collect();
        let outward = self.dice.chance(500);
        let mut ways = Vec::new();
        for one in &side {
            for other in members.iter().filter(|site| !side.contains(site)) {
                if outward || !one_way {
                    ways.push((*one, *other));
                }
                if !outward || !one_way {
                    ways.push((*other, *one));
                }
            }
        }
        self.strike(if one_way { "one-way partition" } else { "partition" }, first);
        let name = self.draw_ticket().0;
        self.network.cut(name, ways);
        let span_ms = self.drawn_span(200, 4_000, 25_000);
        self.agenda.set_in(span_ms, Moment::Relief(Relief::Mend(name)));
    }

    /// The leader is alone for longer than its successor waits, and its own agent believes it.
    fn isolate_leader(&mut self) {
        let Some(ruler) = self.raft.ruler() else { return };
        self.strike("leader isolated", ruler);
        let others: Vec<Site> = self.sites().filter(|site| *site != ruler).collect();
        let ways = others.iter().flat_map(|other| [(ruler, *other), (*other, ruler)]).collect();
        let name = self.draw_ticket().0;
        self.network.cut(name, ways);
        let span_ms = self.dice.between(14_000, 30_000);
        self.agenda.set_in(span_ms, Moment::Relief(Relief::Mend(name)));
    }

    /// Another node is elected while the leader is well.
    fn depose(&mut self) {
        let ruler = self.raft.ruler();
        self.strike("leader deposed", ruler.unwrap_or(Site(0)));
        self.elect(ruler);
    }

    /// Only a minority of the clocks is wrong at a time: the median is what holds (R7).
    fn set_wall_clock(&mut self, site: Site) {
        let wrong = self.machines.iter().filter(|machine| machine.clock.has_jumped()).count();
        if 2 * (wrong + 1) >= self.machines.len() {
            return;
        }
        self.strike("wall clock jumped", site);
        let ms = self.dice.around_zero(HOUR_MS);
        self.machines[site.0].clock.jump(ms);
        let span_ms = self.dice.between(1_000, 20_000);
        self.agenda.set_in(span_ms, Moment::Relief(Relief::SetClock(site)));
    }

    fn slow_down(&mut self, site: Site) {
        self.strike("executor slowed down", site);
        self.machines[site.0].slow = true;
        let span_ms = self.dice.between(1_000, 15_000);
        self.agenda.set_in(span_ms, Moment::Relief(Relief::HurryUp(site)));
    }

    fn fill_disk(&mut self, site: Site) {
        self.strike("disk filled", site);
        let critical = self.dice.chance(400);
        self.machines[site.0].fullness = if critical { DiskLevel::Critical } else { DiskLevel::Low };
        let span_ms = self.drawn_span(1_000, 6_000, 25_000);
        self.agenda.set_in(span_ms, Moment::Relief(Relief::FreeDisk(site)));
    }

    fn bad_weather(&mut self) {
        self.census.count("bad weather");
        self.network.weather = Weather {
            lost_permille: self.dice.between(0, 250),
            repeated_permille: self.dice.between(0, 100),
            late_permille: self.dice.between(0, 250),
            stray_permille: self.dice.between(0, 30),
        };
        let span_ms = self.dice.between(1_000, 15_000);
        self.agenda.set_in(span_ms, Moment::Relief(Relief::Clear));
    }

    /// Mostly short, sometimes longer than a lease.
    fn drawn_span(&mut self, low: u64, usual: u64, high: u64) -> u64 {
        if self.dice.chance(350) { self.dice.between(usual, high) } else { self.dice.between(low, usual) }
    }

    pub(super) fn relieve(&mut self, relief: Relief) {
        self.tell(&Fact::IsWellAgain(relief));
        match relief {
            Relief::Restart(site) => self.start_node(site),
            Relief::Thaw(site) => self.thaw_node(site),
            Relief::Mend(name) => self.network.mend(name),
            Relief::SetClock(site) => self.machines[site.0].clock.jump(0),
            Relief::HurryUp(site) => self.machines[site.0].slow = false,
            Relief::FreeDisk(site) => self.machines[site.0].fullness = DiskLevel::Fine,
            Relief::Clear => self.network.weather = self.usual_weather(),
        }
    }

    /// A network is never perfect, until the calm.
    pub(super) fn usual_weather(&self) -> Weather {
        if self.calm_since.is_some() {
            return Weather::default();
        }
        Weather { lost_permille: 10, repeated_permille: 10, late_permille: 20, stray_permille: 2 }
    }

    /// Everything works from now on.
    pub(super) fn calm_down(&mut self) {
        assert_eq!(self.agenda.now(), BEGINNING.after(FAULTS_LAST), "the calm comes when it was set");
        self.calm_since = Some(self.agenda.now());
        self.tell(&Fact::CalmBegins { at: self.agenda.now() });
        self.network.mend_all();
        for site in self.sites() {
            let reliefs = [Relief::Restart, Relief::Thaw, Relief::SetClock, Relief::HurryUp, Relief::FreeDisk];
            reliefs.into_iter().for_each(|relief| self.relieve(relief(site)));
        }
        for caller in 0..self.callers.len() {
            self.agenda.set_in(UNDRAIN_AFTER_MS, Moment::CallerActs(Caller(caller)));
        }
    }
}
