//! Typed look-ups in one view of the tables. Every answer of one request comes from one view.

use std::{collections::BTreeSet, ops::ControlFlow};

use quorla_client::{ErrorBody, ErrorCode, JobId, ListOrder};
use quorla_consensus::View;
use quorla_ledger::{
    array::{self, ArrayProgress, Kept},
    codec,
    event::EventPage,
    ids::{self, Fence, NodeId},
    outcome::Tails,
    record::{JobRecord, MetaRecord, NodeRecord, Stored},
    spec::JobSpec,
    tables::{self, Table},
};
use serde::de::DeserializeOwned;

use super::view::NodeNames;

/// Events looked at for one history before it is called incomplete.
const EVENTS_WALKED_MAX: u64 = 200_000;

/// A view with the ledger's types over it.
pub(super) struct Reading {
    view: View,
}

/// Ids from `low` on and below `high`, in an order.
pub(super) struct Span {
    pub(super) low: u128,
    pub(super) high: Option<u128>,
    pub(super) order: ListOrder,
}

type Read<T> = Result<T, ErrorBody>;

impl Reading {
    pub(super) const fn new(view: View) -> Self {
        Self { view }
    }

    pub(super) fn applied_index(&self) -> u64 {
        self.view.applied_index()
    }

    pub(super) fn job(&self, job: JobId) -> Read<Option<JobRecord>> {
        let id = ids::JobId(job.as_u128());
        if !id.is_plain() {
            return self.whole(|read| array::task_record(read, id));
        }
        match self.record(&tables::live(id))? {
            Some(live) => Ok(Some(live)),
            None => self.record(&tables::ended(id)),
        }
    }

    pub(super) fn ended(&self, job: ids::JobId) -> Read<Option<JobRecord>> {
        if job.is_plain() { self.record(&tables::ended(job)) } else { self.job(JobId::from_u128(job.0)) }
    }

    /// How many tasks an array has; nothing for a job.
    pub(super) fn tasks_of(&self, job: ids::JobId) -> Option<u64> {
        let kept = self.array(JobId::from_u128(job.0)).ok()??;
        Some(kept.record.tasks.into())
    }

    pub(super) fn array(&self, array: JobId) -> Read<Option<Kept>> {
        let id = ids::JobId(array.as_u128());
        if id.is_array() { self.whole(|read| array::kept(read, id)) } else { Ok(None) }
    }

    /// A job's specification; a task's is what its item makes of its array's.
    pub(super) fn spec_of(&self, job: ids::JobId) -> Read<Option<JobSpec>> {
        if job.of_task().is_none() {
            return self.spec(job);
        }
        Ok(self.whole(|read| array::task_work(read, job))?.map(|(_, spec)| spec))
    }

    /// What the ledger makes of several records.
    fn whole<T>(&self, look: impl FnOnce(&dyn Fn(&[u8]) -> Option<Vec<u8>>) -> T) -> Read<T> {
        let failed = std::cell::Cell::new(None);
        let found = look(&|key| match self.view.read(key) {
            Ok(bytes) => bytes,
            Err(error) => {
                failed.set(Some(unreadable(&error)));
                None
            }
        });
        failed.take().map_or(Ok(found), Err)
    }

    pub(super) fn spec(&self, job: ids::JobId) -> Read<Option<JobSpec>> {
        self.record(&tables::spec(job))
    }

    pub(super) fn tails(&self, job: ids::JobId, fence: Fence) -> Read<Option<Tails>> {
        self.record(&tables::tails(job, fence))
    }

    /// Sequence of the first event after this view.
    pub(super) fn event_next(&self) -> Read<u64> {
        Ok(self.record::<MetaRecord>(&tables::META)?.map_or(0, |meta| meta.event_next))
    }

    pub(super) fn nodes(&self) -> Read<Vec<NodeRecord>> {
        let mut nodes = Vec::new();
        self.scan(&Table::Nodes.prefix(), |_, value| {
            nodes.extend(decode::<NodeRecord>(value));
            ControlFlow::Continue(())
        })?;
        Ok(nodes)
    }

    pub(super) fn node(&self, node: NodeId) -> Read<Option<NodeRecord>> {
        self.record(&tables::node(node))
    }

    /// The names of these nodes, as far as they are known.
    pub(super) fn names_of(&self, nodes: impl Iterator<Item = NodeId>) -> Read<NodeNames> {
        let mut names = NodeNames::new();
        for node in nodes.collect::<BTreeSet<_>>() {
            if let Some(record) = self.record::<NodeRecord>(&tables::node(node))? {
                names.insert(node, record.name);
            }
        }
        Ok(names)
    }

    /// Arrays of one table whose ids lie within, in order, until told to stop.
    pub(super) fn arrays_within(
        &self,
        table: Table,
        span: &Span,
        mut visit: impl FnMut(Kept) -> ControlFlow<()>,
    ) -> Read<()> {
        let mut failed = None;
        self.within(table, span, |value| {
            let progress = decode::<ArrayProgress>(value);
            match progress.map(|progress| self.array(JobId::from_u128(progress.id.0))) {
                Some(Ok(Some(kept))) => visit(kept),
                Some(Ok(None)) | None => ControlFlow::Continue(()),
                Some(Err(error)) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        failed.map_or(Ok(()), Err)
    }

    /// Jobs of one table whose ids lie within, in order, until told to stop.
    pub(super) fn jobs_within(
        &self,
        table: Table,
        span: &Span,
        mut visit: impl FnMut(JobRecord) -> ControlFlow<()>,
    ) -> Read<()> {
        self.within(table, span, |value| decode(value).map_or(ControlFlow::Continue(()), &mut visit))
    }

    fn within(&self, table: Table, span: &Span, mut visit: impl FnMut(&[u8]) -> ControlFlow<()>) -> Read<()> {
        let (prefix, key) = (table.prefix(), |id: u128| [table.prefix().as_slice(), &id.to_be_bytes()].concat());
        let (low, high) = (key(span.low), span.high.map(key));
        let mut inside = |key: &[u8], value: &[u8]| {
            let is_inside = key >= low.as_slice() && high.as_deref().is_none_or(|high| key < high);
            if is_inside { visit(value) } else { ControlFlow::Break(()) }
        };
        let walked = match span.order {
            ListOrder::Newest => self.view.scan_back(&prefix, high.as_deref(), &mut inside),
            ListOrder::Oldest => self.view.scan_from(&prefix, &low, &mut inside),
        };
        walked.map_err(|error| unreadable(&error))
    }

    /// Ids whose random part begins with these bits, in the order of their text.
    pub(super) fn ids_from(&self, from: &[u8], mut visit: impl FnMut(ids::JobId) -> ControlFlow<()>) -> Read<()> {
        let prefix = Table::Specs.prefix();
        let from = [prefix.as_slice(), from].concat();
        let walked = self
            .view
            .scan_from(&prefix, &from, |key, _| tables::job_of_spec(key).map_or(ControlFlow::Continue(()), &mut visit));
        walked.map_err(|error| unreadable(&error))
    }

    /// Pages of events from the one that holds `sequence` on; false where the walk was cut by its bound.
    pub(super) fn events_from(&self, sequence: u64, mut visit: impl FnMut(EventPage) -> ControlFlow<()>) -> Read<bool> {
        let prefix = Table::Events.prefix();
        let first = self.page_with(sequence)?;
        let (mut walked, mut whole) = (0, true);
        let outcome = self.view.scan_from(&prefix, &tables::event_page(first), |_, value| {
            let Some(page) = decode::<EventPage>(value) else { return ControlFlow::Continue(()) };
            walked += u64::try_from(page.events.len()).unwrap_or(u64::MAX);
            if walked > EVENTS_WALKED_MAX {
                whole = false;
                return ControlFlow::Break(());
            }
            visit(page)
        });
        outcome.map_err(|error| unreadable(&error))?;
        Ok(whole)
    }

    /// The first sequence of the page that holds this one, or of the next one that is kept.
    fn page_with(&self, sequence: u64) -> Read<u64> {
        let mut first = sequence;
        let above = tables::event_page(sequence.saturating_add(1));
        let walked = self.view.scan_back(&Table::Events.prefix(), Some(&above), |_, value| {
            first = decode::<EventPage>(value).map_or(sequence, |page| page.first);
            ControlFlow::Break(())
        });
        walked.map_err(|error| unreadable(&error))?;
        Ok(first)
    }

    fn scan(&self, prefix: &[u8], visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>) -> Read<()> {
        self.view.scan(prefix, visit).map_err(|error| unreadable(&error))
    }

    fn record<T: DeserializeOwned>(&self, key: &[u8]) -> Read<Option<T>> {
        let bytes = self.view.read(key).map_err(|error| unreadable(&error))?;
        bytes.map(|bytes| decode(&bytes).ok_or_else(|| unreadable(&"a record is corrupt"))).transpose()
    }
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    codec::decode(bytes).map(|Stored::V1(record)| record)
}

fn unreadable(why: &impl std::fmt::Display) -> ErrorBody {
    ErrorBody::new(ErrorCode::Internal, format!("read the node's state: {why}")).hint("Ask another node.")
}
