//! Labels that operators put on nodes. They are kept apart from those that a node registers and go before them, so that a
//! restart of the node, with the same configuration or another, changes none of them.

use std::collections::BTreeMap;

use crate::{
    apply::{
        Outcome,
        request::{self, Seen},
        transaction::Transaction,
    },
    codec,
    command::LabelNode,
    event::Event,
    ledger::Records,
    limits::{Limit, RESERVED_LABEL_PREFIX},
    reply::{Refusal, Reply},
    spec::check::{self, SpecFault, within},
};

impl<R: Records> Transaction<'_, R> {
    pub(crate) fn label_node(&mut self, asked: &LabelNode) -> Outcome {
        check(asked)?;
        let LabelNode { request, node, set, remove } = asked;
        let digest = request::digest("label", &codec::encode(&(node, set, remove)));
        if let Seen::Before(reply) = self.admit(request, &digest)? {
            return Ok(reply);
        }
        let mut record = self.node(*node)?.record.clone();
        let (before, in_force) = (record.operator_labels.clone(), record.labels_in_force().len());
        let registered = |label: &&String| record.labels.contains_key(*label) && !before.contains_key(*label);
        if let Some(label) = remove.iter().find(registered) {
            return Err(Refusal::LabelIsRegistered { label: label.clone() });
        }
        record.operator_labels.retain(|label, _| !remove.contains(label));
        record.operator_labels.extend(set.clone());
        // A later registration may bring more: a node is not kept out by what operators say of it.
        let (labels, already) = (record.labels_in_force().len(), in_force);
        if labels > already {
            within(Limit::Labels, check::len(labels)).map_err(Refusal::SpecIsInvalid)?;
        }
        if record.operator_labels != before {
            // Who waits for this node may not fit it any more; if it does, it reserves it again when overtaken.
            self.release_reservation(*node);
            self.save_node(record);
            self.happen(Event::NodeLabelled(*node));
        }
        self.remember(request, digest, &Reply::NodeLabelled);
        Ok(Reply::NodeLabelled)
    }
}

/// Everything about a request for labels that needs no state.
pub(crate) fn check(asked: &LabelNode) -> Result<(), Refusal> {
    let LabelNode { set, remove, .. } = asked;
    let removed: BTreeMap<String, String> = remove.iter().map(|label| (label.clone(), String::new())).collect();
    let checked = check::labels(set).and_then(|()| check::labels(&removed));
    checked.map_err(Refusal::SpecIsInvalid)?;
    let fault = if let Some(label) = set.keys().chain(remove).find(|label| label.starts_with(RESERVED_LABEL_PREFIX)) {
        SpecFault::LabelIsReserved(label.clone())
    } else if let Some(label) = remove.iter().find(|label| set.contains_key(*label)) {
        SpecFault::LabelIsAmbiguous(label.clone())
    } else {
        return Ok(());
    };
    Err(Refusal::SpecIsInvalid(fault))
}
