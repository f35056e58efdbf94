//! A group that has ended lets go of its stores, whoever still holds a stream to it.

use std::sync::Arc;

use quorla_consensus::transport::memory::MemoryNetwork;
use quorla_consensus::{
    Channel, Clock, Consensus, DataDirectory, FOUNDING_RAFT_ID, GroupId, Identity, Peer, Settings, Storage, Transport,
};
use quorla_ledger::defect::Defect;
use quorla_ledger::ids::{NodeKey, StorageId};

use crate::cluster::{TestClock, fast};
use crate::commands;

const OWN: [u8; 32] = [1; 32];
const PEER: [u8; 32] = [2; 32];

fn open(root: &std::path::Path) -> Arc<Storage> {
    let directory = DataDirectory::open(root).unwrap();
    directory.adopt(Identity { cluster: commands::CLUSTER, storage: StorageId(1), raft_id: FOUNDING_RAFT_ID }).unwrap();
    Storage::open(directory).unwrap()
}

async fn start(storage: &Arc<Storage>, transport: impl Transport) -> Result<Consensus, quorla_consensus::StartError> {
    let settings = Settings {
        storage: Arc::clone(storage),
        group: GroupId(0),
        node_key: OWN,
        address: String::new(),
        tuning: fast(),
        defect: Defect::None,
    };
    Consensus::start(settings, Arc::new(transport), TestClock::new() as Arc<dyn Clock>).await
}

/// As of a leader that was killed: its connection is there until it times out, and nothing comes any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_peer_does_not_keep_the_state_of_a_group_that_has_ended() {
    let root = tempfile::tempdir().unwrap();
    let network = MemoryNetwork::new(3);
    let (own, mut incoming) = network.join(OWN);
    let (peer, _) = network.join(PEER);
    let storage = open(root.path());
    let group = start(&storage, own.clone()).await.unwrap();
    let to = Peer { raft_id: 1, node_key: OWN, address: String::new() };
    let _silent = peer.open(&to, 0, Channel::APPEND).await.unwrap();
    let arrived = incoming.recv().await.unwrap();
    let mut serving = Box::pin(group.accept(NodeKey(PEER), arrived.channel, arrived.duplex));
    assert!(futures::poll!(&mut serving).is_pending(), "it waits for the peer");
    let (served, ()) = tokio::join!(serving, group.shutdown());
    served.unwrap();
    drop(group);
    tokio::task::spawn_blocking(move || storage.close()).await.unwrap();
    let again = start(&open(root.path()), own).await.expect("nobody holds the state any more");
    again.shutdown().await;
}
