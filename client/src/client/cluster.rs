//! Calls about the cluster: nodes, status and the hashes that show that replicas agree.

use super::{Client, call_for};
use crate::clock::Stopwatch;
use crate::error::Error;
use crate::limits::WAIT_MS_MAX;
use crate::refusal::{ErrorBody, ErrorCode};
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
        let wait = NodeWait { node: node.to_owned(), timeout_ms: 0, read: self.read };
        call_for!(self, Request::WaitForNode(wait), None, Reply::NodeWork)
    }

    /// Waits until nothing runs on a draining node, or for so many milliseconds.
    ///
    /// # Errors
    /// [`Error::NodeWaitTimedOut`] when the time is up; [`Error::Refused`] when there is no such node, or when it is
    /// given work again meanwhile.
    pub async fn wait_for_drained(&self, node: &str, timeout_ms: Option<u64>) -> Result<NodeWork, Error> {
        let since = Stopwatch::start();
        loop {
            let left_ms = timeout_ms.map_or(WAIT_MS_MAX, |timeout| timeout.saturating_sub(since.elapsed_ms()));
            let wait = NodeWait { node: node.to_owned(), timeout_ms: left_ms.min(WAIT_MS_MAX), read: self.read };
            let work: Result<NodeWork, Error> = call_for!(self, Request::WaitForNode(wait), None, Reply::NodeWork);
            let work = work?;
            if !work.draining {
                let message = format!("wait for node {node}: it does not drain any more");
                let hint = format!("Someone gave it work again; drain it anew: quorla node drain {node}");
                return Err(ErrorBody::new(ErrorCode::InvalidRequest, message).hint(hint).into());
            }
            if work.attempts == 0 {
                return Ok(work);
            }
            if let Some(timeout_ms) = timeout_ms.filter(|timeout_ms| since.elapsed_ms() >= *timeout_ms) {
                return Err(Error::NodeWaitTimedOut { node: node.to_owned(), attempts: work.attempts, timeout_ms });
            }
        }
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
