//! ractor's node server and the secret it authenticates with.

use std::net::{IpAddr, Ipv4Addr};

use ractor::{Actor, ActorRef, SpawnErr};
use ractor_cluster::node::NodeConnectionMode;
use ractor_cluster::{NodeServer, NodeServerMessage};

use super::stream::LinkStream;
use crate::identity::KeyId;

pub(super) const COOKIE_BYTES: usize = 32;
/// Largest frame that a peer may send over a link.
const FRAME_BYTES_MAX: u64 = 4 << 20;

/// The shared secret of ractor's sessions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cookie(pub(super) [u8; COOKIE_BYTES]);

impl Cookie {
    pub(super) fn random() -> Self {
        Self(rand::random())
    }

    fn text(self) -> String {
        KeyId(self.0).to_string()
    }
}

/// The running node server.
pub(super) struct Server {
    own: KeyId,
    cookie: Cookie,
    actor: ActorRef<NodeServerMessage>,
}

impl Server {
    pub(super) async fn start(own: KeyId, cookie: Cookie) -> Result<Self, SpawnErr> {
        Ok(Self { own, cookie, actor: spawn(own, cookie).await? })
    }

    pub(super) fn cookie(&self) -> Cookie {
        self.cookie
    }

    /// Takes over a peer's secret if it is smaller: so all nodes end with the same one. Sessions under the old secret
    /// end with their server and are dialled again.
    pub(super) async fn adopt(&mut self, theirs: Cookie) -> Result<(), SpawnErr> {
        if theirs < self.cookie {
            self.stop().await;
            self.actor = spawn(self.own, theirs).await?;
            self.cookie = theirs;
        }
        Ok(())
    }

    pub(super) fn open(&self, stream: LinkStream, accepted: bool) {
        let opened = NodeServerMessage::ConnectionOpenedExternal { stream: Box::new(stream), is_server: accepted };
        if self.actor.cast(opened).is_err() {
            tracing::debug!("link dropped: the node server is stopping");
        }
    }

    pub(super) async fn stop(&self) {
        // A server that is gone already needs no stop.
        let _ = self.actor.stop_and_wait(None, None).await;
    }
}

/// The key stands in both names: ractor takes two nodes with one name, or one host and port, for the same.
async fn spawn(own: KeyId, cookie: Cookie) -> Result<ActorRef<NodeServerMessage>, SpawnErr> {
    let server =
        NodeServer::new(0, cookie.text(), own.to_string(), own.to_string(), None, Some(NodeConnectionMode::Isolated))
            .with_listen_addr(IpAddr::V4(Ipv4Addr::LOCALHOST))
            .with_max_inbound_frame_size(FRAME_BYTES_MAX);
    Ok(Actor::spawn(None, server, ()).await?.0)
}
