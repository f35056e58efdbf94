//! A node taken out of work and given back, and who waits until nothing runs there.

use std::time::Duration;

use quorla_client::{
    DrainNode, DrainView, ErrorBody, ErrorCode, JobId, NodeWait, NodeWork, ReadLevel, Reply,
    limits::{NAME_BYTES_MAX, WAIT_MS_MAX},
    nearest,
};
use quorla_ledger::{
    Command, command,
    ids::{self, NodeId, NodeKey, Principal},
    record::Drain,
    reply,
    units::Millis,
};
use tokio::time::{Instant, timeout_at};

use super::{Dispatch, list::bounded, refuse};

impl Dispatch {
    pub(super) async fn drain(&self, principal: Principal, asked: DrainNode) -> Result<(u64, Reply), ErrorBody> {
        let DrainNode { request_id, node: name, draining, idempotency_key: key, deadline_ms, reason, leaves } = asked;
        let attempt = match (draining, leaves) {
            (true, true) => "let a node leave",
            (true, false) => "drain a node",
            (false, _) => "undrain a node",
        };
        if !draining && (deadline_ms.is_some() || reason.is_some() || leaves) {
            let message = format!("{attempt}: a deadline, a reason and leaving are a drain's");
            return Err(ErrorBody::new(ErrorCode::InvalidRequest, message).hint("Drain it, or leave these out."));
        }
        // A node that registered just now may not be known here yet.
        let node = self.node_asked_for(attempt, &name, ReadLevel::Linearizable).await?;
        if leaves {
            self.refuse_a_voter(attempt, node, &name)?;
        }
        let request = command::Request { principal, id: ids::JobId(request_id.as_u128()), key };
        let order = command::DrainOrder { deadline: deadline_ms.map(Millis), reason, leaves };
        let led = self.term_led();
        let drain = draining.then_some(order);
        let command = Command::DrainNode(command::DrainNode { request, node, drain });
        let reply::Reply::NodeDrained = self.change(attempt, &command).await? else {
            return Err(refuse::unexpected(attempt));
        };
        let applied = self.applied_since(led).await;
        Ok((applied, Reply::NodeWork(self.work_of(node).ok_or_else(|| unknown_node(attempt, &name))?)))
    }

    /// R25: no vote is taken away here. Who is a member without a vote goes from the group once it has left.
    fn refuse_a_voter(&self, attempt: &str, node: NodeId, name: &str) -> Result<(), ErrorBody> {
        let key = self.consensus.inspect(|ledger| ledger.node(node).map(|node| node.record().key));
        let status = self.consensus.status();
        let votes = status.borrow().voters.iter().any(|voter| key == Some(NodeKey(voter.node_key)));
        if !votes {
            return Ok(());
        }
        let message = format!("{attempt}: {name} votes on the ledger, and Quorla can't take votes away yet");
        Err(ErrorBody::new(ErrorCode::NodeVotes, message).hint(format!(
            "Only take it out of work: quorla node drain {name}. Its vote stays, and a majority needs it."
        )))
    }

    /// Looks again whenever something was applied; answers when nothing runs there, nobody drains it, or the time is up.
    pub(super) async fn wait_for_node(&self, wait: NodeWait) -> Result<(u64, Reply), ErrorBody> {
        let attempt = "look at a node's work";
        let deadline = Instant::now() + Duration::from_millis(wait.timeout_ms.min(WAIT_MS_MAX));
        let node = self.node_asked_for(attempt, &wait.node, wait.read).await?;
        let mut applied = self.consensus.applied();
        loop {
            let applied_index = *applied.borrow_and_update();
            let work = self.work_of(node).ok_or_else(|| unknown_node(attempt, &wait.node))?;
            let is_over = work.jobs.is_empty() || !work.draining;
            if is_over || !matches!(timeout_at(deadline, applied.changed()).await, Ok(Ok(()))) {
                return Ok((applied_index, Reply::NodeWork(work)));
            }
        }
    }

    /// The node with this name, as far as a look that is so fresh knows it.
    pub(super) async fn node_asked_for(
        &self,
        attempt: &str,
        name: &str,
        level: ReadLevel,
    ) -> Result<NodeId, ErrorBody> {
        bounded(attempt, &[("node's name", name.len(), NAME_BYTES_MAX)])?;
        self.read(attempt, level).await?;
        self.node_named(attempt, name)
    }

    pub(super) fn node_named(&self, attempt: &str, name: &str) -> Result<NodeId, ErrorBody> {
        let nodes: Vec<(NodeId, String)> = self.consensus.inspect(|ledger| {
            let records = ledger.nodes().map(|node| node.record());
            records.map(|record| (record.id, record.name.clone())).collect()
        });
        if let Some((id, _)) = nodes.iter().find(|(_, known)| known == name) {
            return Ok(*id);
        }
        let error = unknown_node(attempt, name);
        Err(match nearest(name, nodes.iter().map(|(_, known)| known.as_str())) {
            Some(near) => error.hint(format!("Did you mean {near}? `quorla node list` shows the nodes.")),
            None => error,
        })
    }

    /// Nothing for a node that left meanwhile.
    fn work_of(&self, node: NodeId) -> Option<NodeWork> {
        self.consensus.inspect(|ledger| {
            let node = ledger.node(node)?;
            Some(NodeWork {
                node: node.record().name.clone(),
                draining: node.record().drain.is_some(),
                attempts: u32::try_from(node.held().len()).unwrap_or(u32::MAX),
                jobs: node.held().values().map(|job| JobId::from_u128(job.0)).collect(),
                drain: node.record().drain.as_ref().map(shown),
            })
        })
    }
}

pub(super) fn unknown_node(attempt: &str, name: &str) -> ErrorBody {
    ErrorBody::new(ErrorCode::NotFound, format!("{attempt}: there is no node {name:?}"))
        .hint("`quorla node list` shows the nodes.")
}

/// How a node drains, as clients see it.
pub(super) fn shown(drain: &Drain) -> DrainView {
    let Drain { since, until, reason, leaves } = drain;
    let until_ms = until.map(|until| until.0);
    DrainView { since_ms: since.0, until_ms, reason: reason.clone(), leaves: *leaves }
}

/// The same in words, at this time of the ledger.
pub(super) fn words(drain: &Drain, now: Millis) -> String {
    let Drain { since, until, reason, leaves } = drain;
    let doing = if *leaves { "it leaves" } else { "it is drained" };
    let mut words = format!("{doing} since {} ago", span(now.since(*since)));
    match until {
        Some(until) if *until > now => {
            words.push_str(&format!("; what runs there is moved in {}", span(until.since(now))));
        }
        Some(_) => words.push_str("; what ran there is moved"),
        None => {}
    }
    if let Some(reason) = reason {
        words.push_str(&format!(": {reason}"));
    }
    words
}

fn span(Millis(ms): Millis) -> String {
    match ms / 1_000 {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::{Drain, Millis, words};

    #[test]
    fn a_drain_says_since_when_until_when_and_why() {
        let drain = |until, reason: Option<&str>, leaves| Drain {
            since: Millis(5_000),
            until,
            reason: reason.map(str::to_owned),
            leaves,
        };
        let now = Millis(65_000);
        for (drain, expected) in [
            (drain(None, None, false), "it is drained since 60 s ago"),
            (drain(None, Some("new disks"), true), "it leaves since 60 s ago: new disks"),
            (drain(Some(now), None, false), "it is drained since 60 s ago; what ran there is moved"),
            (
                drain(Some(Millis(665_000)), Some("new disks"), false),
                "it is drained since 60 s ago; what runs there is moved in 10 min: new disks",
            ),
        ] {
            assert_eq!(words(&drain, now), expected);
        }
    }
}
