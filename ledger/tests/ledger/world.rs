//! One replica with its tables. After every entry the hot state must equal a rebuild, and the events must be dense.

use quorla_ledger::{
    Applied, Entry, Ledger, Records, Tables,
    batch::{Batch, BatchBuilder},
    codec,
    command::{Command, DrainNode, DrainOrder, EndAttempt, Request, Submit},
    defect::Defect,
    event::{Event, EventPage},
    ids::{Epoch, Fence, JobId, NodeId},
    memory::MemoryTables,
    outcome::{Exit, Tails},
    record::{JobRecord, JobState, MetaRecord, Stored},
    reply::{Refusal, Reply},
    spec::{JobSpec, Resources},
    tables::{self, META, Table},
    units::Millis,
};
use serde::de::DeserializeOwned;

use crate::build::{ALICE, drain, ended, registration, slots};

/// Ledger time at which every test begins.
pub(crate) const DAWN: u64 = 1_700_000_000_000;

pub(crate) struct World {
    pub(crate) ledger: Ledger,
    pub(crate) tables: MemoryTables,
    pub(crate) now: u64,
    pub(crate) index: u64,
    drawn: u128,
    boots: u128,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Defect::None)
    }

    pub(crate) fn with(defect: Defect) -> Self {
        let tables = MemoryTables::default();
        Self { ledger: Ledger::founding(defect), tables, now: DAWN, index: 1, drawn: 0, boots: 0 }
    }

    /// A world with one node of so many slots.
    pub(crate) fn with_node(count: u32) -> (Self, NodeId, Epoch) {
        let mut world = Self::new();
        let (node, epoch) = world.register(1, slots(count));
        (world, node, epoch)
    }

    /// Applies one entry and checks what must hold after each.
    pub(crate) fn apply(&mut self, commands: &[Command]) -> Applied {
        let encoded: Vec<_> = commands.iter().map(codec::encode_command).collect();
        let applied = self.apply_bytes(&encoded);
        self.check_whole();
        applied
    }

    /// Applies one entry and checks nothing.
    pub(crate) fn apply_bytes(&mut self, commands: &[Vec<u8>]) -> Applied {
        let mut builder = BatchBuilder::default();
        commands.iter().for_each(|command| builder.push(command));
        let payload = builder.seal(Millis(self.now));
        self.index += 1;
        let entry = Entry { index: self.index, batch: Batch::parse(&payload).unwrap() };
        let mut applied = self.ledger.apply(&entry, &self.tables);
        self.tables.absorb(std::mem::take(&mut applied.changes));
        applied
    }

    pub(crate) fn run(&mut self, command: Command) -> Reply {
        self.apply(&[command]).replies.remove(0)
    }

    /// Runs what must be refused, and leave everything but index, clock and chain as it was.
    pub(crate) fn refused(&mut self, command: Command) -> Refusal {
        let (tables, meta) = (self.content(), self.counters());
        let reply = self.run(command);
        let Reply::Refused(refusal) = reply else { panic!("not refused: {reply:?}") };
        assert_eq!(tables, self.content(), "a refusal changes no record: {refusal:?}");
        assert_eq!(meta, self.counters(), "a refusal changes no counter: {refusal:?}");
        refusal
    }

    /// All records but the meta record.
    pub(crate) fn content(&self) -> MemoryTables {
        let mut content = self.tables.clone();
        content.absorb(vec![(META.to_vec(), None)]);
        content
    }

    /// The meta record without what every entry changes.
    pub(crate) fn counters(&self) -> MetaRecord {
        let MetaRecord { .. } = self.ledger.meta();
        let neutral = MetaRecord::default();
        MetaRecord {
            clock: neutral.clock,
            index: neutral.index,
            chain: neutral.chain,
            kept_link: neutral.kept_link,
            ..self.ledger.meta().clone()
        }
    }

    /// Counters as a long life would have left them.
    pub(crate) fn change_counters(&mut self, change: impl FnOnce(&mut MetaRecord)) {
        let mut meta = self.ledger.meta().clone();
        change(&mut meta);
        self.tables.absorb(vec![(META.to_vec(), Some(codec::encode(&Stored::V1(meta))))]);
        self.ledger = Ledger::rebuild(&self.tables).unwrap();
    }

    pub(crate) fn check_whole(&self) {
        assert_eq!(Ledger::rebuild(&self.tables).unwrap(), self.ledger, "R5: hot == rebuild(tables)");
        let meta = self.ledger.meta();
        let mut next = meta.event_first;
        for page in self.pages() {
            assert_eq!(page.first, next, "I14: pages follow each other");
            assert!(!page.events.is_empty(), "a page has events");
            next += page.events.len() as u64;
        }
        assert_eq!(next, meta.event_next, "I14: events are dense to the end");
    }

    pub(crate) fn pages(&self) -> Vec<EventPage> {
        self.all(Table::Events)
    }

    /// The events still stored.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.pages().into_iter().flat_map(|page| page.events).collect()
    }

    /// All records of a table, by key.
    pub(crate) fn all<T: DeserializeOwned>(&self, table: Table) -> Vec<T> {
        let mut records = Vec::new();
        self.tables.scan(&table.prefix(), &mut |_, value| {
            let Stored::V1(record) = codec::decode(value).unwrap();
            records.push(record);
        });
        records
    }

    pub(crate) fn count(&self, table: Table) -> usize {
        let mut count = 0;
        self.tables.scan(&table.prefix(), &mut |_, _| count += 1);
        count
    }

    pub(crate) fn pass(&mut self, ms: u64) {
        self.now += ms;
    }

    pub(crate) fn register(&mut self, n: u8, capacity: Resources) -> (NodeId, Epoch) {
        self.boots += 1;
        let registration = registration(n, self.boots, capacity);
        match self.run(Command::RegisterNode(registration)) {
            Reply::NodeRegistered { node, epoch } => (node, epoch),
            other => panic!("not registered: {other:?}"),
        }
    }

    /// A new request of Alice's, without a key.
    pub(crate) fn request(&mut self) -> Request {
        self.drawn += 1;
        Request { principal: ALICE, id: JobId::new(Millis(self.now), self.drawn), key: None }
    }

    pub(crate) fn submission(&mut self, spec: JobSpec) -> Submit {
        Submit { request: self.request(), spec, seed: 7 }
    }

    pub(crate) fn submit(&mut self, spec: JobSpec) -> JobId {
        let submit = self.submission(spec);
        let job = submit.request.id;
        assert_eq!(self.run(Command::Submit(submit)), Reply::Submitted { job });
        job
    }

    /// Submits what must not start at once.
    pub(crate) fn queued(&mut self, spec: JobSpec) -> JobId {
        let job = self.submit(spec);
        assert!(matches!(self.state(job), JobState::Queued { .. }), "{:?}", self.state(job));
        job
    }

    /// Submits what must start at once.
    pub(crate) fn running(&mut self, spec: JobSpec) -> JobId {
        let job = self.submit(spec);
        assert!(matches!(self.state(job), JobState::Running(_)), "{:?}", self.state(job));
        job
    }

    pub(crate) fn cancel(&mut self, job: JobId) -> Reply {
        let request = self.request();
        self.run(Command::Cancel { request, job, reason: None })
    }

    pub(crate) fn pause(&mut self, job: JobId, paused: bool) -> Reply {
        let request = self.request();
        self.run(Command::PauseJob { request, job, paused, reason: None })
    }

    pub(crate) fn pause_queue(&mut self, queue: &str, paused: bool) -> Reply {
        let request = self.request();
        self.run(Command::PauseQueue { request, queue: queue.into(), paused, reason: None })
    }

    pub(crate) fn report(&self, job: JobId, exit: Exit) -> EndAttempt {
        EndAttempt { job, fence: self.fence(job), end: ended(exit), tails: Tails::default(), refill: false }
    }

    /// Ends the current attempt, without a refill.
    pub(crate) fn end(&mut self, job: JobId, exit: Exit) {
        let report = self.report(job, exit);
        assert_eq!(self.run(Command::EndAttempt(report)), Reply::AttemptEnded { next: None });
    }

    pub(crate) fn fire(&mut self, max: u32) -> Reply {
        self.run(Command::FireTimers { upto: Millis(self.now), max })
    }

    pub(crate) fn assign(&mut self, job: JobId, node: NodeId) -> Reply {
        let epoch = self.ledger.node(node).unwrap().record().epoch;
        self.run(Command::Assign(quorla_ledger::command::Assign { job, node, epoch }))
    }

    pub(crate) fn lapse(&mut self, node: NodeId) {
        let epoch = self.ledger.node(node).unwrap().record().epoch;
        assert_eq!(self.run(Command::LapseNode { node, epoch }), Reply::NodeLapsed);
    }

    pub(crate) fn drain(&mut self, node: NodeId, draining: bool) -> Reply {
        let request = self.request();
        self.run(drain(&request, node, draining))
    }

    pub(crate) fn order(&mut self, node: NodeId, order: DrainOrder) -> Reply {
        let request = self.request();
        self.run(Command::DrainNode(DrainNode { request, node, drain: Some(order) }))
    }

    /// Does what the planner says until it says nothing.
    pub(crate) fn plan_all(&mut self) {
        loop {
            let plan = self.ledger.plan(256);
            if plan.is_empty() {
                return;
            }
            for assign in plan {
                self.run(Command::Assign(assign));
            }
        }
    }

    pub(crate) fn find(&self, job: JobId) -> Option<JobRecord> {
        let bytes = self.tables.read(&tables::live(job)).or_else(|| self.tables.read(&tables::ended(job)))?;
        let Stored::V1(record) = codec::decode(&bytes).unwrap();
        Some(record)
    }

    pub(crate) fn job(&self, job: JobId) -> JobRecord {
        self.find(job).expect("the job is there")
    }

    pub(crate) fn state(&self, job: JobId) -> JobState {
        self.job(job).state
    }

    pub(crate) fn fence(&self, job: JobId) -> Fence {
        self.state(job).placed().expect("the job has a place").fence
    }

    pub(crate) fn node_of(&self, job: JobId) -> NodeId {
        self.state(job).placed().expect("the job has a place").node
    }
}
