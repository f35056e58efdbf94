//! Nodes are taken out of work, given back, and forgotten once they left. What a drain says is in the node's record, so it
//! survives leaders and epochs; whoever leads proposes what follows from it.

use crate::{
    apply::{
        Outcome, job,
        request::{self, Seen},
        transaction::Transaction,
    },
    codec,
    command::{DrainNode, DrainOrder},
    event::Event,
    ids::{JobId, NodeId},
    ledger::Records,
    limits::Limit,
    outcome::StopCause,
    record::Drain,
    reply::{Refusal, Reply},
    spec::check::within,
    tables,
    units::Millis,
};

impl<R: Records> Transaction<'_, R> {
    pub(crate) fn drain_node(&mut self, asked: DrainNode) -> Outcome {
        check(&asked)?;
        let DrainNode { request, node, drain } = asked;
        let digest = request::digest("drain", &codec::encode(&(node, &drain)));
        if let Seen::Before(reply) = self.admit(&request, &digest)? {
            return Ok(reply);
        }
        let mut record = self.node(node)?.record.clone();
        let drain = drain.map(|order| Drain::ordered(record.drain.as_ref(), order, self.now()));
        if record.drain != drain {
            let draining = drain.is_some();
            record.drain = drain;
            self.release_reservation(node);
            self.save_node(record);
            self.happen(Event::NodeDrained { node, draining });
        }
        self.remember(&request, digest, &Reply::NodeDrained);
        Ok(Reply::NodeDrained)
    }

    /// Stops all that runs on a node whose deadline has passed: at most as many attempts as a node has slots.
    pub(crate) fn stop_drained(&mut self, node: NodeId) -> Outcome {
        let now = self.now();
        let view = self.node(node)?;
        if view.record.deadline().is_none_or(|until| until > now) || !view.runs() {
            return Err(Refusal::DrainIsNotDue);
        }
        let runs = view.held.iter().filter(|(fence, _)| !view.stopping.contains_key(fence));
        let runs: Vec<JobId> = runs.map(|(_, job)| *job).collect();
        for &job in &runs {
            let record = self.live_job(job).expect("R5: a job that holds a place lives");
            self.call_off(record, StopCause::Drain);
        }
        Ok(Reply::DrainedStopped { attempts: u32::try_from(runs.len()).expect("bounded by a node's slots") })
    }

    /// Forgets a node that left. What its attempts came to stays with their jobs.
    pub(crate) fn remove_node(&mut self, node: NodeId) -> Outcome {
        if !self.node(node)?.record.has_left() {
            return Err(Refusal::NodeHasNotLeft);
        }
        self.delete(tables::node(node));
        self.hot_mut().nodes.remove(node);
        self.happen(Event::NodeRemoved(node));
        Ok(Reply::NodeRemoved)
    }
}

impl Drain {
    /// The order carried out at `now` on a node that drains like this, or does not.
    fn ordered(former: Option<&Self>, order: DrainOrder, now: Millis) -> Self {
        let DrainOrder { deadline, reason, leaves } = order;
        Self {
            since: former.map_or(now, |former| former.since),
            until: deadline.map(|span| now.after(span)).or(former.and_then(|former| former.until)),
            reason: reason.or(former.and_then(|former| former.reason.clone())),
            leaves: leaves || former.is_some_and(|former| former.leaves),
        }
    }
}

/// Everything about a drain that needs no state.
pub(crate) fn check(asked: &DrainNode) -> Result<(), Refusal> {
    let Some(order) = &asked.drain else { return Ok(()) };
    job::check_reason(order.reason.as_deref())?;
    let span = order.deadline.map_or(0, |Millis(span)| span);
    within(Limit::SpanMs, span).map_err(Refusal::SpecIsInvalid)
}
