//! The cluster as this node sees it: greeting, nodes, status, content hashes.

use std::time::Duration;

use quorla_client::{
    ClusterStatus, ContentHash, ContentHashQuery, ErrorBody, ErrorCode, Hello, NodeDisk, NodeRole, NodeView,
    PROTOCOL_VERSION, ReadLevel, Reply, Welcome, limits::WAIT_MS_MAX,
};
use quorla_consensus::{Peer, Role, Status};
use quorla_ledger::{Command, disk::DiskLevel, ids::Principal, record::NodeRecord, reply};
use tokio::time::{Instant, timeout_at};

use super::{Dispatch, drain, inspections::Inspected, refuse};
use crate::{gossip::Member, identity::KeyId};

/// Characters of a client's own name that are logged.
const AGENT_CHARS_SHOWN: usize = 128;

impl Dispatch {
    pub(super) fn welcome(&self, principal: Principal, hello: &Hello) -> Result<(u64, Reply), ErrorBody> {
        if hello.version != PROTOCOL_VERSION {
            let message = format!("greet the server: it speaks version {PROTOCOL_VERSION}, not {}", hello.version);
            return Err(ErrorBody::new(ErrorCode::VersionUnsupported, message).hint("Upgrade the older side."));
        }
        let agent: String = hello.agent.chars().take(AGENT_CHARS_SHOWN).collect();
        tracing::debug!(agent, "client greeted");
        let status = self.consensus.status().borrow().clone();
        let welcome = Welcome {
            version: PROTOCOL_VERSION,
            cluster_id: self.about.cluster_id.clone(),
            node: self.about.node.clone(),
            principal: KeyId(principal.0).to_string(),
            server_time_ms: self.consensus.ledger_time().0,
            leader: self.leader_address(),
            is_leader: status.is_leader(),
            addresses: self.addresses(),
        };
        Ok((self.applied_index(), Reply::Welcome(welcome)))
    }

    pub(super) async fn nodes(&self, level: ReadLevel) -> Result<(u64, Reply), ErrorBody> {
        let reading = self.read("list the nodes", level).await?;
        let nodes = self.show_nodes(&reading.nodes()?, &self.inspections.all().await);
        Ok((reading.applied_index(), Reply::Nodes(nodes)))
    }

    pub(super) async fn status(&self) -> Result<(u64, Reply), ErrorBody> {
        let reading = self.read("read the cluster's status", ReadLevel::Stale).await?;
        let status = self.consensus.status().borrow().clone();
        let nodes = self.show_nodes(&reading.nodes()?, &self.inspections.all().await);
        let leader = status.leader.as_ref().and_then(|leader| {
            let key = KeyId(leader.node_key).to_string();
            nodes.iter().find(|node| node.key == key).map(|node| node.name.clone())
        });
        let live = self.consensus.inspect(quorla_ledger::Ledger::live_jobs);
        let status = ClusterStatus {
            cluster_id: self.about.cluster_id.clone(),
            cluster_name: self.about.cluster_name.clone(),
            answered_by: self.about.node.clone(),
            term: status.term,
            leader,
            applied_index: reading.applied_index(),
            content_hash: status.content_hash.as_ref().map(|hash| self.show_hash(hash)),
            jobs_live: u64::try_from(live).unwrap_or(u64::MAX),
            nodes,
        };
        Ok((reading.applied_index(), Reply::Status(Box::new(status))))
    }

    /// Each request is a mark of its own: its id is not remembered, for one mark more changes nothing.
    pub(super) async fn mark_content_hash(&self) -> Result<(u64, Reply), ErrorBody> {
        let attempt = "mark a content hash";
        let led = self.term_led();
        match self.change(attempt, &Command::MarkContentHash).await? {
            reply::Reply::ContentHashMarked { index } => {
                Ok((self.applied_since(led).await, Reply::ContentHashMarked(index)))
            }
            _ => Err(refuse::unexpected(attempt)),
        }
    }

    /// Waits until this node has hashed its content at that index or a later one.
    pub(super) async fn content_hash(&self, query: ContentHashQuery) -> Result<(u64, Reply), ErrorBody> {
        let deadline = Instant::now() + Duration::from_millis(query.timeout_ms.min(WAIT_MS_MAX));
        let mut status = self.consensus.status();
        let reached =
            status.wait_for(|status| status.content_hash.as_ref().is_some_and(|hash| hash.index >= query.index));
        let reached = timeout_at(deadline, reached).await.ok().and_then(Result::ok);
        let hash = reached.and_then(|status| status.content_hash.clone()).filter(|hash| hash.index == query.index);
        match hash {
            Some(hash) => Ok((self.applied_index(), Reply::ContentHash(self.show_hash(&hash)))),
            None => Err(ErrorBody::new(
                ErrorCode::NotFound,
                format!("read a content hash: {} has none of index {}", self.about.node, query.index),
            )
            .hint("Wait for longer, or mark a new one.")),
        }
    }

    pub(super) fn leader_address(&self) -> Option<String> {
        let leader = self.consensus.status().borrow().leader.clone()?;
        let member = self.member(&KeyId(leader.node_key));
        Some(member.map_or(leader.address, |member| member.address))
    }

    fn addresses(&self) -> Vec<String> {
        self.members.borrow().iter().map(|member| member.address.clone()).collect()
    }

    fn member(&self, key: &KeyId) -> Option<Member> {
        self.members.borrow().iter().find(|member| member.key == *key).cloned()
    }

    fn show_hash(&self, hash: &quorla_consensus::ContentHash) -> ContentHash {
        let digits = hash.hash.iter().map(|byte| format!("{byte:02x}")).collect();
        ContentHash { node: self.about.node.clone(), index: hash.index, hash: digits }
    }

    pub(super) fn show_nodes(&self, records: &[NodeRecord], inspected: &Inspected) -> Vec<NodeView> {
        let status = self.consensus.status().borrow().clone();
        let show = |record| self.show_node(record, &status, inspected);
        let mut nodes: Vec<NodeView> = records.iter().map(show).collect();
        nodes.sort_by(|one, other| one.name.cmp(&other.name));
        nodes
    }

    fn show_node(&self, record: &NodeRecord, status: &Status, inspected: &Inspected) -> NodeView {
        let key = KeyId(record.key.0);
        let gossiped = self.member(&key);
        let voice = member_of(record, status);
        let progress = voice.and_then(|peer| status.progress.iter().find(|progress| progress.raft_id == peer.raft_id));
        let used = self.consensus.inspect(|ledger| {
            ledger.node(record.id).map_or(0, |node| node.record().capacity.slots - node.free().slots)
        });
        let is_self = key == self.about.key;
        let said = inspected.get(&key);
        NodeView {
            name: record.name.clone(),
            key: key.to_string(),
            role: role(record, status),
            raft_id: voice.map(|peer| peer.raft_id),
            address: gossiped.as_ref().map(|member| member.address.clone()),
            http_address: match said {
                Some(said) => said.http_address.clone(),
                None => is_self.then(|| self.about.http_address.clone()),
            },
            applied_index: if is_self { Some(self.applied_index()) } else { progress.and_then(|it| it.matched_index) },
            lag: progress.map(|progress| progress.lag),
            slots_used: used,
            slots_total: record.capacity.slots,
            cpu_milli_total: u32::try_from(record.capacity.cpu.0).unwrap_or(u32::MAX),
            memory_bytes_total: record.capacity.memory.0,
            reachable: is_self || gossiped.is_some(),
            unreachable_ms: match is_self || gossiped.is_some() {
                true => None,
                false => self.sightings.lost_for(&key).and_then(|span| u64::try_from(span.as_millis()).ok()),
            },
            draining: record.drain.is_some(),
            labels: record.labels_in_force(),
            rss_bytes: match said {
                Some(said) => said.rss_bytes,
                None => is_self.then(crate::metrics::resident_bytes).flatten(),
            },
            version: gossiped.map(|member| member.version),
            disk: match record.disk {
                DiskLevel::Fine => NodeDisk::Fine,
                DiskLevel::Low => NodeDisk::Low,
                DiskLevel::Critical => NodeDisk::Critical,
            },
            drain: record.drain.as_ref().map(drain::shown),
        }
    }
}

/// The node as a member of the group, voter or learner; the newest storage if it has several.
fn member_of<'s>(record: &NodeRecord, status: &'s Status) -> Option<&'s Peer> {
    let members = status.voters.iter().chain(&status.learners);
    members.filter(|peer| peer.node_key == record.key.0).max_by_key(|peer| peer.raft_id)
}

/// What that storage does: a former one may still have a vote that nobody can cast.
fn role(record: &NodeRecord, status: &Status) -> NodeRole {
    let leads = |peer: &Peer| status.leader.as_ref().is_some_and(|leader| leader.raft_id == peer.raft_id);
    let votes = |peer: &Peer| status.voters.iter().any(|voter| voter.raft_id == peer.raft_id);
    let stands = |peer: &Peer| status.role == Role::Candidate && status.raft_id == peer.raft_id;
    match member_of(record, status) {
        _ if !record.up => NodeRole::Gone,
        Some(peer) if leads(peer) => NodeRole::Leader,
        Some(peer) if stands(peer) => NodeRole::Candidate,
        Some(peer) if votes(peer) => NodeRole::Follower,
        Some(_) => NodeRole::Learner,
        None => NodeRole::Worker,
    }
}
