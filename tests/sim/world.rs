//! The whole simulated world and the loop that runs it: one thread, one seed, virtual time.
//!
//! Two phases: things go wrong while clients work; then nothing goes wrong any more, and within a stated virtual time
//! every job must have ended, every replica be equal and every agent be at rest.

use quorla_ledger::{Defect, units::Millis};

use super::{
    agenda::{Agenda, BEGINNING, Moment},
    callers::{Program, wishes::Wishes},
    census::Census,
    clock::Clock,
    dice::Dice,
    faults::FAULTS_LAST,
    invariants::{Bench, Fact, Violation},
    machine::Machine,
    messages::{Caller, End, Envelope, Message, Site},
    network::Network,
    raft::Raft,
    trace::Trace,
};

/// After the last fault everything must have ended within this time.
const CALM_LASTS_AT_MOST: Millis = Millis(240_000);
const LOOK_EVERY_MS: u64 = 1_000;

/// See the module.
#[derive(Debug)]
pub(super) struct World {
    pub(super) defect: Defect,
    pub(super) dice: Dice,
    pub(super) agenda: Agenda,
    pub(super) network: Network,
    pub(super) raft: Raft,
    pub(super) machines: Vec<Machine>,
    pub(super) callers: Vec<Program>,
    pub(super) census: Census,
    pub(super) trace: Trace,
    pub(super) calm_since: Option<Millis>,
    pub(super) fault_pause_ms: u64,
    pub(super) tickets_drawn: u64,
    bench: Bench,
    violation: Option<Violation>,
    /// Whether the story is told while it happens.
    aloud: bool,
}

/// How a run went.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) violation: Option<Violation>,
    pub(super) trace: u64,
    pub(super) census: Census,
}

/// Runs one seed.
pub(super) fn run(seed: u64, defect: Defect) -> Run {
    run_world(World::drawn(seed, defect))
}

/// Runs one seed and prints what happens.
pub(super) fn run_aloud(seed: u64) -> Run {
    run_world(World { aloud: true, ..World::drawn(seed, Defect::None) })
}

fn run_world(mut world: World) -> Run {
    world.begin();
    while world.violation.is_none() && !world.is_over() {
        let (set, moment) = world.agenda.next().expect("the group's heartbeat never ends");
        world.trace.mix(world.agenda.now().0);
        world.trace.mix(set);
        world.let_happen(moment);
    }
    world.close();
    Run { violation: world.violation, trace: world.trace.hash(), census: world.census }
}

impl World {
    fn drawn(seed: u64, defect: Defect) -> Self {
        let mut dice = Dice::new(seed);
        let size = [3, 3, 3, 5, 5, 7][dice.index(6)];
        let machines: Vec<Machine> = (0..size).map(|_| Machine::new(Clock::drawn(&mut dice, BEGINNING))).collect();
        let callers = (0..4).map(|number| {
            let wishes = Wishes::new(dice.between(3, 12), dice.between(0, 13));
            Program::new(Caller(number), wishes, Site(dice.index(size)))
        });
        let callers = callers.collect();
        let fault_pause_ms = dice.between(800, 6_000);
        Self {
            defect,
            dice,
            agenda: Agenda::new(),
            network: Network::default(),
            raft: Raft::new(size, BEGINNING),
            machines,
            callers,
            census: Census::default(),
            trace: Trace::default(),
            calm_since: None,
            fault_pause_ms,
            tickets_drawn: 0,
            bench: Bench::new(defect),
            violation: None,
            aloud: false,
        }
    }

    fn begin(&mut self) {
        self.network.weather = self.usual_weather();
        self.sites().for_each(|site| self.start_node(site));
        self.agenda.set_in(0, Moment::RaftBeat);
        for caller in 0..self.callers.len() {
            let span_ms = self.dice.between(200, 4_000);
            self.agenda.set_in(span_ms, Moment::CallerActs(Caller(caller)));
        }
        self.agenda.set_in(2_000, Moment::Fault);
        self.agenda.set_in(FAULTS_LAST.0, Moment::Calm);
        self.agenda.set_in(LOOK_EVERY_MS, Moment::Look);
    }

    fn let_happen(&mut self, moment: Moment) {
        match moment {
            Moment::Arrival(Envelope { to: End::Site(site), .. }) | Moment::Turn { site, .. }
                if self.machines[site.0].frozen =>
            {
                self.defer(site, moment);
            }
            Moment::Arrival(envelope) => self.arrive(envelope),
            Moment::Turn { site, life, turn } => {
                if self.node(site).is_some_and(|node| node.life == life) {
                    self.take_turn(site, turn);
                }
            }
            Moment::ProcessEnds { site, fence, exit } => self.process_ends(site, fence, exit),
            Moment::WardenStrikes { site, deadline } => {
                if self.machines[site.0].deadline == Some(deadline) {
                    self.warden_strikes(site);
                }
            }
            Moment::RaftBeat => self.beat(),
            Moment::RoundMeetsQuorum { site, life, term, purpose } => {
                self.round_meets_quorum(site, life, term, purpose);
            }
            Moment::CallerActs(caller) => self.caller_acts(caller),
            Moment::TryTimesOut { caller, call } => self.try_times_out(caller, call),
            Moment::Fault => self.fault(),
            Moment::Relief(relief) => self.relieve(relief),
            Moment::Calm => self.calm_down(),
            Moment::Look => self.look(),
        }
    }

    fn arrive(&mut self, envelope: Envelope) {
        let Envelope { from, to, message } = envelope;
        match (to, message) {
            (End::Caller(caller), Message::Answer { call, answer }) => self.caller_hears(caller, call, answer),
            (End::Site(site), message) if self.node(site).is_some() => self.hear(site, from, message),
            (End::Site(_), _) => self.census.count("message found nobody"),
            (End::Caller(_), message) => panic!("clients hear answers only: {message:?}"),
        }
    }

    fn hear(&mut self, site: Site, from: End, message: Message) {
        match (from, message) {
            (_, Message::Ask { caller, call, request, forwarded }) => {
                self.hear_request(site, caller, call, request, forwarded);
            }
            (End::Site(from), Message::ToLeader { link, words }) => self.leader_hears(site, from, link, *words),
            (End::Site(_), Message::ToAgent { link, words }) => self.agent_hears(site, link, *words),
            (End::Site(from), Message::Register(registration)) => self.hear_registration(site, from, *registration),
            (End::Site(_), Message::Guard(command)) => self.hear_of_disk(site, &command),
            (End::Site(_), Message::Registered { boot, reply }) => self.agent_is_registered(site, boot, &reply),
            (from, message) => panic!("{from:?} does not say {message:?} to a node"),
        }
    }

    /// Somebody looks at a replica: it must be what its tables say, and explain every job.
    fn look(&mut self) {
        self.agenda.set_in(LOOK_EVERY_MS, Moment::Look);
        let site = Site(self.dice.index(self.machines.len()));
        let thoroughly = self.dice.chance(250);
        self.show(site, thoroughly);
        let calm_ends = self.calm_since.map(|calm| calm.after(CALM_LASTS_AT_MOST));
        if calm_ends.is_some_and(|end| self.agenda.now() > end) {
            let unfinished = self.unfinished();
            self.tell(&Fact::TimeIsUp { unfinished: &unfinished });
        }
    }

    fn show(&mut self, site: Site, thoroughly: bool) {
        let Some(node) = self.machines[site.0].node.take() else {
            return;
        };
        self.tell(&Fact::Looked { site, replica: &node.replica, thoroughly });
        self.machines[site.0].node = Some(node);
    }

    /// Whether the calm has come and everything has been done.
    fn is_over(&self) -> bool {
        self.calm_since.is_some() && self.unfinished().is_empty()
    }

    /// What is still to be done, in words.
    fn unfinished(&self) -> String {
        let callers = self.callers.iter().filter(|caller| !caller.is_done()).count();
        if callers > 0 {
            return format!("{callers} clients are not done");
        }
        for machine in &self.machines {
            let Some(node) = &machine.node else {
                return "a node is down".to_owned();
            };
            if node.replica.position < self.raft.log.len() {
                return "a replica lags".to_owned();
            }
            if node.replica.ledger.live_arrays() > 0 {
                return format!("{} arrays have not ended", node.replica.ledger.live_arrays());
            }
            if node.replica.ledger.live_jobs() > 0 {
                return format!("{} jobs have not ended", node.replica.ledger.live_jobs());
            }
            if !node.agent.is_at_rest() {
                return format!("an agent is not at rest: {:?}", node.agent);
            }
        }
        String::new()
    }

    /// The last look at all replicas.
    fn close(&mut self) {
        for site in self.sites() {
            self.show(site, true);
        }
        let Some(node) = self.machines[0].node.take() else {
            return;
        };
        self.tell(&Fact::ItIsOver { tables: &node.replica.tables });
    }

    /// Tells every invariant; the first that is broken ends the run.
    pub(super) fn tell(&mut self, fact: &Fact<'_>) {
        if self.violation.is_none() {
            let since_ms = self.agenda.now().since(BEGINNING).0;
            self.violation = self.bench.hear(fact).err();
            if self.aloud
                && let Some(words) = fact.in_words()
            {
                println!("{since_ms:>7} ms  {words}");
            }
        }
    }
}
