//! The [`Gossip`] that chitchat makes: scuttlebutt reconciliation with a phi-accrual failure detector.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chitchat::{ChitchatConfig, ChitchatHandle, ChitchatId, FailureDetectorConfig, NodeState, spawn_chitchat};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::member::Member;
use super::wire::QuicWire;
use super::{Gossip, GossipError, GossipSettings, Members};
use crate::endpoint::Endpoint;

/// How long a deleted pair is remembered, and a dead member.
const TOMBSTONE_LIFE: Duration = Duration::from_secs(600);
const DEAD_MEMBER_LIFE: Duration = Duration::from_secs(3_600);
/// A member's heartbeat is heard this often in a round: as question, as answer and through others.
const HEARTBEATS_PER_ROUND: u32 = 3;
/// Heartbeats remembered for each member.
const SAMPLES: usize = 100;
const STOP_MAX: Duration = Duration::from_secs(1);

/// Gossip by chitchat.
pub struct ChitchatGossip {
    handle: Mutex<Option<ChitchatHandle>>,
    members: watch::Receiver<Members>,
    stopping: CancellationToken,
    tasks: TaskTracker,
}

impl ChitchatGossip {
    /// Starts to gossip over `endpoint`. Once for each endpoint.
    pub async fn start(settings: GossipSettings, endpoint: Endpoint) -> Result<Self, GossipError> {
        let address = resolve(&settings.own.address).await?;
        let tasks = TaskTracker::new();
        let wire = QuicWire::new(endpoint, tasks.clone());
        let pairs = settings.own.pairs();
        let (publish, members) = watch::channel(Members::new(vec![settings.own.clone()]));
        let handle = spawn_chitchat(configuration(settings, address), pairs, &wire)
            .await
            .map_err(|error| GossipError::Start { reason: error.to_string() })?;
        let live = handle.chitchat().lock().await.live_nodes_watcher();
        let stopping = CancellationToken::new();
        tasks.spawn(follow(live, publish, stopping.clone()));
        Ok(Self { handle: Mutex::new(Some(handle)), members, stopping, tasks })
    }

    async fn stop_now(&self) {
        self.stopping.cancel();
        self.tasks.close();
        let Some(handle) = self.handle.lock().await.take() else {
            return;
        };
        let stopped = async {
            // What it ended with does not matter any more.
            let _ = handle.shutdown().await;
            self.tasks.wait().await;
        };
        if tokio::time::timeout(STOP_MAX, stopped).await.is_err() {
            tracing::warn!("gossip did not stop in time");
        }
    }
}

impl Gossip for ChitchatGossip {
    fn members(&self) -> watch::Receiver<Members> {
        self.members.clone()
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        self.stop_now().boxed()
    }
}

fn configuration(settings: GossipSettings, address: SocketAddr) -> ChitchatConfig {
    let rounds = settings.suspect_after.as_secs_f64() / settings.interval.as_secs_f64();
    ChitchatConfig {
        chitchat_id: ChitchatId::new(settings.own.key.to_string(), settings.started_ms, address),
        cluster_id: settings.cluster,
        gossip_interval: settings.interval,
        listen_addr: address,
        seed_nodes: settings.seeds,
        failure_detector_config: FailureDetectorConfig {
            // phi is the silence in units of the usual pause between two heartbeats.
            phi_threshold: rounds * f64::from(HEARTBEATS_PER_ROUND),
            sampling_window_size: SAMPLES,
            max_interval: settings.interval * 10,
            initial_interval: settings.interval / HEARTBEATS_PER_ROUND,
            dead_node_grace_period: DEAD_MEMBER_LIFE,
        },
        marked_for_deletion_grace_period: TOMBSTONE_LIFE,
        catchup_callback: None,
        extra_liveness_predicate: None,
    }
}

/// Turns chitchat's live nodes into members until gossip stops.
async fn follow(
    mut live: watch::Receiver<BTreeMap<ChitchatId, NodeState>>,
    publish: watch::Sender<Members>,
    stopping: CancellationToken,
) {
    loop {
        let changed = tokio::select! {
            () = stopping.cancelled() => return,
            changed = live.changed() => changed,
        };
        if changed.is_err() {
            return;
        }
        let members = members_of(&live.borrow_and_update());
        crate::metrics::set_members_live(members.len());
        publish.send_if_modified(|current| {
            let changed = **current != members;
            if changed {
                *current = Arc::new(members);
            }
            changed
        });
    }
}

/// One member for each key: the latest life of each node wins.
fn members_of(live: &BTreeMap<ChitchatId, NodeState>) -> Vec<Member> {
    let mut latest: BTreeMap<&str, (u64, &NodeState)> = BTreeMap::new();
    for (id, state) in live {
        let newest = latest.entry(&id.node_id).or_insert((id.generation_id, state));
        if newest.0 < id.generation_id {
            *newest = (id.generation_id, state);
        }
    }
    latest.iter().filter_map(|(id, (_, state))| Member::read(id, state.key_values())).collect()
}

async fn resolve(address: &str) -> Result<SocketAddr, GossipError> {
    let refused = |reason| GossipError::Advertise { address: address.to_owned(), reason };
    let mut found = tokio::net::lookup_host(address).await.map_err(|error| refused(error.to_string()))?;
    let first = found.next().ok_or_else(|| refused("no address".to_owned()))?;
    if first.ip().is_unspecified() || first.port() == 0 {
        return Err(refused("others can't dial it; set node.advertise".to_owned()));
    }
    Ok(first)
}
