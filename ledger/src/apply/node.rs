//! Nodes come, lapse and retire. An epoch that is over never returns (R15, R16).

use std::collections::BTreeMap;

use crate::{
    apply::{Outcome, transaction::Transaction},
    command::RegisterNode,
    disk::DiskLevel,
    event::Event,
    ids::{Epoch, NodeId},
    ledger::Records,
    limits::{Limit, NODES_MAX},
    record::NodeRecord,
    reply::{Refusal, Reply},
    spec::{
        Resources,
        check::{self, SpecFault, within},
    },
};

impl<R: Records> Transaction<'_, R> {
    pub(crate) fn register_node(&mut self, registration: RegisterNode) -> Outcome {
        check(&registration.name, &registration.labels, &registration.capacity).map_err(Refusal::SpecIsInvalid)?;
        let nodes = &self.hot().nodes;
        if nodes.by_name(&registration.name).is_some_and(|other| other.record.key != registration.key) {
            return Err(Refusal::NodeNameIsTaken);
        }
        let known = nodes.by_key(&registration.key).map(|node| node.record.clone());
        if let Some(record) = &known
            && record.boot == registration.boot
        {
            let (node, epoch) = (record.id, record.epoch);
            return if record.up { Ok(Reply::NodeRegistered { node, epoch }) } else { Err(Refusal::EpochIsStale) };
        }
        // I5: a late copy of an earlier registration must not end the epoch that followed it, whose lease is good.
        if known.as_ref().is_some_and(|record| registration.boot < record.boot) {
            return Err(Refusal::EpochIsStale);
        }
        if known.is_none() && nodes.len() >= NODES_MAX {
            return Err(Refusal::NodesAreExhausted);
        }
        Ok(self.start_epoch(registration, known))
    }

    pub(crate) fn lapse_node(&mut self, node: NodeId, epoch: Epoch) -> Outcome {
        let mut record = self.node(node)?.record.clone();
        if record.epoch != epoch || !record.up {
            return Err(Refusal::EpochIsStale);
        }
        self.end_epoch(node);
        record.up = false;
        self.save_node(record);
        self.happen(Event::NodeLapsed { node, epoch });
        Ok(Reply::NodeLapsed)
    }

    pub(crate) fn retire_node(&mut self, node: NodeId, epoch: Epoch) -> Outcome {
        let mut record = self.node(node)?.record.clone();
        if record.epoch != epoch || !record.up {
            return Err(Refusal::EpochIsStale);
        }
        if !record.retiring {
            record.retiring = true;
            self.release_reservation(node);
            self.save_node(record);
        }
        Ok(Reply::NodeRetired)
    }

    fn start_epoch(&mut self, registration: RegisterNode, known: Option<NodeRecord>) -> Reply {
        let (node, drain, disk, operator_labels) = match known {
            Some(record) => {
                self.end_epoch(record.id);
                (record.id, record.drain, record.disk, record.operator_labels)
            }
            None => {
                self.meta().node += 1;
                (NodeId(self.meta().node), None, DiskLevel::default(), BTreeMap::new())
            }
        };
        self.meta().epoch += 1;
        let epoch = Epoch(self.meta().epoch);
        let RegisterNode { key, name, capacity, labels, boot, command_version } = registration;
        self.save_node(NodeRecord {
            id: node,
            key,
            name,
            capacity,
            labels,
            epoch,
            boot,
            up: true,
            drain,
            retiring: false,
            command_version,
            registered_at: self.now(),
            disk,
            operator_labels,
        });
        self.happen(Event::NodeRegistered { node, epoch });
        Reply::NodeRegistered { node, epoch }
    }

    fn end_epoch(&mut self, node: NodeId) {
        self.lose_attempts(node);
        self.release_reservation(node);
    }

    /// A node that takes nothing is kept free for nobody; who waited for it reserves another when overtaken again.
    pub(crate) fn release_reservation(&mut self, node: NodeId) {
        let reserved = self.hot().nodes.by_id(node).and_then(|node| node.reserved);
        if let Some((_, job)) = reserved {
            if job.is_array() {
                return self.change_array(job, |progress| progress.reserved = None);
            }
            let mut record = self.live_job(job).expect("R5: a reservation belongs to a live job");
            record.reserved = None;
            self.save_job(&record);
        }
    }
}

/// Checks what a node says of itself.
pub(crate) fn check(name: &str, labels: &BTreeMap<String, String>, capacity: &Resources) -> Result<(), SpecFault> {
    check::name(name)?;
    check::labels(labels)?;
    within(Limit::Slots, u64::from(capacity.slots))
}
