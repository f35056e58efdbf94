//! Links and inspection between two processes: ractor's registry is global to one, so the peer is this binary again.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use quorla_node::endpoint::{Endpoint, PeerAddress};
use quorla_node::gossip::Member;
use quorla_node::identity::{Credentials, KeyFiles, KeyId};
use quorla_node::link::{ClusterLink, Inspection};
use tokio::sync::watch;

use crate::rig::{Rig, endpoint, soon};

/// Set for the child: where its keys lie, and where it binds.
const KEYS: &str = "QUORLA_TEST_LINK_KEYS";
const BIND: &str = "QUORLA_TEST_LINK_BIND";
const READY: &str = "bound to ";

fn about(name: &str) -> Inspection {
    Inspection { name: name.to_owned(), version: "1.2.3".to_owned(), ..Inspection::default() }
}

/// The child's side; without the environment that the parent sets there is nothing to do.
#[tokio::test(flavor = "multi_thread")]
async fn peer_process() {
    let (Ok(keys), Ok(bind)) = (std::env::var(KEYS), std::env::var(BIND)) else {
        return;
    };
    let credentials = Credentials::load(&KeyFiles::within(Path::new(&keys), "node")).unwrap();
    let endpoint = endpoint(credentials, bind.parse().unwrap());
    let _link = ClusterLink::start(endpoint.clone(), about("child")).await.unwrap();
    println!("\n{READY}{}", endpoint.local_addr().unwrap());
    std::io::stdout().flush().unwrap();
    // Until the parent closes the pipe or kills this process.
    tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await.unwrap().unwrap();
}

/// The peer; killed when dropped.
struct Peer(Child);

impl Peer {
    fn spawn(keys: &Path, bind: SocketAddr) -> (Self, SocketAddr) {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["link::peer_process", "--exact", "--nocapture", "--test-threads=1"])
            .env(KEYS, keys)
            .env(BIND, bind.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let peer = Self(child);
        let bound = lines.map(Result::unwrap).find_map(|line| Some(line.strip_prefix(READY)?.parse().unwrap()));
        (peer, bound.expect("the peer says where it is bound"))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Two places of the rig, the one with the smaller key first: it dials.
fn dialler_and_peer(rig: &Rig) -> (usize, usize) {
    if rig.key(0) < rig.key(1) { (0, 1) } else { (1, 0) }
}

async fn answer(link: &ClusterLink, peer: KeyId) -> Inspection {
    loop {
        if let Ok(inspection) = link.inspect(peer, Duration::from_secs(5)).await {
            return inspection;
        }
        tokio::task::yield_now().await;
    }
}

async fn start(
    endpoint: &Endpoint,
    peer: KeyId,
    address: SocketAddr,
) -> (ClusterLink, watch::Sender<Arc<Vec<Member>>>) {
    let member = Member {
        key: peer,
        name: "child".to_owned(),
        address: address.to_string(),
        version: String::new(),
        labels: Default::default(),
    };
    let (publish, members) = watch::channel(Arc::new(vec![member]));
    let link = ClusterLink::start(endpoint.clone(), about("parent")).await.unwrap();
    link.follow(members);
    (link, publish)
}

#[tokio::test(flavor = "multi_thread")]
async fn peer_is_inspected_over_a_link_and_again_after_it_was_killed() {
    let rig = Rig::new();
    let (own, other) = dialler_and_peer(&rig);
    let keys = rig.cluster.nodes[other].directory.join("keys");
    let (peer, address) = Peer::spawn(&keys, "127.0.0.1:0".parse().unwrap());
    let endpoint = rig.endpoint(own);
    let (link, _members) = start(&endpoint, rig.key(other), address).await;
    let inspection = soon(answer(&link, rig.key(other))).await;
    assert_eq!((inspection.name.as_str(), inspection.version.as_str()), ("child", "1.2.3"));
    assert!(inspection.actors >= 2 && inspection.rss_bytes.is_some(), "{inspection:?}");
    drop(peer);
    // The same node at the same address: its stateless resets end the dead connection at once.
    let (_again, _) = Peer::spawn(&keys, address);
    // The first one was waited for: whoever answers now is the second.
    let reborn = soon(answer(&link, rig.key(other))).await;
    assert_eq!(reborn.name, "child");
    link.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn peer_without_a_link_is_not_inspected() {
    let rig = Rig::new();
    let endpoint = rig.endpoint(0);
    let link = ClusterLink::start(endpoint.clone(), about("alone")).await.unwrap();
    let nobody = PeerAddress { key: rig.key(1), address: "127.0.0.1:1".to_owned() };
    assert!(soon(link.connect(&nobody)).await.is_err());
    assert!(link.inspect(rig.key(1), Duration::from_secs(1)).await.is_err());
    let own = soon(link.inspect(rig.key(0), Duration::from_secs(5))).await.unwrap();
    assert_eq!(own.name, "alone");
    link.stop().await;
}
