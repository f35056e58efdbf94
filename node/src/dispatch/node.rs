//! One node in full, and the labels that operators put on it.

use quorla_client::{
    ErrorBody, JobId, LabelNode, NodeDetail, NodeLabels, NodeQuery, NodeState, ReadLevel, Reply, Resources as Shown,
    RunningAttempt,
    limits::{LIST_ROWS_DEFAULT, LIST_ROWS_MAX},
};
use quorla_ledger::{
    Command, NodeView, command,
    disk::DiskLevel,
    ids::{self, Fence, Principal},
    record::{JobState, NodeRecord},
    reply,
    spec::Resources,
};

use super::{Dispatch, drain::unknown_node, reading::Reading, refuse, view};

/// What the hot state says of a node.
struct Standing {
    record: NodeRecord,
    free: Resources,
    reserved_for: Option<ids::JobId>,
    held: Vec<(Fence, ids::JobId)>,
}

impl Dispatch {
    pub(super) async fn node_info(&self, query: NodeQuery) -> Result<(u64, Reply), ErrorBody> {
        let attempt = "look up a node";
        let id = self.node_asked_for(attempt, &query.node, query.read).await?;
        let reading = self.read(attempt, ReadLevel::AtLeast(self.applied_index())).await?;
        let standing = self.consensus.inspect(|ledger| ledger.node(id).map(|node| Standing::of(&node)));
        let standing = standing.ok_or_else(|| unknown_node(attempt, &query.node))?;
        let limit = query.limit.unwrap_or(LIST_ROWS_DEFAULT).clamp(1, LIST_ROWS_MAX);
        let limit = usize::try_from(limit).expect("a bounded number of rows");
        let after = query.after.map_or(Fence(0), Fence);
        let mut rest = standing.held.iter().filter(|(fence, _)| *fence > after);
        let page: Vec<&(Fence, ids::JobId)> = rest.by_ref().take(limit).collect();
        let next = page.last().map(|(fence, _)| fence.0).filter(|_| rest.next().is_some());
        let mut running = Vec::new();
        for (fence, job) in page {
            running.extend(attempt_of(&reading, *fence, *job)?);
        }
        let detail = self.detail(&standing, running, next).await;
        Ok((reading.applied_index(), Reply::Node(Box::new(detail))))
    }

    async fn detail(&self, standing: &Standing, running: Vec<RunningAttempt>, next: Option<u64>) -> NodeDetail {
        let Standing { record, free, reserved_for, held } = standing;
        let node = self.show_nodes(std::slice::from_ref(record), &self.inspections.all().await).remove(0);
        let state = state(record);
        let takes_some = state == NodeState::Up && record.disk == DiskLevel::Fine && free.slots > 0;
        NodeDetail {
            node,
            now_ms: self.consensus.ledger_time().0,
            state,
            epoch: record.epoch.0,
            registered_ms: record.registered_at.0,
            lease: record.up,
            capacity: shown(&record.capacity),
            used: shown(&record.capacity.without(free)),
            free: shown(free),
            fits: takes_some.then(|| shown(free)),
            reserved_for: reserved_for.map(|job| JobId::from_u128(job.0)),
            operator_labels: record.operator_labels.clone(),
            registered_labels: record.labels.clone(),
            attempts: u32::try_from(held.len()).unwrap_or(u32::MAX),
            running,
            next,
        }
    }

    pub(super) async fn label(&self, principal: Principal, asked: LabelNode) -> Result<(u64, Reply), ErrorBody> {
        let attempt = "label a node";
        let LabelNode { request_id, node: name, set, remove, idempotency_key: key } = asked;
        let node = self.node_asked_for(attempt, &name, ReadLevel::Linearizable).await?;
        let request = command::Request { principal, id: ids::JobId(request_id.as_u128()), key };
        let led = self.term_led();
        let command = Command::LabelNode(command::LabelNode { request, node, set, remove });
        let reply::Reply::NodeLabelled = self.change(attempt, &command).await? else {
            return Err(refuse::unexpected(attempt));
        };
        let applied = self.applied_since(led).await;
        let labels = self.consensus.inspect(|ledger| {
            let node = ledger.node(node)?;
            let (labels, operator_labels) = (node.labels().clone(), node.record().operator_labels.clone());
            Some(NodeLabels { node: node.record().name.clone(), labels, operator_labels })
        });
        Ok((applied, Reply::NodeLabels(labels.ok_or_else(|| unknown_node(attempt, &name))?)))
    }
}

impl Standing {
    fn of(node: &NodeView<'_>) -> Self {
        Self {
            record: node.record().clone(),
            free: node.free(),
            reserved_for: node.reserved_for(),
            held: node.held().iter().map(|(fence, job)| (*fence, *job)).collect(),
        }
    }
}

/// One that ended meanwhile is left out.
fn attempt_of(reading: &Reading, fence: Fence, job: ids::JobId) -> Result<Option<RunningAttempt>, ErrorBody> {
    let job = JobId::from_u128(job.0);
    let Some(record) = reading.job(job)? else { return Ok(None) };
    let stopping = match &record.state {
        JobState::Stopping { cause, .. } => Some(view::cause(*cause).to_owned()),
        _ => None,
    };
    let placed = record.state.placed().filter(|placed| placed.fence == fence);
    Ok(placed.map(|placed| RunningAttempt {
        job,
        name: record.name.clone(),
        number: record.attempts_made,
        fence: fence.0,
        since_ms: placed.at.0,
        resources: shown(&record.demand.resources),
        stopping,
    }))
}

fn state(record: &NodeRecord) -> NodeState {
    match &record.drain {
        _ if !record.up => NodeState::Gone,
        _ if record.retiring => NodeState::Stopping,
        Some(drain) if drain.leaves => NodeState::Leaving,
        Some(_) => NodeState::Draining,
        None => NodeState::Up,
    }
}

fn shown(resources: &Resources) -> Shown {
    Shown {
        cpu_milli: u32::try_from(resources.cpu.0).unwrap_or(u32::MAX),
        memory_bytes: resources.memory.0,
        slots: resources.slots,
    }
}
