//! One node, from configuration to a running member and back: start in dependency order, stop in reverse.
//!
//! Start: identity, the lock on the data directory and its log, endpoint, HTTP (alive, not ready), gossip, storage
//! (as it was, founded, or admitted by a member), consensus, actors, client plane. Stop: refuse clients, drain
//! attempts, hand leadership over, flush, close; each step has its time.

mod error;
mod join;
mod open;
mod parts;
mod report;
mod stop;
mod watching;

use std::{sync::Arc, time::Duration};

use quorla_actors::{
    process::agent::{ProcessAgent, WardenCommand},
    replica::ConsensusReplica,
    root::{Actors, Ground},
};
use quorla_consensus::{Channel, Consensus, FOUNDING_RAFT_ID, GroupId, Storage};
use quorla_ledger::{
    Ledger,
    codec::encode_command,
    command::{Command, FoundCluster},
    ids,
};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::{
    clock::SystemClock,
    config::Config,
    dispatch::{About, Dispatch},
    endpoint::{ClientConnection, Endpoint, NodeStream, Routes},
    gossip::{ChitchatGossip, Gossip as _, Member},
    guard::SubmitGate,
    http::{Gate, HttpServer, Readiness, operator_routes},
    identity::Credentials,
    link::{ClusterLink, Inspection},
    metrics::{Metrics, QueueTotals},
    output::Output,
    session::ClientConversation,
    transport::QuicTransport,
};

pub use error::NodeError;
pub use stop::StopWay;

use open::Found;
use report::Report;

/// The one Raft group of today.
const GROUP: GroupId = GroupId(0);
/// By then a start has touched all that it needs: gossip, an election, the first leases.
const SETTLED_AFTER: Duration = Duration::from_secs(10);

/// What starts beside the configuration.
#[derive(Clone, Debug)]
pub struct StartOptions {
    /// Creates the cluster where the data directory is new: for its first node, once in its life (R25).
    pub found: bool,
    /// How the node runs its warden.
    pub warden: WardenCommand,
}

/// Where a node listens, with the ports that the system chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listening {
    /// The node's name.
    pub name: String,
    /// Address of the QUIC endpoint, as others use it.
    pub quic: String,
    /// Address of the HTTP server.
    pub http: String,
}

/// A running node. It stops by [`Node::stop`] only.
pub struct Node {
    listening: Listening,
    network: Network,
    consensus: Consensus,
    storage: Arc<Storage>,
    actors: Actors,
    processes: Arc<ProcessAgent>,
    dispatch: Dispatch,
    output: Output,
    room: SubmitGate,
    gate: Gate,
    service: Gate,
    tasks: TaskTracker,
    stopping: watch::Sender<bool>,
}

/// What connects the node to others, up before it has a storage.
struct Network {
    credentials: Credentials,
    own: Member,
    endpoint: Endpoint,
    transport: QuicTransport,
    gossip: Arc<ChitchatGossip>,
    link: ClusterLink,
    http: HttpServer,
    metrics: Metrics,
    readiness: Readiness,
}

impl Node {
    /// Starts a node; returns once it is a member of its cluster and serves, or is about to.
    ///
    /// # Errors
    /// The first step that failed.
    pub async fn start(config: Config, options: StartOptions) -> Result<Self, NodeError> {
        let credentials = Credentials::load(&config.transport.files)?;
        // Before anybody hears of this node: a second one on the same directory must not speak in its name.
        let guard = parts::guard(&config).await;
        let found = open_directory(&config, &credentials).await?;
        let network = Network::start(&config, credentials).await?;
        let listening = network.listening();
        let (gate, service) = (network.readiness.require("consensus"), network.readiness.require("service"));
        let (storage, consensus) = network.join(&config, found, options.found, &gate).await?;
        let processes = parts::process_agent(&config, &network.own, options.warden).await?;
        let transport: Arc<dyn quorla_consensus::Transport> = Arc::new(network.transport.clone());
        let replica = Arc::new(ConsensusReplica::new(consensus.clone(), transport, Arc::new(SystemClock)));
        let store = parts::output_store(&config).await?;
        let kind = quorla_actors::kind::process::Processes::new(Arc::clone(&processes), Arc::clone(&store));
        let kind = Arc::new(kind);
        let ground = Ground { replica: Arc::clone(&replica) as _, group: replica, kind };
        let settings = parts::actor_settings(&config, &network.own, processes.abilities(), &guard);
        let actors =
            Actors::start(settings, ground).await.map_err(|error| NodeError::Actors { reason: error.to_string() })?;
        let about = network.about(&config, &listening);
        let output = Output::new(network.own.key, GROUP.0, Arc::clone(&store), network.transport.clone());
        let room = SubmitGate::default();
        let (members, link) = (network.gossip.members(), network.link.clone());
        let dispatch = Dispatch::new(consensus.clone(), members, link, output.clone(), room.clone(), about);
        let (stopping, _) = watch::channel(false);
        let tasks = TaskTracker::new();
        let node = Self {
            listening,
            network,
            consensus,
            storage,
            actors,
            processes,
            dispatch,
            output,
            room,
            gate,
            service,
            tasks,
            stopping,
        };
        node.serve();
        node.watch(guard, store);
        tracing::info!(name = %node.listening.name, quic = %node.listening.quic, http = %node.listening.http, "the node is up");
        Ok(node)
    }

    /// Where it listens.
    pub const fn listening(&self) -> &Listening {
        &self.listening
    }

    /// Resolves when the node cannot go on; it must be stopped then.
    pub async fn failed(&mut self) -> NodeError {
        let mut fatal = self.storage.fatal();
        let fatal = async {
            match fatal.wait_for(Option::is_some).await {
                Ok(fatal) => fatal.clone(),
                Err(_) => None,
            }
        };
        tokio::select! {
            Some(fatal) = fatal => NodeError::Fatal(fatal),
            () = self.processes.gone() => NodeError::WardenIsGone,
            () = self.actors.ended() => NodeError::Actors { reason: "the root actor ended".to_owned() },
        }
    }

    /// Stops in order: refuses clients, drains attempts, hands leadership over, flushes, closes.
    pub async fn stop(self, way: StopWay) {
        // Its own gate: the one of the consensus opens again and again while the node drains.
        self.service.close("stopping");
        self.dispatch.close();
        match way {
            StopWay::Alone => {
                self.actors.stop(parts::DRAIN).await;
                stop::hand_over(&self.consensus).await;
            }
            StopWay::WithCluster => self.actors.stop(parts::DRAIN_WITH_CLUSTER).await,
        }
        self.stopping.send_replace(true);
        self.consensus.shutdown().await;
        let storage = Arc::clone(&self.storage);
        // A panic in there was reported; the process ends either way.
        let _ = tokio::task::spawn_blocking(move || storage.close()).await;
        self.network.gossip.stop().await;
        self.network.link.stop().await;
        self.network.http.stop().await;
        self.network.endpoint.close().await;
        self.tasks.close();
        self.tasks.wait().await;
        if let Some(processes) = Arc::into_inner(self.processes) {
            processes.stop().await;
        }
        tracing::info!("the node has stopped");
    }

    /// Opens the node to its peers' agents and to clients.
    fn serve(&self) {
        let routes = self.network.endpoint.routes();
        let (agents, output, tasks) = (self.actors.door(), self.output.clone(), self.tasks.clone());
        routes.to_actors(move |NodeStream { from, channel, duplex, .. }| match channel {
            Channel::OUTPUT => drop(tasks.spawn(output.clone().serve(duplex))),
            _ => agents.accept(ids::NodeKey(from.key.0), duplex),
        });
        let (clients, dispatch) = (self.actors.door(), self.dispatch.clone());
        routes.to_clients(move |connection: ClientConnection| {
            let conversation = ClientConversation::new(dispatch.clone(), connection);
            if let Err(error) = clients.open_session(Box::new(conversation)) {
                tracing::warn!(%error, "a client is turned away");
            }
        });
        self.tasks.spawn(stoppable(self.dispatch.clone().follow(), self.stopping.subscribe()));
        self.tasks.spawn(stoppable(self.network.metrics.clone().keep_up(), self.stopping.subscribe()));
        let consensus = self.consensus.clone();
        let totals = |ledger: &Ledger| QueueTotals::of(ledger.queue_counts(), ledger.paused_queues());
        self.network.metrics.show_queues(move || consensus.inspect(totals));
        let report = Report {
            consensus: self.consensus.clone(),
            gossip: Arc::clone(&self.network.gossip),
            gate: self.gate.clone(),
            room: self.room.clone(),
            readiness: self.network.readiness.clone(),
            key: ids::NodeKey(self.network.own.key.0),
        };
        self.tasks.spawn(stoppable(report.run(), self.stopping.subscribe()));
        let settled = async {
            tokio::time::sleep(SETTLED_AFTER).await;
            quorla_actors::pages::forget_start();
        };
        self.tasks.spawn(stoppable(settled, self.stopping.subscribe()));
        self.network.link.follow(self.network.gossip.members());
        self.service.open();
    }
}

impl Network {
    async fn start(config: &Config, credentials: Credentials) -> Result<Self, NodeError> {
        let routes = Arc::new(Routes::default());
        let endpoint = Endpoint::bind(parts::endpoint_settings(config, credentials.clone()), routes)?;
        let readiness = Readiness::default();
        let metrics = Metrics::install()?;
        let http_routes = operator_routes(&config.metrics.path, metrics.clone(), readiness.clone());
        let http = HttpServer::start(&parts::http_settings(config), http_routes).await?;
        let own = parts::own_member(config, &endpoint)?;
        let gossip = parts::gossip_settings(config, own.clone());
        let gossip = Arc::new(ChitchatGossip::start(gossip, endpoint.clone()).await?);
        let about = Inspection {
            name: own.name.clone(),
            version: own.version.clone(),
            http_address: Some(http.local_addr().to_string()),
            ..Inspection::default()
        };
        let link = ClusterLink::start(endpoint.clone(), about).await?;
        let transport = QuicTransport::new(endpoint.clone(), gossip.members());
        Ok(Self { credentials, own, endpoint, transport, gossip, link, http, metrics, readiness })
    }

    fn listening(&self) -> Listening {
        Listening {
            name: self.own.name.clone(),
            quic: self.own.address.clone(),
            http: self.http.local_addr().to_string(),
        }
    }

    fn about(&self, config: &Config, listening: &Listening) -> About {
        About {
            cluster_id: self.credentials.own.cluster.to_string(),
            cluster_name: config.cluster.name.clone(),
            key: self.own.key,
            node: self.own.name.clone(),
            address: listening.quic.clone(),
            http_address: listening.http.clone(),
        }
    }

    /// Takes part with the storage that was found. One whose state can't be used is set aside, and the node comes back
    /// as a new incarnation, as with a log that can't be opened (R1).
    async fn join(
        &self,
        config: &Config,
        found: Found,
        may_found: bool,
        gate: &Gate,
    ) -> Result<(Arc<Storage>, Consensus), NodeError> {
        let storage = self.storage(found, may_found, gate).await?;
        match self.join_group(config, Arc::clone(&storage)).await {
            Err(NodeError::Consensus(error)) if error.refuses_directory() => {
                drop(storage);
                let path = config.node.data_dir.clone();
                let directory = blocking(move || open::begin_anew(&path, &error)).await?;
                let storage = self.storage(Found::Anew(directory), false, gate).await?;
                Ok((Arc::clone(&storage), self.join_group(config, storage).await?))
            }
            joined => Ok((storage, joined?)),
        }
    }

    /// The storage of this node, old, founding or newly admitted.
    async fn storage(&self, found: Found, may_found: bool, gate: &Gate) -> Result<Arc<Storage>, NodeError> {
        let cluster = cluster_of(&self.credentials);
        let directory = match found {
            Found::Storage(storage) => return Ok(storage),
            Found::Unknown(directory) if may_found => {
                return Ok(blocking(move || open::found(directory, cluster)).await?);
            }
            Found::Unknown(directory) | Found::Anew(directory) => directory,
        };
        let storage = open::draw();
        let admission = join::ask(&self.transport, self.gossip.members(), &self.own, storage, gate).await;
        let identity = quorla_consensus::Identity { cluster, storage, raft_id: admission.raft_id };
        Ok(blocking(move || open::adopt(directory, identity)).await?)
    }

    /// Starts the group in that storage, and founds the cluster where that is still to be done.
    async fn join_group(&self, config: &Config, storage: Arc<Storage>) -> Result<Consensus, NodeError> {
        let settings = parts::group_settings(config, Arc::clone(&storage), &self.own);
        let transport = Arc::new(self.transport.clone());
        let consensus = Consensus::start(settings, transport, Arc::new(SystemClock)).await?;
        let taker = consensus.clone();
        let runtime = tokio::runtime::Handle::current();
        self.endpoint.routes().to_consensus(move |stream| {
            let consensus = taker.clone();
            let NodeStream { from, channel, duplex, .. } = stream;
            let served = async move {
                if let Err(error) = consensus.accept(ids::NodeKey(from.key.0), channel, duplex).await {
                    tracing::debug!(peer = %from.name, %channel, %error, "a peer's stream ended");
                }
            };
            // Votes stay on the control thread, where they arrive; everything else is the node's own runtime's work.
            match channel {
                Channel::VOTE => drop(tokio::spawn(served)),
                _ => drop(runtime.spawn(served)),
            }
        });
        let founding = storage.identity().raft_id == FOUNDING_RAFT_ID;
        if founding && consensus.is_new() {
            self.found(&consensus, &storage).await?;
        }
        Ok(consensus)
    }

    async fn found(&self, consensus: &Consensus, storage: &Storage) -> Result<(), NodeError> {
        let ca_certificate = self.credentials.ca.first().map(|der| der.to_vec()).unwrap_or_default();
        let command = Command::FoundCluster(FoundCluster {
            cluster: cluster_of(&self.credentials),
            ca_certificate,
            node: ids::NodeKey(self.own.key.0),
            storage: storage.identity().storage,
        });
        let founded = consensus.found(encode_command(&command)).await;
        founded.map(drop).map_err(|error| NodeError::Found { reason: error.to_string() })
    }
}

fn cluster_of(credentials: &Credentials) -> ids::ClusterId {
    ids::ClusterId(credentials.own.cluster.0)
}

async fn open_directory(config: &Config, credentials: &Credentials) -> Result<Found, NodeError> {
    let (path, cluster) = (config.node.data_dir.clone(), cluster_of(credentials));
    Ok(blocking(move || open::open(&path, cluster)).await?)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, quorla_consensus::StartError> + Send + 'static,
) -> Result<T, quorla_consensus::StartError> {
    tokio::task::spawn_blocking(work).await.expect("opening a directory does not panic")
}

async fn stoppable(work: impl Future<Output = ()>, mut stopping: watch::Receiver<bool>) {
    tokio::select! {
        () = work => {}
        _ = stopping.wait_for(|stopping| *stopping) => {}
    }
}
