//! A node taken out of work and given back, and who waits until nothing runs there.

use std::time::Duration;

use quorla_client::{
    DrainNode, ErrorBody, ErrorCode, JobId, NodeWait, NodeWork, ReadLevel, Reply,
    limits::{NAME_BYTES_MAX, WAIT_MS_MAX},
    nearest,
};
use quorla_ledger::{
    Command, command,
    ids::{self, NodeId, Principal},
    reply,
};
use tokio::time::{Instant, timeout_at};

use super::{Dispatch, list::bounded, refuse};

impl Dispatch {
    pub(super) async fn drain(&self, principal: Principal, asked: DrainNode) -> Result<(u64, Reply), ErrorBody> {
        let attempt = if asked.draining { "drain a node" } else { "undrain a node" };
        bounded(attempt, &[("node's name", asked.node.len(), NAME_BYTES_MAX)])?;
        // A node that registered just now may not be known here yet.
        self.read(attempt, ReadLevel::Linearizable).await?;
        let node = self.node_named(attempt, &asked.node)?;
        let id = ids::JobId(asked.request_id.as_u128());
        let request = command::Request { principal, id, key: asked.idempotency_key };
        let led = self.term_led();
        let command = Command::DrainNode { request, node, draining: asked.draining };
        let reply::Reply::NodeDrained = self.change(attempt, &command).await? else {
            return Err(refuse::unexpected(attempt));
        };
        Ok((self.applied_since(led).await, Reply::NodeWork(self.work_of(node))))
    }

    /// Looks again whenever something was applied; answers when nothing runs there, nobody drains it, or the time is up.
    pub(super) async fn wait_for_node(&self, wait: NodeWait) -> Result<(u64, Reply), ErrorBody> {
        let attempt = "look at a node's work";
        bounded(attempt, &[("node's name", wait.node.len(), NAME_BYTES_MAX)])?;
        let deadline = Instant::now() + Duration::from_millis(wait.timeout_ms.min(WAIT_MS_MAX));
        self.read(attempt, wait.read).await?;
        let node = self.node_named(attempt, &wait.node)?;
        let mut applied = self.consensus.applied();
        loop {
            let applied_index = *applied.borrow_and_update();
            let work = self.work_of(node);
            let is_over = work.jobs.is_empty() || !work.draining;
            if is_over || !matches!(timeout_at(deadline, applied.changed()).await, Ok(Ok(()))) {
                return Ok((applied_index, Reply::NodeWork(work)));
            }
        }
    }

    pub(super) fn node_named(&self, attempt: &str, name: &str) -> Result<NodeId, ErrorBody> {
        let nodes: Vec<(NodeId, String)> = self.consensus.inspect(|ledger| {
            let records = ledger.nodes().map(|node| node.record());
            records.map(|record| (record.id, record.name.clone())).collect()
        });
        if let Some((id, _)) = nodes.iter().find(|(_, known)| known == name) {
            return Ok(*id);
        }
        let hint = match nearest(name, nodes.iter().map(|(_, known)| known.as_str())) {
            Some(near) => format!("Did you mean {near}? `quorla node list` shows the nodes."),
            None => "`quorla node list` shows the nodes.".into(),
        };
        Err(ErrorBody::new(ErrorCode::NotFound, format!("{attempt}: there is no node {name:?}")).hint(hint))
    }

    fn work_of(&self, node: NodeId) -> NodeWork {
        self.consensus.inspect(|ledger| {
            let node = ledger.node(node).expect("a node that registered is never removed");
            NodeWork {
                node: node.record().name.clone(),
                draining: node.record().draining,
                attempts: u32::try_from(node.held().len()).unwrap_or(u32::MAX),
                jobs: node.held().values().map(|job| JobId::from_u128(job.0)).collect(),
            }
        })
    }
}
