//! R18, for drains: a node that drains gets nothing new; past its deadline nothing runs there; and what was stopped for it is
//! queued again at once, whatever its attempt came to, at the cost of none.

use std::collections::BTreeMap;

use quorla_ledger::{
    event::Event,
    ids::{Fence, JobId, NodeId},
    outcome::StopCause,
    record::Drain,
    units::Millis,
};

use super::{Committed, Fact, Invariant};

/// Kill signals, grace and reports take no longer than this once nothing goes wrong.
const SETTLES_WITHIN: Millis = Millis(5_000);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct DrainsMove {
    placed: BTreeMap<Fence, NodeId>,
    drains: BTreeMap<NodeId, Drain>,
    /// Attempts that a drain stops, with their jobs.
    moved: BTreeMap<Fence, JobId>,
    /// True time.
    calm_begins: Option<Millis>,
    /// Ledger time of the first entry that was made in the calm; older ones may be applied in it.
    calm_from: Option<Millis>,
}

impl Invariant for DrainsMove {
    fn name(&self) -> &'static str {
        "R18"
    }

    fn hear(&mut self, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::CalmBegins { at } => self.calm_begins = Some(*at),
            Fact::Committed(committed) => self.follow(committed)?,
            _ => {}
        }
        Ok(())
    }
}

impl DrainsMove {
    fn follow(&mut self, committed: &Committed) -> Result<(), String> {
        let Some(page) = &committed.page else { return Ok(()) };
        let before = self.drains.clone();
        for record in &committed.nodes {
            match &record.drain {
                Some(drain) => drop(self.drains.insert(record.id, drain.clone())),
                None => drop(self.drains.remove(&record.id)),
            }
        }
        for (nth, event) in page.events.iter().enumerate() {
            self.place(event, &before)?;
            self.stop(event, page.at, &before)?;
            self.end(event, &page.events[nth + 1..])?;
        }
        self.keep_deadlines(page.at)
    }

    /// Nothing new where a drain lasted from before this entry to after it.
    fn place(&mut self, event: &Event, before: &BTreeMap<NodeId, Drain>) -> Result<(), String> {
        let Event::AttemptAssigned { job, fence, node } = event else { return Ok(()) };
        if let (Some(then), Some(now)) = (before.get(node), self.drains.get(node))
            && then.since == now.since
        {
            return Err(format!("{job} got a place on {node:?}, which drains"));
        }
        self.placed.insert(*fence, *node);
        Ok(())
    }

    fn stop(&mut self, event: &Event, at: Millis, before: &BTreeMap<NodeId, Drain>) -> Result<(), String> {
        let Event::AttemptStopping { job, fence, cause } = event else { return Ok(()) };
        if *cause != StopCause::Drain {
            self.moved.remove(fence);
            return Ok(());
        }
        let node = self.placed.get(fence).ok_or_else(|| format!("{fence:?} of {job} is stopped and has no place"))?;
        let due = |drain: &Drain| drain.until.is_some_and(|until| until <= at);
        if ![before.get(node), self.drains.get(node)].into_iter().flatten().any(due) {
            return Err(format!("{fence:?} of {job} is stopped on {node:?}, whose deadline has not passed"));
        }
        self.moved.insert(*fence, *job);
        Ok(())
    }

    /// What was moved is queued again: the next that is heard of its job says so.
    fn end(&mut self, event: &Event, rest: &[Event]) -> Result<(), String> {
        let (Event::AttemptEnded { job, fence } | Event::AttemptLost { job, fence }) = event else { return Ok(()) };
        self.placed.remove(fence);
        if self.moved.remove(fence).is_none() {
            return Ok(());
        }
        let next = rest.iter().find(|event| match event {
            Event::JobQueued(of) | Event::JobEnded(of) | Event::JobBackedOff { job: of, .. } => of == job,
            _ => false,
        });
        match next {
            Some(Event::JobQueued(_)) => Ok(()),
            next => Err(format!("{job} was moved by a drain, and then {next:?}")),
        }
    }

    /// In the calm, a moment after a deadline nothing runs there.
    fn keep_deadlines(&mut self, at: Millis) -> Result<(), String> {
        if self.calm_begins.is_none_or(|begins| at < begins) {
            return Ok(());
        }
        let calm_from = *self.calm_from.get_or_insert(at);
        for (fence, node) in &self.placed {
            let until = self.drains.get(node).and_then(|drain| drain.until);
            if until.is_some_and(|until| at > until.max(calm_from).after(SETTLES_WITHIN)) {
                return Err(format!("{fence:?} runs on {node:?}, whose deadline passed long ago"));
            }
        }
        Ok(())
    }
}
