//! The memory transport does what every transport must.

use futures::future::BoxFuture;
use quorla_consensus::transport::memory::{Incoming, MemoryNetwork, MemoryTransport};
use quorla_consensus::transport::suite::{self, Subject};
use quorla_consensus::{Channel, Duplex, Peer, Transport};
use tokio::sync::{Mutex, mpsc};

struct Memory {
    transport: MemoryTransport,
    incoming: Mutex<mpsc::Receiver<Incoming>>,
}

fn peer(number: u8) -> Peer {
    Peer { raft_id: u64::from(number), node_key: [number; 32], address: String::new() }
}

impl Subject for Memory {
    fn transport(&self) -> &dyn Transport {
        &self.transport
    }

    fn peer(&self) -> Peer {
        peer(2)
    }

    fn absent_peer(&self) -> Peer {
        peer(3)
    }

    fn accept(&self) -> BoxFuture<'_, Option<(u16, Channel, Duplex)>> {
        Box::pin(async move {
            let stream = self.incoming.lock().await.recv().await?;
            Some((stream.group, stream.channel, stream.duplex))
        })
    }
}

#[tokio::test]
async fn memory_transport_passes_the_suite() {
    let network = MemoryNetwork::new(1);
    let (transport, _unused) = network.join([1; 32]);
    let (_, incoming) = network.join([2; 32]);
    suite::run(&Memory { transport, incoming: Mutex::new(incoming) }).await.unwrap();
}
