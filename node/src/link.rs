//! ractor_cluster between nodes, over a stream of the bulk connection: inspection and attach, nothing that ownership
//! depends on (R20).
//!
//! Of each pair the node with the smaller key dials, again and again while gossip shows the other as live. ractor wants
//! a shared secret, and opens a TCP listener that can't be switched off: it is bound to 127.0.0.1 with a port of the
//! system's choice, and the secret is random. Nodes agree on it over their verified streams, the smallest one wins, so
//! no other process of the machine can know it. The registry of actors is global to a process: one link for each.

mod inspector;
mod server;
mod stream;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quinn::{RecvStream, SendStream};
use thiserror::Error;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::endpoint::{DialError, Endpoint, LINK_CHANNEL, PeerAddress, RawStream, Traffic};
use crate::frames::StreamHeader;
use crate::gossip::Members;
use crate::identity::KeyId;

use server::{COOKIE_BYTES, Cookie, Server};
use stream::LinkStream;

pub use inspector::{InspectError, Inspection};

/// Pause between attempts to link with members that are not linked.
const RELINK_PAUSE: Duration = Duration::from_secs(2);
/// How long the exchange of secrets may take.
const GREETING_MAX: Duration = Duration::from_secs(5);
const STOP_MAX: Duration = Duration::from_secs(2);

/// Why there is no link.
#[derive(Debug, Error)]
pub enum LinkError {
    /// An actor did not start.
    #[error("start the link's actors: {0}")]
    Start(#[from] ractor::SpawnErr),
    /// The peer could not be reached.
    #[error("link: {0}")]
    Dial(#[from] DialError),
    /// The stream broke before both sides agreed.
    #[error("link: the greeting failed: {reason}")]
    Greeting {
        /// Why.
        reason: String,
    },
}

/// The links of this node. Clones share them.
#[derive(Clone)]
pub struct ClusterLink {
    shared: Arc<Shared>,
}

struct Shared {
    endpoint: Endpoint,
    server: tokio::sync::Mutex<Server>,
    inspector: ractor::ActorRef<inspector::InspectorMessage>,
    /// Peers with a stream that has not ended.
    linked: Arc<Mutex<HashSet<KeyId>>>,
    stopping: CancellationToken,
    tasks: TaskTracker,
}

impl ClusterLink {
    /// Starts the node server and the inspector, and takes links that peers dial. Once in a process.
    pub async fn start(endpoint: Endpoint, about: Inspection) -> Result<Self, LinkError> {
        let own = endpoint.own().key;
        let inspector = inspector::start(own, about).await?;
        let server = Server::start(own, Cookie::random()).await?;
        let shared = Arc::new(Shared {
            endpoint: endpoint.clone(),
            server: tokio::sync::Mutex::new(server),
            inspector,
            linked: Arc::default(),
            stopping: CancellationToken::new(),
            tasks: TaskTracker::new(),
        });
        let link = Self { shared };
        let taker = link.clone();
        endpoint.routes().to_links(move |stream| taker.take(stream));
        Ok(link)
    }

    /// Keeps a link to every live member, until [`ClusterLink::stop`].
    pub fn follow(&self, members: watch::Receiver<Members>) {
        let link = self.clone();
        self.shared.tasks.spawn(async move { link.keep_linked(members).await });
    }

    /// Dials a peer and links with it.
    pub async fn connect(&self, peer: &PeerAddress) -> Result<(), LinkError> {
        let connection = self.shared.endpoint.connect(peer, Traffic::Bulk).await?;
        let (mut send, recv) = connection.open_bi().await.map_err(|error| greeting(&error))?;
        let header = StreamHeader { group: 0, channel: LINK_CHANNEL };
        send.write_all(&header.encode()).await.map_err(|error| greeting(&error))?;
        self.join(peer.key, send, recv, false).await
    }

    /// Asks a linked peer about itself; the wait has an end, for a link may be dead and nobody knows it yet.
    pub async fn inspect(&self, peer: KeyId, within: Duration) -> Result<Inspection, InspectError> {
        inspector::ask(peer, within).await
    }

    /// Ends all links and stops the actors.
    pub async fn stop(&self) {
        self.shared.stopping.cancel();
        self.shared.tasks.close();
        let stopped = async {
            self.shared.server.lock().await.stop().await;
            // An actor that is gone already needs no stop.
            let _ = self.shared.inspector.stop_and_wait(None, None).await;
            self.shared.tasks.wait().await;
        };
        if tokio::time::timeout(STOP_MAX, stopped).await.is_err() {
            tracing::warn!("the cluster link did not stop in time");
        }
    }

    /// Takes a stream that a peer dialled.
    fn take(&self, stream: RawStream) {
        let link = self.clone();
        self.shared.tasks.spawn(async move {
            let RawStream { from, send, recv } = stream;
            if let Err(error) = link.join(from.key, send, recv, true).await {
                tracing::debug!(peer = %from.name, %error, "link not joined");
            }
        });
    }

    /// Agrees on the secret and hands the stream to ractor.
    async fn join(
        &self,
        peer: KeyId,
        mut send: SendStream,
        mut recv: RecvStream,
        accepted: bool,
    ) -> Result<(), LinkError> {
        let own = self.shared.server.lock().await.cookie();
        let exchange = exchange(&mut send, &mut recv, own);
        let theirs = tokio::time::timeout(GREETING_MAX, exchange)
            .await
            .map_err(|_| LinkError::Greeting { reason: "no answer in time".to_owned() })??;
        let mut server = self.shared.server.lock().await;
        server.adopt(theirs).await?;
        self.lock_linked().insert(peer);
        let ended = {
            let linked = self.shared.linked.clone();
            move || forget(&linked, peer)
        };
        server.open(LinkStream::new(send, recv, peer, Box::new(ended)), accepted);
        Ok(())
    }

    async fn keep_linked(&self, mut members: watch::Receiver<Members>) {
        loop {
            let current = members.borrow_and_update().clone();
            self.link_missing(&current).await;
            tokio::select! {
                () = self.shared.stopping.cancelled() => return,
                () = tokio::time::sleep(RELINK_PAUSE) => {}
                changed = members.changed() => if changed.is_err() { return },
            }
        }
    }

    async fn link_missing(&self, members: &Members) {
        let own = self.shared.endpoint.own().key;
        for member in members.iter().filter(|member| member.key > own) {
            if self.lock_linked().contains(&member.key) {
                continue;
            }
            let peer = PeerAddress { key: member.key, address: member.address.clone() };
            if let Err(error) = self.connect(&peer).await {
                tracing::debug!(peer = %member.name, %error, "not linked");
            }
        }
    }

    fn lock_linked(&self) -> std::sync::MutexGuard<'_, HashSet<KeyId>> {
        self.shared.linked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn forget(linked: &Mutex<HashSet<KeyId>>, peer: KeyId) {
    linked.lock().unwrap_or_else(PoisonError::into_inner).remove(&peer);
}

async fn exchange(send: &mut SendStream, recv: &mut RecvStream, own: Cookie) -> Result<Cookie, LinkError> {
    send.write_all(&own.0).await.map_err(|error| greeting(&error))?;
    let mut theirs = [0; COOKIE_BYTES];
    recv.read_exact(&mut theirs).await.map_err(|error| greeting(&error))?;
    Ok(Cookie(theirs))
}

fn greeting(error: &impl std::error::Error) -> LinkError {
    LinkError::Greeting { reason: error.to_string() }
}
