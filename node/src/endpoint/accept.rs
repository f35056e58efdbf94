//! Takes incoming connections: bounds them, completes the handshake on the right thread, and checks role against plane.

use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::HandshakeData;
use quinn::{Connection, Incoming, VarInt};
use quorla_client::ALPN as CLIENT_ALPN;
use rustls::pki_types::CertificateDer;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::tls::{NODE_ALPN, traffic_of};
use super::{HANDSHAKES_MAX, Refusal, Shared, Traffic, clients, serve};
use crate::identity::{PeerCertificate, Role};
use crate::metrics::Carried;

/// How long a handshake may take.
const HANDSHAKE_MAX: Duration = Duration::from_secs(5);

/// Starts the loop that accepts until the endpoint is closed. It runs on the control thread.
pub(super) fn start(shared: &Arc<Shared>) {
    let quic = shared.quic.clone();
    let weak = Arc::downgrade(shared);
    let accepting = async move {
        while let Some(incoming) = quic.accept().await {
            // The loop must not keep the endpoint alive: without an owner there is nobody to serve.
            let Some(shared) = weak.upgrade() else { break };
            admit(&shared, incoming);
        }
    };
    shared.control.handle().spawn(shared.tasks.track_future(accepting));
}

fn admit(shared: &Arc<Shared>, incoming: Incoming) {
    let remote = incoming.remote_address();
    let Ok(permit) = shared.limits.handshakes.clone().try_acquire_owned() else {
        shared.refusals.write(remote, &Refusal::TooMany);
        return incoming.refuse();
    };
    // When it gets crowded, only who proves to receive at its address may go on (RFC 9000, section 8.1).
    let crowded = shared.limits.handshakes.available_permits() < HANDSHAKES_MAX / 2;
    if crowded && !incoming.remote_address_validated() && incoming.may_retry() {
        // `may_retry` was asked: it can't fail.
        let _ = incoming.retry();
        return;
    }
    let traffic = traffic_of(&incoming.orig_dst_cid());
    let runtime = shared.runtime(traffic);
    let task = handshake(shared.clone(), incoming, traffic, permit);
    runtime.spawn(shared.tasks.track_future(task));
}

async fn handshake(shared: Arc<Shared>, incoming: Incoming, traffic: Traffic, permit: OwnedSemaphorePermit) {
    let remote = incoming.remote_address();
    let connection = match tokio::time::timeout(HANDSHAKE_MAX, incoming.into_future()).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return shared.refusals.write(remote, &Refusal::of(&error)),
        Err(_) => return shared.refusals.write(remote, &Refusal::TimedOut),
    };
    drop(permit);
    match classify(&shared, &connection) {
        Ok((peer, permit)) if peer.role == Role::Node => {
            shared.observed.add(traffic.carries(), &connection);
            serve::node(shared, connection, Arc::new(peer), permit).await;
        }
        Ok((peer, permit)) => {
            shared.observed.add(Carried::Client, &connection);
            clients::hand_over(&shared, connection, peer, permit);
        }
        Err(refusal) => {
            shared.refusals.write(remote, &refusal);
            let code = VarInt::from_u32(refusal.close_code());
            connection.close(code, refusal.to_string().as_bytes());
        }
    }
}

/// Who this is, if its role may open the plane that it asked for.
fn classify(shared: &Shared, connection: &Connection) -> Result<(PeerCertificate, OwnedSemaphorePermit), Refusal> {
    let peer = peer_of(connection).ok_or(Refusal::WrongCluster)?;
    if peer.cluster != shared.own.cluster {
        return Err(Refusal::WrongCluster);
    }
    let plane = match alpn_of(connection).as_deref() {
        Some(NODE_ALPN) => Role::Node,
        Some(CLIENT_ALPN) => Role::Client,
        _ => return Err(Refusal::WrongAlpn),
    };
    if peer.role != plane {
        return Err(Refusal::WrongRole { role: peer.role });
    }
    let limit: &Arc<Semaphore> = match plane {
        Role::Node => &shared.limits.nodes,
        Role::Client => &shared.limits.clients,
    };
    let permit = limit.clone().try_acquire_owned().map_err(|_| Refusal::TooMany)?;
    Ok((peer, permit))
}

/// What the certificate of an established connection says.
pub(super) fn peer_of(connection: &Connection) -> Option<PeerCertificate> {
    let identity = connection.peer_identity()?;
    let chain = identity.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    PeerCertificate::parse(chain.first()?).ok()
}

fn alpn_of(connection: &Connection) -> Option<Vec<u8>> {
    connection.handshake_data()?.downcast::<HandshakeData>().ok()?.protocol
}
