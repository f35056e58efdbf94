//! The live connections that this node dialled: at most one for each peer and kind of traffic.
//!
//! Callers that need the same connection wait for one attempt; after a failure they are refused at once until the
//! back-off has passed. Connections that peers dialled to us are served elsewhere and never used to open streams.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use quinn::{Connection, VarInt};
use tokio::time::Instant;

use super::backoff::Backoff;
use super::{DialError, PeerAddress, Shared, Traffic, accept, code, dial};
use crate::identity::KeyId;

/// Addresses whose key is remembered; beyond, all are forgotten and learnt again.
const KNOWN_ADDRESSES_MAX: usize = 4_096;

#[derive(Default)]
pub(super) struct Pool {
    slots: Mutex<HashMap<(KeyId, Traffic), Arc<Slot>>>,
    /// Who answered at an address last time: a hint that saves a second connection.
    known: Mutex<HashMap<SocketAddr, KeyId>>,
    /// Attempts at addresses whose key is not known yet.
    strangers: Mutex<HashMap<SocketAddr, Arc<Slot>>>,
}

/// Held across an attempt, so that there is one at a time.
type Slot = tokio::sync::Mutex<SlotState>;

#[derive(Default)]
struct SlotState {
    connection: Option<Connection>,
    backoff: Backoff,
    /// The address of the last failed attempt; a new one is tried at once.
    failed_at: Option<String>,
}

impl SlotState {
    fn live(&self) -> Option<Connection> {
        self.connection.as_ref().filter(|connection| connection.close_reason().is_none()).cloned()
    }

    /// Whether an attempt at `address` is allowed now.
    fn may_dial(&mut self, address: &str) -> Result<(), DialError> {
        if self.failed_at.as_deref().is_some_and(|failed| failed != address) {
            self.backoff.reset();
        }
        match self.backoff.remaining(Instant::now()) {
            None => Ok(()),
            Some(rest) => Err(DialError::BackingOff { address: address.to_owned(), remaining_ms: rest.as_millis() }),
        }
    }

    fn settle(&mut self, address: &str, dialled: &Result<Connection, DialError>) {
        match dialled {
            Ok(connection) => {
                self.connection = Some(connection.clone());
                self.backoff.reset();
                self.failed_at = None;
            }
            Err(error) => {
                self.backoff.failed(Instant::now(), rand::random());
                self.failed_at = Some(address.to_owned());
                tracing::debug!(%error, "peer not reached");
            }
        }
    }
}

/// The live connection, or the outcome of an attempt that goes on even if the caller gives up: the next caller finds
/// its connection, or its failure and the back-off.
pub(super) async fn connect(
    shared: &Arc<Shared>,
    peer: &PeerAddress,
    traffic: Traffic,
) -> Result<Connection, DialError> {
    let slot = shared.pool.slot(peer.key, traffic);
    if let Some(connection) = slot.try_lock().ok().and_then(|state| state.live()) {
        return Ok(connection);
    }
    let (owned, peer) = (shared.clone(), peer.clone());
    let attempt = async move { dial_peer(&owned, &slot, &peer, traffic).await };
    run(shared, traffic, attempt).await
}

pub(super) async fn connect_any(shared: &Arc<Shared>, address: SocketAddr) -> Result<Connection, DialError> {
    if let Some(key) = shared.pool.known_key(address) {
        let peer = PeerAddress { key, address: address.to_string() };
        let connected = connect(shared, &peer, Traffic::Bulk).await;
        if matches!(connected, Err(DialError::Refused { .. })) {
            shared.pool.unlearn(address);
        }
        return connected;
    }
    let owned = shared.clone();
    run(shared, Traffic::Bulk, async move { dial_stranger(&owned, address).await }).await
}

/// Runs an attempt on the runtime of its traffic, whatever becomes of the caller.
async fn run(
    shared: &Shared,
    traffic: Traffic,
    attempt: impl Future<Output = Result<Connection, DialError>> + Send + 'static,
) -> Result<Connection, DialError> {
    let attempt = shared.tasks.spawn_on(attempt, shared.runtime(traffic));
    attempt.await.unwrap_or(Err(DialError::ShuttingDown))
}

async fn dial_peer(
    shared: &Shared,
    slot: &Slot,
    peer: &PeerAddress,
    traffic: Traffic,
) -> Result<Connection, DialError> {
    let mut state = slot.lock().await;
    if let Some(connection) = state.live() {
        return Ok(connection);
    }
    state.may_dial(&peer.address)?;
    let dialled = dial::peer(shared, peer, traffic).await;
    state.settle(&peer.address, &dialled);
    dialled
}

async fn dial_stranger(shared: &Shared, address: SocketAddr) -> Result<Connection, DialError> {
    let slot = shared.pool.stranger(address);
    let mut state = slot.lock().await;
    if let Some(connection) = state.live() {
        return Ok(connection);
    }
    state.may_dial(&address.to_string())?;
    let dialled = dial::one(shared, address, None, Traffic::Bulk).await;
    state.settle(&address.to_string(), &dialled);
    let connection = dialled?;
    let Some(peer) = accept::peer_of(&connection) else {
        return Ok(connection);
    };
    shared.pool.learn(address, peer.key);
    Ok(adopt(shared, peer.key, connection).await)
}

/// Makes a stranger's connection the one of its key, unless there is one already; gives back the one to use.
async fn adopt(shared: &Shared, key: KeyId, connection: Connection) -> Connection {
    let slot = shared.pool.slot(key, Traffic::Bulk);
    let mut state = slot.lock().await;
    if let Some(existing) = state.live() {
        connection.close(VarInt::from_u32(code::SHUTDOWN), b"there is a connection already");
        return existing;
    }
    state.connection = Some(connection.clone());
    state.backoff.reset();
    connection
}

impl Pool {
    fn slot(&self, key: KeyId, traffic: Traffic) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.entry((key, traffic)).or_default().clone()
    }

    fn stranger(&self, address: SocketAddr) -> Arc<Slot> {
        let mut strangers = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        if strangers.len() >= KNOWN_ADDRESSES_MAX {
            strangers.clear();
        }
        strangers.entry(address).or_default().clone()
    }

    fn known_key(&self, address: SocketAddr) -> Option<KeyId> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&address).copied()
    }

    fn learn(&self, address: SocketAddr, key: KeyId) {
        self.strangers.lock().unwrap_or_else(PoisonError::into_inner).remove(&address);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN_ADDRESSES_MAX {
            known.clear();
        }
        known.insert(address, key);
    }

    fn unlearn(&self, address: SocketAddr) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(&address);
    }
}
