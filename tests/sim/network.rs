//! The network between nodes and clients: it loses, repeats, delays and overtakes, and parts of it are cut, also one way.
//!
//! Owns which way is open and how long a message takes. Transports repeat nothing that a client sent: a request reaches a
//! node once or never, so only words between nodes are duplicated.

use std::collections::BTreeMap;

use super::{
    agenda::Moment,
    messages::{End, Envelope, Message, Site},
    world::World,
};

/// How the network behaves.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Weather {
    pub(super) lost_permille: u64,
    pub(super) repeated_permille: u64,
    /// Late by up to seconds, so that others overtake it.
    pub(super) late_permille: u64,
    /// Late by more than a lease.
    pub(super) stray_permille: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Network {
    pub(super) weather: Weather,
    cuts: BTreeMap<u64, Vec<(Site, Site)>>,
}

impl Network {
    /// Whether words get from one site to the other.
    pub(super) fn open(&self, from: Site, to: Site) -> bool {
        from == to || !self.cuts.values().flatten().any(|cut| *cut == (from, to))
    }

    pub(super) fn open_both_ways(&self, one: Site, other: Site) -> bool {
        self.open(one, other) && self.open(other, one)
    }

    pub(super) fn cut(&mut self, name: u64, ways: Vec<(Site, Site)>) {
        self.cuts.insert(name, ways);
    }

    pub(super) fn mend(&mut self, name: u64) {
        self.cuts.remove(&name);
    }

    pub(super) fn mend_all(&mut self) {
        self.cuts.clear();
        self.weather = Weather::default();
    }
}

impl World {
    /// Sends a message; it may never arrive.
    pub(super) fn send(&mut self, from: End, to: End, message: Message) {
        let envelope = Envelope { from, to, message };
        if from == to {
            self.agenda.set_in(0, Moment::Arrival(envelope));
            return;
        }
        let weather = self.network.weather;
        if !self.is_open(from, to) {
            return self.census.count("message met a cut");
        }
        if self.dice.chance(weather.lost_permille) {
            return self.census.count("message lost");
        }
        if is_between_nodes(&envelope) && self.dice.chance(weather.repeated_permille) {
            self.census.count("message repeated");
            let span_ms = self.dice.between(1, 5_000);
            self.agenda.set_in(span_ms, Moment::Arrival(envelope.clone()));
        }
        let span_ms = self.travel_ms(weather, is_between_nodes(&envelope));
        self.agenda.set_in(span_ms, Moment::Arrival(envelope));
    }

    fn travel_ms(&mut self, weather: Weather, may_stray: bool) -> u64 {
        if may_stray && self.dice.chance(weather.stray_permille) {
            self.census.count("message strayed");
            return self.dice.between(5_000, 30_000);
        }
        if self.dice.chance(weather.late_permille) {
            self.census.count("message late");
            return self.dice.between(20, 2_000);
        }
        self.dice.between(1, 6)
    }

    fn is_open(&self, from: End, to: End) -> bool {
        match (from, to) {
            (End::Site(from), End::Site(to)) => self.network.open(from, to),
            _ => true,
        }
    }
}

const fn is_between_nodes(envelope: &Envelope) -> bool {
    !matches!(envelope.message, Message::Ask { .. } | Message::Answer { .. })
}
