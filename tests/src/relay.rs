//! A relay of datagrams between one client and one node, which can lose everything that the node says.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::net::UdpSocket;
use tokio::task::JoinSet;

const DATAGRAM_BYTES_MAX: usize = 65_536;

/// See the module. It ends when it is dropped.
pub struct Relay {
    address: SocketAddr,
    losing: Arc<AtomicBool>,
    lost: Arc<AtomicU64>,
    _tasks: JoinSet<()>,
}

impl Relay {
    /// A relay to that address, which loses nothing yet. Each client behind it gets a port of its own towards the node.
    ///
    /// # Panics
    /// When there is no socket.
    pub async fn to(node: &str) -> Self {
        let node: SocketAddr = node.parse().expect("a node tells an address");
        let front = Arc::new(UdpSocket::bind("127.0.0.1:0").await.expect("a socket"));
        let address = front.local_addr().expect("a bound socket has an address");
        let (losing, lost) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut tasks = JoinSet::new();
        tasks.spawn(forward(front, node, Arc::clone(&losing), Arc::clone(&lost)));
        Self { address, losing, lost, _tasks: tasks }
    }

    /// Where clients connect to.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Whether what the node says is lost from now on.
    pub fn lose_replies(&self, losing: bool) {
        self.losing.store(losing, Ordering::SeqCst);
    }

    /// Datagrams lost so far.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::SeqCst)
    }
}

async fn forward(front: Arc<UdpSocket>, node: SocketAddr, losing: Arc<AtomicBool>, lost: Arc<AtomicU64>) {
    let mut backs: Vec<(SocketAddr, Arc<UdpSocket>)> = Vec::new();
    let mut replies = JoinSet::new();
    let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
    // The client and the node bear losses, so a failed send is one.
    while let Ok((length, client)) = front.recv_from(&mut datagram).await {
        let known = backs.iter().find(|(of, _)| *of == client).map(|(_, back)| Arc::clone(back));
        let back = match known {
            Some(back) => back,
            None => {
                let back = Arc::new(UdpSocket::bind("127.0.0.1:0").await.expect("a socket"));
                let to = (Arc::clone(&front), client);
                replies.spawn(reply(Arc::clone(&back), to, Arc::clone(&losing), Arc::clone(&lost)));
                backs.push((client, Arc::clone(&back)));
                back
            }
        };
        back.send_to(&datagram[..length], node).await.ok();
    }
}

async fn reply(
    back: Arc<UdpSocket>,
    (front, client): (Arc<UdpSocket>, SocketAddr),
    losing: Arc<AtomicBool>,
    lost: Arc<AtomicU64>,
) {
    let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
    while let Ok((length, _)) = back.recv_from(&mut datagram).await {
        if losing.load(Ordering::SeqCst) {
            lost.fetch_add(1, Ordering::SeqCst);
        } else {
            front.send_to(&datagram[..length], client).await.ok();
        }
    }
}
