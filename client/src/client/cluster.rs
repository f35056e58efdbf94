//! Calls about the cluster: nodes, status and the hashes that show that replicas agree.

use std::collections::{BTreeMap, BTreeSet};

use super::{Client, call_for, patience::Patience};
use crate::error::Error;
use crate::reply::Reply;
use crate::request::{ContentHashQuery, DrainNode, LabelNode, NodeQuery, NodeWait, Request};
use crate::view::{ClusterStatus, ContentHash, NodeDetail, NodeLabels, NodeView, NodeWork};

/// How a node drains. Of one that drains already, what is not said stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DrainTerms {
    /// What still runs there so many milliseconds from now is stopped and runs again elsewhere; none: it is let end.
    pub deadline_ms: Option<u64>,
    /// Why, for people.
    pub reason: Option<String>,
    /// Whether the node is forgotten once nothing runs there and its process has stopped.
    pub leaves: bool,
}

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
        self.drain_node_on(node, DrainTerms::default(), idempotency_key).await
    }

    /// Gives a node nothing new from now on, and says what becomes of what runs there. Tells what that is.
    ///
    /// # Errors
    /// [`Error::Refused`] with `not_found` when there is no such node, with `node_votes` when one is to leave that votes;
    /// as every mutating call.
    pub async fn drain_node_on(
        &self,
        node: &str,
        terms: DrainTerms,
        idempotency_key: Option<String>,
    ) -> Result<NodeWork, Error> {
        let DrainTerms { deadline_ms, reason, leaves } = terms;
        let (request_id, node, draining) = (self.draw_request_id(), node.to_owned(), true);
        self.ask_to_drain(DrainNode { request_id, node, draining, idempotency_key, deadline_ms, reason, leaves }).await
    }

    /// Gives a node work again, and takes back that it leaves; a success for one that does not drain.
    ///
    /// # Errors
    /// As [`Client::drain_node`].
    pub async fn undrain_node(&self, node: &str, idempotency_key: Option<String>) -> Result<NodeWork, Error> {
        let (request_id, node, draining) = (self.draw_request_id(), node.to_owned(), false);
        let (deadline_ms, reason, leaves) = (None, None, false);
        self.ask_to_drain(DrainNode { request_id, node, draining, idempotency_key, deadline_ms, reason, leaves }).await
    }

    /// One node with the first page of what runs there; see [`Client::node_page`].
    ///
    /// # Errors
    /// [`Error::Refused`] with `not_found` when there is no such node.
    pub async fn node(&self, node: &str) -> Result<NodeDetail, Error> {
        self.node_page(node, None, None).await
    }

    /// One node with a page of what runs there, after `next` of the page before.
    ///
    /// # Errors
    /// As [`Client::node`].
    pub async fn node_page(&self, node: &str, after: Option<u64>, limit: Option<u32>) -> Result<NodeDetail, Error> {
        let query = NodeQuery { node: node.to_owned(), after, limit, read: self.read };
        let detail: Result<Box<NodeDetail>, Error> = call_for!(self, Request::NodeInfo(query), None, Reply::Node);
        detail.map(|detail| *detail)
    }

    /// Sets and removes labels of a node; tells those that it has then.
    ///
    /// # Errors
    /// [`Error::Refused`] with `not_found` when there is no such node, with `invalid_request` for a label that is the
    /// node's own; as every mutating call.
    pub async fn label_node(
        &self,
        node: &str,
        set: BTreeMap<String, String>,
        remove: BTreeSet<String>,
        idempotency_key: Option<String>,
    ) -> Result<NodeLabels, Error> {
        let (request_id, node) = (self.draw_request_id(), node.to_owned());
        let asked = LabelNode { request_id, node, set, remove, idempotency_key };
        call_for!(self, Request::LabelNode(asked), None, Reply::NodeLabels)
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

    async fn ask_to_drain(&self, asked: DrainNode) -> Result<NodeWork, Error> {
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
