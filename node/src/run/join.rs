//! How a new storage becomes a member: it asks whoever gossip shows until one admits it (R1).

use std::time::Duration;

use quorla_consensus::{Admission, Peer, request_admission};
use quorla_ledger::ids::StorageId;
use tokio::sync::watch;

use super::GROUP;
use crate::{
    gossip::{Member, Members},
    http::Gate,
    identity::KeyId,
    transport::QuicTransport,
};

/// Pause between two rounds of asking.
const ASK_PAUSE: Duration = Duration::from_millis(250);

/// Asks for admission until it is given. Ends only with the node.
pub(super) async fn ask(
    transport: &QuicTransport,
    members: watch::Receiver<Members>,
    own: &Member,
    storage: StorageId,
    gate: &Gate,
) -> Admission {
    loop {
        let others = others(&members.borrow(), own.key);
        for member in &others {
            let peer = Peer { raft_id: 0, node_key: member.key.0, address: member.address.clone() };
            match request_admission(transport, &peer, GROUP, storage, own.address.clone()).await {
                Ok(admission) => {
                    tracing::info!(raft_id = admission.raft_id.0, by = %member.name, "this storage is admitted");
                    return admission;
                }
                Err(error) => {
                    tracing::debug!(by = %member.name, %error, "not admitted yet");
                    gate.close(format!("asks to be admitted: {error}"));
                }
            }
        }
        if others.is_empty() {
            gate.close("asks to be admitted: no other member is seen yet; are cluster.seeds right?");
        }
        tokio::time::sleep(ASK_PAUSE).await;
    }
}

fn others(members: &Members, own: KeyId) -> Vec<Member> {
    members.iter().filter(|member| member.key != own).cloned().collect()
}
