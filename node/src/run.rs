//! One node, from configuration to a running member and back: start in dependency order, stop in reverse.
//!
//! Start: identity, endpoint, HTTP (alive, not ready), gossip, storage (opened, founded, or admitted by a member),
//! consensus, actors, client plane. A step that fails undoes those before it by dropping them. Stop: refuse clients, drain
//! attempts, hand leadership over, flush, close; each step has its time.

mod error;
mod join;
mod open;
mod ready;
mod report;
mod serve;

use std::{
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use quorla_actors::{Root, RootSettings};
use quorla_consensus::{Consensus, Fatal, Role, Settings, Storage, Tuning};
use quorla_ledger::{Defect, codec::encode_command, command::{Command, FoundCluster}, ids};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::{
    clock::SystemClock,
    config::Config,
    dispatch::{About, Dispatch},
    endpoint::{Endpoint, EndpointSettings, Routes},
    gossip::{ChitchatGossip, Gossip as _, GossipSettings, Load, Member},
    http::{Gate, HttpServer, HttpSettings, Readiness, operator_routes},
    identity::Credentials,
    link::ClusterLink,
    metrics::Metrics,
    transport::QuicTransport,
};

pub use error::NodeError;
pub use ready::{READY_FILE, Ready};

/// The one Raft group of today.
const GROUP: quorla_consensus::GroupId = quorla_consensus::GroupId(0);
/// How long leadership may take to move when this node stops.
const TRANSFER_MAX: Duration = Duration::from_secs(2);

/// A running node.
pub struct Node {
    ready: Ready,
    consensus: Consensus,
    storage: Arc<Storage>,
    root: Root,
    dispatch: Dispatch,
    endpoint: Endpoint,
    gossip: Arc<ChitchatGossip>,
    link: ClusterLink,
    http: HttpServer,
    gate: Gate,
    tasks: TaskTracker,
    tick: watch::Sender<bool>,
}

/// What starts beside the configuration.
#[derive(Clone, Debug, Default)]
pub struct StartOptions {
    /// Creates the cluster if the data directory is new: for its first node, once in its life (R25).
    pub found: bool,
    /// How the node runs its warden: program and arguments.
    pub warden: Vec<String>,
}
