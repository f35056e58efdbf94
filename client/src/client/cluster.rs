//! Calls about the cluster: nodes, status and the hashes that show that replicas agree.

use super::{Client, call_for};
use crate::error::Error;
use crate::reply::Reply;
use crate::request::{ContentHashQuery, Request};
use crate::view::{ClusterStatus, ContentHash, NodeView};

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
