//! Whether the node serves, and every reason why not.
//!
//! Each part of the node that must work registers a gate, which starts closed. The node is ready when all are open.
//! Warnings stand beside them: what somebody should see to, though the node serves.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Why the node is not ready, or what it warns of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reason {
    /// The part of the node.
    pub component: &'static str,
    /// What is wrong with it, for a person.
    pub text: String,
}

/// All gates and warnings. Clones share them.
#[derive(Clone, Default, Debug)]
pub struct Readiness {
    gates: Arc<Mutex<BTreeMap<&'static str, Option<String>>>>,
    warnings: Arc<Mutex<BTreeMap<&'static str, String>>>,
}

/// One part's gate; cheap to set again and again.
#[derive(Clone, Debug)]
pub struct Gate {
    component: &'static str,
    readiness: Readiness,
}

impl Readiness {
    /// Registers a part of the node that must work; it counts as starting until it says otherwise.
    pub fn require(&self, component: &'static str) -> Gate {
        let gate = Gate { component, readiness: self.clone() };
        gate.close("starting");
        gate
    }

    /// Why the node is not ready; empty when it is.
    pub fn reasons(&self) -> Vec<Reason> {
        let gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        if gates.is_empty() {
            return vec![Reason { component: "node", text: "starting".to_owned() }];
        }
        let closed = gates.iter().filter_map(|(component, text)| Some((*component, text.clone()?)));
        closed.map(|(component, text)| Reason { component, text }).collect()
    }

    /// Warns of a part of the node, or takes its warning back; cheap to set again and again.
    pub fn warn(&self, component: &'static str, warning: Option<String>) {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match &warning {
            Some(text) => warnings.insert(component, text.clone()),
            None => warnings.remove(component),
        };
        if before.is_some() != warning.is_some() {
            tracing::warn!(component, warning, "what this node warns of changed");
        }
    }

    /// What the node warns of, ready or not.
    pub fn warnings(&self) -> Vec<Reason> {
        let warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        warnings.iter().map(|(component, text)| Reason { component, text: text.clone() }).collect()
    }
}

impl Gate {
    /// The part works.
    pub fn open(&self) {
        self.set(None);
    }

    /// The part does not work, and why.
    pub fn close(&self, reason: impl Into<String>) {
        self.set(Some(reason.into()));
    }

    fn set(&self, reason: Option<String>) {
        let mut gates = self.readiness.gates.lock().unwrap_or_else(PoisonError::into_inner);
        let before = gates.insert(self.component, reason.clone());
        if before.as_ref() != Some(&reason) {
            tracing::info!(component = self.component, reason, "readiness changed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Readiness, Reason};

    #[test]
    fn node_is_ready_once_every_gate_is_open() {
        let readiness = Readiness::default();
        assert_eq!(readiness.reasons().len(), 1);
        let (log, state) = (readiness.require("log"), readiness.require("state"));
        log.open();
        state.close("replaying");
        let expected = Reason { component: "state", text: "replaying".to_owned() };
        assert_eq!(readiness.reasons(), [expected]);
        state.open();
        assert!(readiness.reasons().is_empty());
    }
}
