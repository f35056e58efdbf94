//! One ledger in memory, and nodes around it that see it through replicas of their own.
//!
//! The network between agents and leader is consensus' memory network; a cut node proposes nothing either.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use quorla_actors::{
    lease::LeaseTerms,
    membership::{Change, Group, Members},
    replica::{Leader, Leadership, Replica, Unanswered, View},
    root::{Actors, AgentSettings, Ground, RestartBudget, SchedulerSettings, Settings},
};
use quorla_consensus::{
    Channel, Duplex, Peer, Transport, TransportError,
    transport::memory::{MemoryNetwork, MemoryTransport},
};
use quorla_ledger::{
    Batch, BatchBuilder, Command, Entry, Ledger, Reply, codec,
    command::{Request, Submit},
    defect::Defect,
    disk::DiskLevel,
    ids::{BootId, JobId, NodeKey, Principal},
    ledger::Records,
    memory::MemoryTables,
    record::{JobRecord, Stored},
    spec::{Backoff, Demand, JobSpec, Kill, Limits, Resources, RetryPolicy, Timeouts},
    tables,
    units::{Bytes, MilliCpu, Millis},
};
use tokio::{sync::watch, task::JoinSet, time::Instant};

use crate::scripted::Scripted;

/// What a stop may take, where nothing is to be cut off.
pub(crate) const DRAIN: Duration = Duration::from_secs(20);

/// Short leases, for tests that wait for one to pass: long enough for a busy machine to renew them.
pub(crate) const SHORT_LEASE: LeaseTerms = LeaseTerms { ttl: Millis(2_500), renewal: Millis(200), skew: Millis(200) };

/// See the module.
pub(crate) struct World {
    shared: Arc<Shared>,
    network: MemoryNetwork,
    pumps: JoinSet<()>,
    lease: LeaseTerms,
    jobs: u128,
}

/// One node.
pub(crate) struct Node {
    pub(crate) key: NodeKey,
    pub(crate) actors: Arc<tokio::sync::Mutex<Option<Actors>>>,
    pub(crate) kind: Scripted,
}

struct Shared {
    state: Mutex<State>,
    applied: watch::Sender<u64>,
    begun: Instant,
    boots: AtomicU64,
}

#[derive(Default)]
struct State {
    ledger: Ledger,
    tables: MemoryTables,
    term: u64,
    leader: Option<NodeKey>,
    cut: BTreeSet<NodeKey>,
    watches: BTreeMap<NodeKey, watch::Sender<Leadership>>,
}

struct NodeReplica {
    shared: Arc<Shared>,
    key: NodeKey,
    leadership: watch::Receiver<Leadership>,
    transport: MemoryTransport,
}

struct Alone;

impl World {
    pub(crate) fn new() -> Self {
        Self::with_lease(LeaseTerms::default())
    }

    pub(crate) fn with_lease(lease: LeaseTerms) -> Self {
        let state = State { ledger: Ledger::founding(Defect::None), ..State::default() };
        let shared = Shared {
            state: Mutex::new(state),
            applied: watch::Sender::new(0),
            begun: Instant::now(),
            boots: AtomicU64::new(1),
        };
        Self { shared: Arc::new(shared), network: MemoryNetwork::new(1), pumps: JoinSet::new(), lease, jobs: 0 }
    }

    /// A node with one slot, which leads when it is the first.
    pub(crate) async fn node(&mut self, number: u8) -> Node {
        self.node_with(number, RestartBudget::default()).await
    }

    pub(crate) async fn node_with(&mut self, number: u8, restarts: RestartBudget) -> Node {
        let key = NodeKey([number; 32]);
        let (transport, mut incoming) = self.network.join(key.0);
        let leadership = self.shared.watch(key);
        if number == 1 {
            self.lead(key);
        }
        let kind = Scripted::default();
        let replica = NodeReplica { shared: Arc::clone(&self.shared), key, leadership, transport };
        let ground = Ground { replica: Arc::new(replica), group: Arc::new(Alone), kind: Arc::new(kind.clone()) };
        let actors = Actors::start(self.settings(key, number, restarts), ground).await.unwrap();
        let actors = Arc::new(tokio::sync::Mutex::new(Some(actors)));
        let accepting = Arc::clone(&actors);
        self.pumps.spawn(async move {
            while let Some(stream) = incoming.recv().await {
                if let Some(actors) = &*accepting.lock().await {
                    actors.door().accept(NodeKey(stream.from), stream.duplex);
                }
            }
        });
        Node { key, actors, kind }
    }

    fn settings(&self, key: NodeKey, number: u8, restarts: RestartBudget) -> Settings {
        let shared = Arc::clone(&self.shared);
        let draw = move || BootId(u128::from(shared.boots.fetch_add(1, Ordering::Relaxed)) << 64);
        let agent = AgentSettings {
            key,
            name: format!("node-{number}"),
            capacity: Resources { cpu: MilliCpu(1_000), memory: Bytes(1_000), slots: 1 },
            labels: BTreeMap::new(),
            lease: self.lease,
            disk: watch::channel(DiskLevel::Fine).1,
            draw_boot_id: Arc::new(draw),
        };
        let scheduler = SchedulerSettings { lease: self.lease, ..SchedulerSettings::default() };
        Settings { agent, scheduler, voters_expected: 1, restarts }
    }

    /// This node leads from now on, in a new term.
    pub(crate) fn lead(&self, key: NodeKey) {
        let mut state = self.shared.state.lock().unwrap();
        state.term += 1;
        state.leader = Some(key);
        let State { term, watches, .. } = &*state;
        for (node, watch) in watches {
            let leader = if *node == key { Leader::Here } else { Leader::There(key) };
            watch.send_replace(Leadership { term: *term, leader });
        }
    }

    /// Nothing travels between this node and the rest any more.
    pub(crate) fn cut(&self, node: &Node, others: &[&Node]) {
        let others: Vec<[u8; 32]> = others.iter().map(|other| other.key.0).collect();
        self.network.partition(&[node.key.0], &others);
        self.shared.state.lock().unwrap().cut.insert(node.key);
    }

    /// Submits a job of this program that takes a node's slot.
    pub(crate) fn submit(&mut self, program: &str) -> JobId {
        self.jobs += 1;
        let id = JobId::new(self.shared.now(), self.jobs);
        let request = Request { principal: Principal([0; 32]), id, key: None };
        let reply = self.apply(&Command::Submit(Submit { request, spec: spec(program), seed: 0 }));
        assert!(matches!(reply, Reply::Submitted { .. }), "{reply:?}");
        id
    }

    /// Cancels a job.
    pub(crate) fn cancel(&mut self, job: JobId) {
        self.jobs += 1;
        let id = JobId::new(self.shared.now(), self.jobs);
        let request = Request { principal: Principal([0; 32]), id, key: None };
        assert_eq!(self.apply(&Command::Cancel { request, job, reason: None }), Reply::Cancelled);
    }

    fn apply(&self, command: &Command) -> Reply {
        self.shared.apply(&codec::encode_command(command))
    }

    /// Waits until the job's record is as asked for.
    pub(crate) async fn until_job(&self, job: JobId, wanted: impl Fn(&JobRecord) -> bool) -> JobRecord {
        self.until(|state| state.job(job).filter(&wanted)).await
    }

    /// Waits until so many nodes are up.
    pub(crate) async fn until_up(&self, count: usize) {
        let up = |state: &State| state.ledger.nodes().filter(|node| node.record().up).count();
        self.until(|state| (up(state) == count).then_some(())).await;
    }

    async fn until<T>(&self, look: impl Fn(&State) -> Option<T>) -> T {
        let mut applied = self.shared.applied.subscribe();
        loop {
            applied.borrow_and_update();
            let seen = look(&self.shared.state.lock().unwrap());
            if let Some(seen) = seen {
                return seen;
            }
            applied.changed().await.unwrap();
        }
    }
}

impl State {
    fn job(&self, job: JobId) -> Option<JobRecord> {
        let bytes = self.tables.read(&tables::live(job)).or_else(|| self.tables.read(&tables::ended(job)))?;
        let Stored::V1(record) = codec::decode::<Stored<JobRecord>>(&bytes)?;
        Some(record)
    }
}

impl Shared {
    fn now(&self) -> Millis {
        let since = u64::try_from(self.begun.elapsed().as_millis()).unwrap();
        Millis(1_000_000 + since)
    }

    fn apply(&self, command: &[u8]) -> Reply {
        let mut state = self.state.lock().unwrap();
        let State { ledger, tables, .. } = &mut *state;
        let mut builder = BatchBuilder::default();
        builder.push(command);
        let payload = builder.seal(self.now());
        let entry = Entry { index: ledger.meta().index + 1, batch: Batch::parse(&payload).unwrap() };
        let mut applied = ledger.apply(&entry, tables);
        tables.absorb(applied.changes);
        self.applied.send_replace(entry.index);
        applied.replies.remove(0)
    }

    fn watch(&self, key: NodeKey) -> watch::Receiver<Leadership> {
        let mut state = self.state.lock().unwrap();
        let leader = state.leader.map_or(Leader::Nobody, Leader::There);
        let (sender, receiver) = watch::channel(Leadership { term: state.term, leader });
        state.watches.insert(key, sender);
        receiver
    }
}

impl Replica for NodeReplica {
    fn leadership(&self) -> watch::Receiver<Leadership> {
        self.leadership.clone()
    }

    fn applied(&self) -> watch::Receiver<u64> {
        self.shared.applied.subscribe()
    }

    fn inspect(&self, look: &mut dyn FnMut(&Ledger)) {
        look(&self.shared.state.lock().unwrap().ledger);
    }

    fn view(&self, _: u64) -> BoxFuture<'_, Option<View>> {
        let tables = self.shared.state.lock().unwrap().tables.clone();
        std::future::ready(Some(Box::new(tables) as View)).boxed()
    }

    fn propose(&self, command: Vec<u8>) -> BoxFuture<'_, Result<Reply, Unanswered>> {
        let cut = self.shared.state.lock().unwrap().cut.contains(&self.key);
        let reply = if cut { Err(Unanswered { retry_after: None }) } else { Ok(self.shared.apply(&command)) };
        std::future::ready(reply).boxed()
    }

    fn propose_in_term(&self, term: u64, command: Vec<u8>) -> BoxFuture<'_, Result<Reply, Unanswered>> {
        let leads = *self.leadership.borrow() == Leadership { term, leader: Leader::Here };
        if leads { self.propose(command) } else { std::future::ready(Err(Unanswered { retry_after: None })).boxed() }
    }

    fn quorum_round(&self) -> BoxFuture<'_, bool> {
        let cut = self.shared.state.lock().unwrap().cut.contains(&self.key);
        let leads = self.leadership.borrow().leader == Leader::Here;
        std::future::ready(leads && !cut).boxed()
    }

    fn open_link(&self, leader: NodeKey) -> BoxFuture<'_, Result<Duplex, TransportError>> {
        async move {
            let peer = Peer { raft_id: 1, node_key: leader.0, address: String::new() };
            self.transport.open(&peer, 0, Channel::AGENT).await
        }
        .boxed()
    }

    fn ledger_time(&self) -> Millis {
        self.shared.now()
    }

    fn boot_time(&self) -> Millis {
        self.shared.now()
    }
}

impl Group for Alone {
    fn members(&self) -> Option<Members> {
        None
    }

    fn change(&self, _: Change) -> BoxFuture<'_, ()> {
        std::future::ready(()).boxed()
    }
}

pub(crate) fn spec(program: &str) -> JobSpec {
    JobSpec {
        name: "job".to_owned(),
        queue: "default".to_owned(),
        priority: 50,
        command: vec![program.to_owned()],
        env: BTreeMap::new(),
        working_dir: None,
        stdin: b"input".to_vec(),
        demand: Demand { resources: Resources { slots: 1, ..Resources::default() }, constraints: Vec::new() },
        limits: Limits::default(),
        run_as: None,
        retry: RetryPolicy {
            attempts_max: 1,
            backoff: Backoff::Fixed(Millis(0)),
            jitter_percent: 0,
            exit_codes: Vec::new(),
        },
        timeouts: Timeouts { attempt: Some(Millis(3_600_000)), ..Timeouts::default() },
        not_before: None,
        kill: Kill { signal: 15, grace: Millis(1_000) },
        output_tail_max: Bytes(8_192),
        labels: BTreeMap::new(),
    }
}
