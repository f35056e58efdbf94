//! One attempt to reach a peer: resolve, shake hands on the right thread, give up in time. No memory of earlier ones.

use std::net::SocketAddr;
use std::time::Duration;

use quinn::Connection;
use quorla_client::SERVER_NAME;

use super::{DialError, PeerAddress, Refusal, Shared, Traffic};
use crate::identity::KeyId;

/// How long one attempt may take; a peer of the same network answers in milliseconds.
const DIAL_MAX: Duration = Duration::from_secs(2);

/// Dials the addresses of `peer` one after the other until its key answers.
///
/// To be called on the runtime of `traffic`, as [`one`] is: a connection's driver stays on the thread that began it.
pub(super) async fn peer(shared: &Shared, peer: &PeerAddress, traffic: Traffic) -> Result<Connection, DialError> {
    let mut last = None;
    for address in resolve(&peer.address).await? {
        match one(shared, address, Some(peer.key), traffic).await {
            Ok(connection) => return Ok(connection),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| unresolved(&peer.address, "no address")))
}

/// Dials one address; `expected` is the key that must answer.
pub(super) async fn one(
    shared: &Shared,
    address: SocketAddr,
    expected: Option<KeyId>,
    traffic: Traffic,
) -> Result<Connection, DialError> {
    let refused = |refusal| DialError::Refused { address, refusal };
    let config =
        shared.tls.client_config(expected, traffic).map_err(|error| refused(Refusal::Other(error.to_string())))?;
    let connecting = shared
        .quic
        .connect_with(config, address, SERVER_NAME)
        .map_err(|source| DialError::Start { address, source })?;
    match tokio::time::timeout(DIAL_MAX, connecting).await {
        Ok(Ok(connection)) => {
            shared.observed.add(traffic.carries(), &connection);
            Ok(connection)
        }
        Ok(Err(error)) => Err(refused(Refusal::of(&error))),
        Err(_) => Err(DialError::TimedOut { address, waited_ms: DIAL_MAX.as_millis() }),
    }
}

async fn resolve(address: &str) -> Result<Vec<SocketAddr>, DialError> {
    if let Ok(address) = address.parse() {
        return Ok(vec![address]);
    }
    match tokio::net::lookup_host(address).await {
        Ok(found) => Ok(found.collect()),
        Err(error) => Err(unresolved(address, &error.to_string())),
    }
}

fn unresolved(address: &str, reason: &str) -> DialError {
    DialError::Resolve { address: address.to_owned(), reason: reason.to_owned() }
}
