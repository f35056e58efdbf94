//! The actors over the real consensus: two storages on disk, one memory network, leadership as Raft has it.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::Arc,
    time::{Instant, SystemTime},
};

use quorla_actors::{
    lease::LeaseTerms,
    replica::{ConsensusReplica, Leader, Replica},
    root::{Actors, AgentSettings, Ground, RestartBudget, SchedulerSettings, Settings},
};
use quorla_consensus::{
    Channel, Clock, Consensus, DataDirectory, FOUNDING_RAFT_ID, GroupId, Identity, Lane, Peer, ReadLevel, Storage,
    Transport, Tuning, View, request_admission,
    transport::memory::{Incoming, MemoryNetwork},
};
use quorla_ledger::{
    Command, Reply,
    codec::{self, encode_command},
    command::{FoundCluster, Request, Submit},
    defect::Defect,
    disk::DiskLevel,
    ids::{BootId, ClusterId, JobId, NodeKey, Principal, StorageId},
    outcome::Exit,
    record::{JobRecord, JobState, Stored},
    spec::Resources,
    tables,
    units::{Bytes, MilliCpu},
};
use tempfile::TempDir;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};

use crate::{
    scripted::Scripted,
    world::{DRAIN, spec},
};

const CLUSTER: ClusterId = ClusterId(7);

struct Wall(Instant);

struct Node {
    consensus: Consensus,
    replica: Arc<ConsensusReplica>,
    actors: Option<Actors>,
    kind: Scripted,
    _serving: JoinSet<()>,
}

impl Clock for Wall {
    fn wall_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        u64::try_from(since.as_millis()).unwrap()
    }

    fn boot_ms(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap()
    }
}

/// A node that founds the group, or asks its founder to be admitted.
async fn node(network: &MemoryNetwork, number: u8, path: &Path, founder: Option<&Node>) -> Node {
    let key = [number; 32];
    let (transport, incoming) = network.join(key);
    let transport: Arc<dyn Transport> = Arc::new(transport);
    let storage = StorageId(u128::from(number));
    let directory = DataDirectory::open(path).unwrap();
    let raft_id = match founder {
        None => FOUNDING_RAFT_ID,
        Some(_) => {
            let member = Peer { raft_id: 1, node_key: [1; 32], address: String::new() };
            request_admission(&*transport, &member, GroupId(0), storage, String::new()).await.unwrap().raft_id
        }
    };
    directory.adopt(Identity { cluster: CLUSTER, storage, raft_id }).unwrap();
    let opened = Storage::open(directory).unwrap();
    let settings = quorla_consensus::Settings {
        storage: opened,
        group: GroupId(0),
        node_key: key,
        address: String::new(),
        tuning: Tuning::default(),
        defect: Defect::None,
    };
    let clock: Arc<dyn Clock> = Arc::new(Wall(Instant::now()));
    let consensus = Consensus::start(settings, Arc::clone(&transport), Arc::clone(&clock)).await.unwrap();
    if founder.is_none() {
        let found = FoundCluster { cluster: CLUSTER, ca_certificate: Vec::new(), node: NodeKey(key), storage };
        assert_eq!(consensus.found(encode_command(&Command::FoundCluster(found))).await.unwrap(), Reply::Founded);
    }
    let replica = Arc::new(ConsensusReplica::new(consensus.clone(), transport, clock));
    let kind = Scripted::default();
    let ground =
        Ground { replica: Arc::clone(&replica) as _, group: Arc::clone(&replica) as _, kind: Arc::new(kind.clone()) };
    let actors = Actors::start(actor_settings(number), ground).await.unwrap();
    let mut serving = JoinSet::new();
    serving.spawn(serve(incoming, consensus.clone(), actors.door()));
    Node { consensus, replica, actors: Some(actors), kind, _serving: serving }
}

async fn serve(mut incoming: mpsc::Receiver<Incoming>, consensus: Consensus, door: quorla_actors::root::Door) {
    let mut streams = JoinSet::new();
    while let Some(Incoming { from, channel, duplex, .. }) = incoming.recv().await {
        if channel == Channel::AGENT {
            door.accept(NodeKey(from), duplex);
        } else {
            let consensus = consensus.clone();
            streams.spawn(async move {
                // A broken stream is opened again by whoever needs it.
                let _ = consensus.accept(NodeKey(from), channel, duplex).await;
            });
        }
    }
}

fn actor_settings(number: u8) -> Settings {
    let agent = AgentSettings {
        key: NodeKey([number; 32]),
        name: format!("node-{number}"),
        capacity: Resources { cpu: MilliCpu(1_000), memory: Bytes(1_000), slots: 1 },
        labels: BTreeMap::new(),
        lease: LeaseTerms::default(),
        disk: watch::channel(DiskLevel::Fine).1,
        draw_boot_id: Arc::new(move || BootId(u128::from(number) << 64)),
    };
    Settings { agent, scheduler: SchedulerSettings::default(), voters_expected: 2, restarts: RestartBudget::default() }
}

impl Node {
    async fn submit(&self, number: u128) -> JobId {
        let id = JobId::new(self.consensus.ledger_time(), number);
        let request = Request { principal: Principal([0; 32]), id, key: None };
        let command = Command::Submit(Submit { request, spec: spec("program"), seed: 0 });
        let reply = self.consensus.propose(Lane::Client, encode_command(&command)).await.unwrap();
        assert_eq!(reply, Reply::Submitted { job: id });
        id
    }

    /// Waits until the job has ended.
    async fn ended(&self, job: JobId) -> JobRecord {
        let mut applied = self.consensus.applied();
        loop {
            applied.borrow_and_update();
            let view: View = self.consensus.read(ReadLevel::Stale).await.unwrap();
            if let Some(bytes) = view.read(&tables::ended(job)).unwrap() {
                let Stored::V1(record) = codec::decode(&bytes).unwrap();
                return record;
            }
            applied.changed().await.unwrap();
        }
    }

    async fn leads(&self) {
        self.replica.leadership().wait_for(|leadership| leadership.leader == Leader::Here).await.unwrap();
    }

    async fn up(&self, count: usize) {
        let mut applied = self.consensus.applied();
        while self.consensus.inspect(|ledger| ledger.nodes().filter(|node| node.record().up).count()) != count {
            applied.changed().await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_become_voters_and_run_jobs_through_a_change_of_leader() {
    let (disk, network) = (TempDir::new().unwrap(), MemoryNetwork::new(1));
    let mut one = node(&network, 1, &disk.path().join("one"), None).await;
    let mut two = node(&network, 2, &disk.path().join("two"), Some(&one)).await;
    one.up(2).await;
    one.leads().await;
    one.consensus.status().wait_for(|status| status.voters.len() == 2 && !status.is_joint).await.unwrap();
    let jobs = [one.submit(1).await, one.submit(2).await];
    let attempts = [one.kind.until(|_| true).await, two.kind.until(|_| true).await];
    let second = two.consensus.status().borrow().raft_id;
    one.consensus.transfer_leader(second).await.unwrap();
    two.leads().await;
    one.kind.finish(attempts[0].start.order.fence, Exit::Code(0));
    two.kind.finish(attempts[1].start.order.fence, Exit::Code(0));
    for job in jobs {
        let record = one.ended(job).await;
        assert!(matches!(record.state, JobState::Succeeded { .. }), "{:?}", record.state);
        assert_eq!(record.attempts_made, 1);
    }
    one.actors.take().unwrap().stop(DRAIN).await;
    two.up(1).await;
    two.actors.take().unwrap().stop(DRAIN).await;
    two.up(0).await;
    one.consensus.shutdown().await;
    two.consensus.shutdown().await;
}
