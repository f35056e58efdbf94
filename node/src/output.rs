//! Output of attempts wherever it is kept: on this node, or read from another over the node plane.
//!
//! Owns the bounds of reading elsewhere: pages under way, and how long a node is waited for. What is missing, and why, is
//! decided by who asked.

use std::sync::Arc;
use std::time::Duration;

use quorla_actors::output::{OutputStore, Page, Query, ReadError, ask, serve};
use quorla_consensus::transport::{Channel, Duplex, Peer, Transport as _};
use thiserror::Error;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::identity::KeyId;
use crate::transport::QuicTransport;

/// Pages under way from other nodes; each takes a stream of a connection that carries much else (1,024 streams).
pub const PAGES_UNDER_WAY_MAX: usize = 512;
/// A node that is not reached within this is not reached.
const REACH_MAX: Duration = Duration::from_secs(2);
/// Beyond the time that it may wait for output, a node that is there answers within this.
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// Why a page could not be read.
#[derive(Debug, Error)]
pub enum NotRead {
    /// The node is not reached now.
    #[error("{0}")]
    Unreached(String),
    /// As many pages are under way as may be.
    #[error("{PAGES_UNDER_WAY_MAX} pages of output are under way, as many as there may be")]
    TooMany,
    /// The node can't read what it keeps.
    #[error("{0}")]
    Unreadable(String),
}

/// See the module. Clones share it.
#[derive(Clone)]
pub struct Output {
    own: KeyId,
    group: u16,
    store: Arc<OutputStore>,
    transport: QuicTransport,
    under_way: Arc<Semaphore>,
}

impl Output {
    /// What `store` keeps on the node with this key, and what others keep.
    pub fn new(own: KeyId, group: u16, store: Arc<OutputStore>, transport: QuicTransport) -> Self {
        Self { own, group, store, transport, under_way: Arc::new(Semaphore::new(PAGES_UNDER_WAY_MAX)) }
    }

    /// A page of what a node keeps of an attempt; where there is nothing yet, waits for it, `within` at the most.
    ///
    /// # Errors
    /// When the node is not reached, or can't read its files.
    pub async fn read(&self, node: KeyId, query: Query, within: Duration) -> Result<Page, NotRead> {
        if node == self.own {
            return self.store.read(query, within).await.map_err(|error| NotRead::Unreadable(error.to_string()));
        }
        let _place = self.under_way.try_acquire().map_err(|_| NotRead::TooMany)?;
        let unreached = |what: &str| NotRead::Unreached(format!("node {node} {what}"));
        let peer = Peer { raft_id: 0, node_key: node.0, address: String::new() };
        let opened = timeout(REACH_MAX, self.transport.open(&peer, self.group, Channel::OUTPUT)).await;
        let duplex = opened.map_err(|_| unreached("is not reached"))?.map_err(|error| unreached(&error.to_string()))?;
        let answer = timeout(within + ANSWER_MAX, ask(duplex, query, within)).await;
        answer.map_err(|_| unreached("does not answer"))?.map_err(|error| match error {
            ReadError::Unreadable(reason) => NotRead::Unreadable(reason),
            error => unreached(&error.to_string()),
        })
    }

    /// Answers a question of another node.
    pub async fn serve(self, duplex: Duplex) {
        if let Err(error) = serve(&self.store, duplex).await {
            tracing::debug!(%error, "a page of output was not delivered");
        }
    }
}
