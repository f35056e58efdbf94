//! Calls about the cluster: nodes, status and the hashes that show that replicas agree.

use super::{Client, call_for, patience::Patience};
use crate::error::Error;
use crate::reply::Reply;
use crate::request::{ContentHashQuery, DrainNode, NodeWait, Request};
use crate::view::{ClusterStatus, ContentHash, NodeView, NodeWork};

impl Client {
    /// Every node.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when there is no quorum to read with.
    pub async fn nodes(&self) -> Result<Vec<NodeView>, Error> {
        call_for!(self, Request::Nodes(self.read), None, Reply::Nodes)
    }

    /// The cluster as the node that this client is connected to sees it; works without a quorum.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when no node answers.
    pub async fn status(&self) -> Result<ClusterStatus, Error> {
        let status: Result<Box<ClusterStatus>, Error> = call_for!(self, Request::Status, None, Reply::Status);
        status.map(|status| *status)
    }

    /// Gives a node nothing new from now on; what runs there goes on. Tells what that is.
    ///
    /// # Errors
    /// [`Error::Refused`] with `not_found` when there is no such node; as every mutating call.
    pub async fn drain_node(&self, node: &str, idempotency_key: Option<String>) -> Result<NodeWork, Error> {
        self.set_draining(node, true, idempotency_key).await
    }

    /// Gives a node work again; a success for one that does not drain.
    ///
    /// # Errors
    /// As [`Client::drain_node`].
    pub async fn undrain_node(&self, node: &str, idempotency_key: Option<String>) -> Result<NodeWork, Error> {
        self.set_draining(node, false, idempotency_key).await
    }

    /// What runs on a node.
    ///
    /// # Errors
    /// [`Error::Refused`] with `not_found` when there is no such node.
    pub async fn node_work(&self, node: &str) -> Result<NodeWork, Error> {
        self.node_work_within(node, 0).await
    }

    /// Waits until nothing runs on a draining node, or for so many milliseconds.
    ///
    /// # Errors
    /// [`Error::NodeWaitTimedOut`] when the time is up; [`Error::NodeUndrained`] when it is given work again meanwhile;
    /// [`Error::Refused`] when there is no such node.
    pub async fn wait_for_drained(&self, node: &str, timeout_ms: Option<u64>) -> Result<NodeWork, Error> {
        let patience = Patience::new(timeout_ms);
        let timed_out = |attempts, timeout_ms| Error::NodeWaitTimedOut { node: node.to_owned(), attempts, timeout_ms };
        let mut attempts = None;
        loop {
            let asking = self.node_work_within(node, patience.round_ms());
            let work = patience.ask(asking).await.map_err(|timeout_ms| timed_out(attempts, timeout_ms))??;
            attempts = Some(work.attempts);
            if !work.draining {
                return Err(Error::NodeUndrained { node: node.to_owned() });
            }
            if work.attempts == 0 {
                return Ok(work);
            }
            if let Some(timeout_ms) = patience.passed() {
                return Err(timed_out(attempts, timeout_ms));
            }
        }
    }

    async fn node_work_within(&self, node: &str, timeout_ms: u64) -> Result<NodeWork, Error> {
        let wait = NodeWait { node: node.to_owned(), timeout_ms, read: self.read };
        call_for!(self, Request::WaitForNode(wait), None, Reply::NodeWork)
    }

    async fn set_draining(&self, node: &str, draining: bool, key: Option<String>) -> Result<NodeWork, Error> {
        let request_id = self.draw_request_id();
        let asked = DrainNode { request_id, node: node.to_owned(), draining, idempotency_key: key };
        call_for!(self, Request::DrainNode(asked), None, Reply::NodeWork)
    }

    /// Lets every replica hash all its tables at one index, which is returned.
    ///
    /// # Errors
    /// As every mutating call.
    pub async fn mark_content_hash(&self) -> Result<u64, Error> {
        let request = Request::MarkContentHash(self.draw_request_id());
        call_for!(self, request, None, Reply::ContentHashMarked)
    }

    /// The hash that the node that this client is connected to computed for a mark; see [`crate::Options::pinned_to`].
    ///
    /// # Errors
    /// [`Error::Refused`] with `not_found` when the node has no hash of that index in time.
    pub async fn content_hash(&self, index: u64, timeout_ms: u64) -> Result<ContentHash, Error> {
        let query = ContentHashQuery { index, timeout_ms };
        call_for!(self, Request::ContentHash(query), None, Reply::ContentHash)
    }
}
