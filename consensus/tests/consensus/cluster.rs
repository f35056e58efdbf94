//! Several nodes of one group in this process, over the memory network.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use quorla_consensus::transport::memory::MemoryNetwork;
use quorla_consensus::{
    Clock, Consensus, DataDirectory, FOUNDING_RAFT_ID, GroupId, Identity, Lane, Peer, ProposeError, Settings, Storage,
    Tuning, request_admission,
};
use quorla_ledger::defect::Defect;
use quorla_ledger::ids::StorageId;
use quorla_ledger::reply::Reply;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::commands;

/// A guard against hanging, generous on purpose.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct TestClock {
    begin: Instant,
    wall_shift_ms: AtomicI64,
}

impl TestClock {
    pub fn new() -> Arc<Self> {
        Arc::new(Self { begin: Instant::now(), wall_shift_ms: AtomicI64::new(0) })
    }

    pub fn shift_wall(&self, shift_ms: i64) {
        self.wall_shift_ms.store(shift_ms, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn wall_ms(&self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        u64::try_from(now).unwrap().saturating_add_signed(self.wall_shift_ms.load(Ordering::Relaxed))
    }

    fn boot_ms(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_millis()).unwrap() + 5_000
    }
}

pub fn fast() -> Tuning {
    Tuning {
        heartbeat_ms: 100,
        election_timeout_ms_min: 400,
        election_timeout_ms_max: 800,
        propose_timeout_ms: 8_000,
        ..Tuning::default()
    }
}

/// Opens a storage; streams of a node that was stopped a moment ago may still hold it.
async fn open(path: &Path) -> Arc<Storage> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match DataDirectory::open(path).and_then(Storage::open) {
            Ok(storage) => return storage,
            Err(error) if error.refuses_directory() || Instant::now() > deadline => panic!("{error}: {error:?}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// One running node.
pub struct Node {
    pub consensus: Consensus,
    pub clock: Arc<TestClock>,
    pub key: [u8; 32],
    storage: Arc<Storage>,
    serving: JoinHandle<()>,
}

impl Node {
    pub async fn start(network: &MemoryNetwork, key: [u8; 32], path: &Path, tuning: Tuning) -> Self {
        let storage = open(path).await;
        Self::start_in(network, key, storage, GroupId(0), tuning).await
    }

    pub async fn start_in(
        network: &MemoryNetwork,
        key: [u8; 32],
        storage: Arc<Storage>,
        group: GroupId,
        tuning: Tuning,
    ) -> Self {
        let (transport, mut incoming) = network.join(key);
        let clock = TestClock::new();
        let settings = Settings {
            storage: Arc::clone(&storage),
            group,
            node_key: key,
            address: format!("memory:{}", key[0]),
            tuning,
            defect: Defect::None,
        };
        let consensus =
            Consensus::start(settings, Arc::new(transport), Arc::clone(&clock) as Arc<dyn Clock>).await.unwrap();
        let serving = tokio::spawn({
            let consensus = consensus.clone();
            async move {
                while let Some(stream) = incoming.recv().await {
                    let consensus = consensus.clone();
                    tokio::spawn(async move {
                        let key = quorla_ledger::ids::NodeKey(stream.from);
                        // A broken stream is the network's business; whoever opened it opens another.
                        let _ = consensus.accept(key, stream.channel, stream.duplex).await;
                    });
                }
            }
        });
        Self { consensus, clock, key, storage, serving }
    }

    pub fn peer(&self) -> Peer {
        let raft_id = self.storage.identity().raft_id.0;
        Peer { raft_id, node_key: self.key, address: format!("memory:{}", self.key[0]) }
    }

    pub fn raft_id(&self) -> u64 {
        self.storage.identity().raft_id.0
    }

    pub async fn stop(self) {
        self.serving.abort();
        self.consensus.shutdown().await;
        let storage = self.storage;
        drop(self.consensus);
        tokio::task::spawn_blocking(move || storage.close()).await.unwrap();
    }

    pub async fn wait_applied(&self, index: u64) {
        let mut applied = self.consensus.applied();
        let waited = tokio::time::timeout(PATIENCE, applied.wait_for(|applied| *applied >= index)).await;
        waited.unwrap_or_else(|_| panic!("node {} never applied {index}: {:?}", self.key[0], self.status())).unwrap();
    }

    pub fn status(&self) -> quorla_consensus::Status {
        self.consensus.status().borrow().clone()
    }

    /// Whether the ledger here has the record of `register(number)`.
    pub fn has(&self, number: u64) -> bool {
        self.consensus.inspect(|ledger| ledger.node_by_key(&commands::key_of(number)).is_some())
    }
}

/// A founded group.
pub struct Cluster {
    pub network: MemoryNetwork,
    pub nodes: Vec<Option<Node>>,
    pub tuning: Tuning,
    directories: Vec<TempDir>,
}

pub fn key(position: usize) -> [u8; 32] {
    [u8::try_from(position + 1).unwrap(); 32]
}

fn storage_id(position: usize, life: u128) -> StorageId {
    StorageId(life * 1_000 + u128::try_from(position).unwrap() + 1)
}

impl Cluster {
    pub async fn of(count: usize, tuning: Tuning) -> Self {
        let network = MemoryNetwork::new(7);
        let directories: Vec<TempDir> = (0..count).map(|_| tempfile::tempdir().unwrap()).collect();
        let mut cluster = Self { network, nodes: Vec::new(), tuning, directories };
        cluster.found().await;
        for position in 1..count {
            cluster.join(position, 0).await;
        }
        let learners: BTreeSet<u64> = cluster.all().skip(1).map(Node::raft_id).collect();
        if !learners.is_empty() {
            cluster.promote(learners).await;
        }
        cluster
    }

    pub fn path(&self, position: usize) -> PathBuf {
        self.directories[position].path().join("data")
    }

    async fn found(&mut self) {
        let directory = DataDirectory::open(&self.path(0)).unwrap();
        let storage = storage_id(0, 0);
        directory.adopt(Identity { cluster: commands::CLUSTER, storage, raft_id: FOUNDING_RAFT_ID }).unwrap();
        drop(directory);
        let node = Node::start(&self.network, key(0), &self.path(0), self.tuning.clone()).await;
        let reply = node.consensus.found(commands::found(key(0), storage)).await.unwrap();
        assert_eq!(reply, Reply::Founded);
        self.nodes.push(Some(node));
    }

    /// Has a new storage admitted and starts it; `life` counts the storages of one node.
    pub async fn join(&mut self, position: usize, life: u128) {
        let path = self.path(position);
        let directory = DataDirectory::open(&path).unwrap();
        let (transport, _incoming) = self.network.join(key(position));
        let storage = storage_id(position, life);
        let asked =
            (0..self.nodes.len()).rev().find(|other| *other != position && self.nodes[*other].is_some()).unwrap();
        let member = self.node(asked).peer();
        let admission =
            request_admission(&transport, &member, GroupId(0), storage, format!("memory:{position}")).await.unwrap();
        let identity = Identity { cluster: admission.cluster, storage, raft_id: admission.raft_id };
        directory.adopt(identity).unwrap();
        drop(directory);
        let node = Node::start(&self.network, key(position), &path, self.tuning.clone()).await;
        if position < self.nodes.len() {
            self.nodes[position] = Some(node);
        } else {
            self.nodes.push(Some(node));
        }
    }

    pub async fn promote(&self, learners: BTreeSet<u64>) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let leader = self.leader().await;
            match leader.consensus.promote(learners.clone()).await {
                Ok(()) => break,
                Err(error) if Instant::now() > deadline => panic!("never promoted: {error}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// Has a storage take the place of another once it has caught up.
    pub async fn replace(&self, old: u64, new: u64) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let leader = self.leader().await;
            match leader.consensus.replace(old, new).await {
                Ok(()) => break,
                Err(error) if Instant::now() > deadline => panic!("never replaced: {error}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    pub fn node(&self, position: usize) -> &Node {
        self.nodes[position].as_ref().unwrap()
    }

    pub fn all(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().flatten()
    }

    /// The node that leads, once one does and a quorum agrees.
    pub async fn leader(&self) -> &Node {
        let searching = async {
            loop {
                for node in self.all() {
                    if node.status().is_leader() && node.consensus.quorum_round().await.is_ok() {
                        return node;
                    }
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, searching).await.expect("a leader within a minute")
    }

    pub fn position_of(&self, node: &Node) -> usize {
        self.nodes.iter().position(|other| other.as_ref().is_some_and(|other| other.key == node.key)).unwrap()
    }

    /// Proposes until it is done; what is unknown is tried again with the same command, as R9 asks.
    pub async fn do_at(&self, position: usize, command: Vec<u8>) -> Reply {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.node(position).consensus.propose(Lane::Client, command.clone()).await {
                Ok(reply) => return reply,
                Err(error) if Instant::now() > deadline => panic!("never done: {error}"),
                Err(ProposeError::TooLarge { .. }) => panic!("a test's command is too large"),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    pub async fn stop(&mut self, position: usize) {
        let node = self.nodes[position].take().unwrap();
        self.network.leave(node.key);
        node.stop().await;
    }

    pub async fn restart(&mut self, position: usize) {
        let node = Node::start(&self.network, key(position), &self.path(position), self.tuning.clone()).await;
        self.nodes[position] = Some(node);
    }

    pub async fn stop_all(mut self) {
        for position in 0..self.nodes.len() {
            if self.nodes[position].is_some() {
                self.stop(position).await;
            }
        }
    }

    /// Everything that one node applied is applied by all, with one chain hash (I13).
    pub async fn assert_agreement(&self) {
        let index = self.all().map(|node| node.status().last_log_index.unwrap_or(0)).max().unwrap();
        let deadline = Instant::now() + PATIENCE;
        loop {
            for node in self.all() {
                node.wait_applied(index).await;
            }
            let chains: Vec<_> = self
                .all()
                .map(|node| node.consensus.inspect(|ledger| (ledger.meta().index, ledger.meta().chain)))
                .collect();
            if chains.windows(2).all(|pair| pair[0] == pair[1]) {
                return;
            }
            assert!(Instant::now() < deadline, "the replicas differ: {chains:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
