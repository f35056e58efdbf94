//! Pages of jobs, and jobs by the first characters of their id.
//!
//! A page costs a merge of ordered tables and looks at `LIST_RECORDS_MAX` records at the most, matching or not; where that
//! ends it, the page is short and says where the next one begins. It reads a view of the stored tables, never the ledger.

use std::ops::ControlFlow;

use quorla_client::{
    ErrorBody, ErrorCode, JobId, JobPage, JobState, JobSummary, ListOrder, ListQuery, PrefixMatch, PrefixQuery, Reply,
    canonical_prefix,
    limits::{
        LABEL_NAME_BYTES_MAX, LIST_LABELS_MAX, LIST_RECORDS_MAX, LIST_ROWS_DEFAULT, LIST_ROWS_MAX, NAME_BYTES_MAX,
        PREFIX_CANDIDATES_MAX, QUEUE_BYTES_MAX,
    },
};
use quorla_ledger::{
    array::Kept,
    ids::{self, NodeId},
    record::JobRecord,
    tables::Table,
};

use super::{
    Dispatch, array,
    reading::{Reading, Span},
    refuse, view,
};

/// Bits of an id below its time.
const RANDOM_BITS: u32 = 80;
/// Characters of an id's text that are its random part.
const RANDOM_CHARS: usize = 16;
/// Bytes of an id's text: the random part, a dash and the time.
const ID_BYTES: usize = RANDOM_CHARS + 1 + 10;
/// Bytes that a task's id has more: a slash and an index.
const INDEX_BYTES: usize = 1 + 7;

impl Dispatch {
    pub(super) async fn list(&self, query: ListQuery) -> Result<(u64, Reply), ErrorBody> {
        bounded("list jobs", &lengths(&query))?;
        let cursor = cursor(query.cursor.as_deref())?;
        let rows = usize::try_from(query.limit.unwrap_or(LIST_ROWS_DEFAULT).clamp(1, LIST_ROWS_MAX))
            .expect("a page fits memory");
        let reading = self.read("list jobs", query.read).await?;
        let applied_index = reading.applied_index();
        let node = query.node.as_deref().map(|name| self.node_named("list jobs", name)).transpose()?;
        let page = self.look(move |_| {
            let wanted = Wanted { reading: &reading, query: &query, node, rows };
            match query.array {
                Some(array) => wanted.tasks(array, cursor),
                None => wanted.page(&span(&query, cursor)),
            }
        });
        Ok((applied_index, Reply::Jobs(page.await?)))
    }

    pub(super) async fn resolve(&self, query: PrefixQuery) -> Result<(u64, Reply), ErrorBody> {
        let attempt = "look up a job by its prefix";
        bounded(attempt, &[("prefix", query.prefix.len(), ID_BYTES)])?;
        let prefix = canonical_prefix(&query.prefix).filter(|prefix| !prefix.is_empty());
        let prefix = prefix.ok_or_else(|| {
            ErrorBody::new(ErrorCode::InvalidRequest, format!("{attempt}: {:?} begins no job's id", query.prefix))
                .hint("Ids are digits and letters without i, l, o and u.")
        })?;
        let reading = self.read(attempt, query.read).await?;
        let found = matches(&reading, &prefix)?;
        Ok((reading.applied_index(), Reply::Prefix(found)))
    }
}

/// What one page is to hold.
struct Wanted<'q> {
    reading: &'q Reading,
    query: &'q ListQuery,
    node: Option<NodeId>,
    rows: usize,
}

/// The matching part of one table.
struct Walked<T> {
    found: Vec<T>,
    examined: usize,
    /// The last id looked at, where the walk was cut before the table's end.
    cut: Option<u128>,
}

impl Wanted<'_> {
    fn page(&self, span: &Span) -> Result<JobPage, ErrorBody> {
        let [live, ended] = self.halves();
        let tables = 2 * (usize::from(live) + usize::from(ended));
        let most = LIST_RECORDS_MAX / tables;
        let jobs = |wanted: bool, table| if wanted { self.walk(table, span, most) } else { Ok(Walked::new()) };
        let arrays = |wanted: bool, table| if wanted { self.walk_arrays(table, span, most) } else { Ok(Walked::new()) };
        let (live_jobs, ended_jobs) = (jobs(live, Table::Live)?, jobs(ended, Table::Ended)?);
        let (live_arrays, ended_arrays) = (arrays(live, Table::LiveArrays)?, arrays(ended, Table::EndedArrays)?);
        let cuts = [live_jobs.cut, ended_jobs.cut, live_arrays.cut, ended_arrays.cut].into_iter().flatten();
        // Beyond the point at which any walk was cut, the other tables' rows would be out of order.
        let (cut, newest) = match span.order {
            ListOrder::Newest => (cuts.max(), true),
            ListOrder::Oldest => (cuts.min(), false),
        };
        let examined = live_jobs.examined + ended_jobs.examined + live_arrays.examined + ended_arrays.examined;
        let records: Vec<JobRecord> = live_jobs.found.into_iter().chain(ended_jobs.found).collect();
        let arrays = live_arrays.found.iter().chain(&ended_arrays.found).map(array::summary);
        let mut found: Vec<JobSummary> = self.rows_of(&records)?.into_iter().chain(arrays).collect();
        found.sort_unstable_by_key(|row| if newest { u128::MAX - row.id.as_u128() } else { row.id.as_u128() });
        found
            .retain(|row| cut.is_none_or(|cut| if newest { row.id.as_u128() >= cut } else { row.id.as_u128() <= cut }));
        let more = found.len() > self.rows;
        found.truncate(self.rows);
        let last = if more { found.last().map(|row| row.id) } else { cut.map(JobId::from_u128) };
        Ok(JobPage { jobs: found, next: last.map(|job| job.to_string()), examined: wide(examined) })
    }

    /// A page of an array's tasks, by index.
    fn tasks(&self, array: JobId, after: Option<ids::JobId>) -> Result<JobPage, ErrorBody> {
        let attempt = "list an array's tasks";
        let kept = self.reading.array(array)?.ok_or_else(|| refuse::unknown_job(attempt, array))?;
        let span = span(self.query, None);
        let in_time = span.low <= array.as_u128() && span.high.is_none_or(|high| array.as_u128() < high);
        let mut page = JobPage { jobs: Vec::new(), next: None, examined: 0 };
        if !in_time || !self.is_labelled(kept.record.id)? {
            return Ok(page);
        }
        let after = after.and_then(ids::JobId::of_task).map(|(_, index)| index);
        let from = after.map_or(kept.record.first, |after| after.saturating_add(1));
        let mut records = Vec::new();
        for (looked_at, index) in (from..=kept.record.last).enumerate() {
            let Some(task) = array.task(index) else { break };
            page.examined = wide(looked_at + 1);
            let record = self.reading.job(task)?.filter(|record| self.is_wanted(record));
            records.extend(record);
            if (records.len() == self.rows || looked_at + 1 == LIST_RECORDS_MAX) && index < kept.record.last {
                page.next = Some(task.to_string());
                break;
            }
        }
        page.jobs = self.rows_of(&records)?;
        Ok(page)
    }

    fn rows_of(&self, records: &[JobRecord]) -> Result<Vec<JobSummary>, ErrorBody> {
        let names = self.reading.names_of(records.iter().filter_map(view::last_node))?;
        Ok(records.iter().map(|record| view::summary(record, &names)).collect())
    }

    /// Whether jobs that have not ended can match, and those that have.
    fn halves(&self) -> [bool; 2] {
        let states = &self.query.states;
        let any = |ended: bool| states.is_empty() || states.iter().any(|state| state.is_ended() == ended);
        [any(false), any(true)]
    }

    fn walk(&self, table: Table, span: &Span, most: usize) -> Result<Walked<JobRecord>, ErrorBody> {
        let (mut walked, mut failed) = (Walked::new(), None);
        self.reading.jobs_within(table, span, |record| {
            let id = record.id;
            let matches = if self.is_wanted(&record) { self.is_labelled(id) } else { Ok(false) };
            walked.note(record, id, matches, &mut failed, [self.rows, most])
        })?;
        failed.map_or(Ok(walked), Err)
    }

    fn walk_arrays(&self, table: Table, span: &Span, most: usize) -> Result<Walked<Kept>, ErrorBody> {
        let (mut walked, mut failed) = (Walked::new(), None);
        self.reading.arrays_within(table, span, |kept| {
            let id = kept.record.id;
            let matches = if self.is_wanted_array(&kept) { self.is_labelled(id) } else { Ok(false) };
            walked.note(kept, id, matches, &mut failed, [self.rows, most])
        })?;
        failed.map_or(Ok(walked), Err)
    }

    fn is_wanted(&self, record: &JobRecord) -> bool {
        let on_node = self.node.is_none_or(|node| view::last_node(record) == Some(node));
        on_node && self.fits(view::state(&record.state), &record.queue, &record.name)
    }

    /// An array runs nowhere; its tasks do.
    fn is_wanted_array(&self, kept: &Kept) -> bool {
        self.node.is_none() && self.fits(array::state(&kept.progress), &kept.record.queue, &kept.record.name)
    }

    fn fits(&self, state: JobState, queue: &str, name: &str) -> bool {
        let query = self.query;
        (query.states.is_empty() || query.states.contains(&state))
            && query.queue.as_deref().is_none_or(|wanted| wanted == queue)
            && query.name_prefix.as_ref().is_none_or(|prefix| name.starts_with(prefix))
    }

    /// Labels lie in the specification, which is looked up for this alone.
    fn is_labelled(&self, id: ids::JobId) -> Result<bool, ErrorBody> {
        if self.query.labels.is_empty() {
            return Ok(true);
        }
        let Some(spec) = self.reading.spec(id)? else { return Ok(false) };
        Ok(self.query.labels.iter().all(|(label, value)| spec.labels.get(label) == Some(value)))
    }
}

impl<T> Walked<T> {
    const fn new() -> Self {
        Self { found: Vec::new(), examined: 0, cut: None }
    }

    /// Takes one record in, and stops once there is one row more than asked for, which tells that there is a next page, or
    /// once as many were looked at as may be.
    fn note(
        &mut self,
        record: T,
        id: ids::JobId,
        matches: Result<bool, ErrorBody>,
        failed: &mut Option<ErrorBody>,
        [rows, most]: [usize; 2],
    ) -> ControlFlow<()> {
        self.examined += 1;
        match matches {
            Ok(true) => self.found.push(record),
            Ok(false) => {}
            Err(error) => {
                *failed = Some(error);
                return ControlFlow::Break(());
            }
        }
        if self.found.len() > rows || self.examined >= most {
            self.cut = Some(id.0);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

/// The ids that a query is about, beyond its cursor.
fn span(query: &ListQuery, cursor: Option<ids::JobId>) -> Span {
    let first_of = |ms: u64| u128::from(ms.min((1 << 48) - 1)) << RANDOM_BITS;
    let (low, high) = (query.since_ms.map_or(0, first_of), query.until_ms.map(first_of));
    let cursor = cursor.map(|cursor| cursor.0);
    match query.order {
        ListOrder::Newest => Span { low, high: [high, cursor].into_iter().flatten().min(), order: query.order },
        ListOrder::Oldest => {
            let low = cursor.map_or(low, |cursor| low.max(cursor.saturating_add(1)));
            Span { low, high, order: query.order }
        }
    }
}

fn wide(number: usize) -> u64 {
    u64::try_from(number).expect("a length fits 64 bits")
}

/// What a list is asked by, with its length and the longest that can match anything.
fn lengths(query: &ListQuery) -> [(&'static str, usize, usize); 7] {
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    [
        ("number of states", query.states.len(), JobState::ALL.len()),
        ("queue", text(&query.queue), QUEUE_BYTES_MAX),
        ("name prefix", text(&query.name_prefix), NAME_BYTES_MAX),
        ("cursor", text(&query.cursor), ID_BYTES + INDEX_BYTES),
        ("number of labels", query.labels.len(), LIST_LABELS_MAX),
        (
            "longest label",
            query.labels.iter().flat_map(|(name, value)| [name.len(), value.len()]).max().unwrap_or(0),
            LABEL_NAME_BYTES_MAX,
        ),
        ("node's name", text(&query.node), NAME_BYTES_MAX),
    ]
}

/// Refuses what no honest question contains, before it is kept while a read waits (R21).
pub(super) fn bounded(attempt: &str, lengths: &[(&str, usize, usize)]) -> Result<(), ErrorBody> {
    let Some((what, length, most)) = lengths.iter().find(|(_, length, most)| length > most) else { return Ok(()) };
    let message = format!("{attempt}: the {what} is {length}, at most {most} is accepted");
    Err(ErrorBody::new(ErrorCode::LimitExceeded, message).hint("Ask for less at once."))
}

fn cursor(cursor: Option<&str>) -> Result<Option<ids::JobId>, ErrorBody> {
    let Some(text) = cursor else { return Ok(None) };
    let job: JobId = text.parse().map_err(|error| {
        ErrorBody::new(ErrorCode::InvalidRequest, format!("list jobs: the cursor is none: {error}"))
            .hint("Use the cursor that came with the page before.")
    })?;
    Ok(Some(ids::JobId(job.as_u128())))
}

fn matches(reading: &Reading, prefix: &str) -> Result<PrefixMatch, ErrorBody> {
    let most = usize::try_from(PREFIX_CANDIDATES_MAX).expect("a few");
    let mut jobs: Vec<JobId> = Vec::new();
    let mut more = false;
    reading.ids_from(&random_bits(prefix), |job| {
        let job = JobId::from_u128(job.0);
        if !job.to_string().starts_with(prefix) {
            return ControlFlow::Break(());
        }
        more = jobs.len() == most;
        if more {
            return ControlFlow::Break(());
        }
        jobs.push(job);
        ControlFlow::Continue(())
    })?;
    let mut found = Vec::new();
    for job in jobs {
        if let Some(kept) = reading.array(job)? {
            found.push(array::summary(&kept));
        } else if let Some(record) = reading.job(job)? {
            let names = reading.names_of(view::last_node(&record).into_iter())?;
            found.push(view::summary(&record, &names));
        }
    }
    Ok(PrefixMatch { jobs: found, more })
}

/// The smallest random part whose text begins with this prefix: five bits a character, 80 in all.
fn random_bits(prefix: &str) -> Vec<u8> {
    let padded: String = prefix.chars().chain(std::iter::repeat('0')).take(RANDOM_CHARS).collect();
    let id: Result<JobId, _> = format!("{padded}-0000000000").parse();
    let random = id.map_or(0, JobId::as_u128);
    random.to_be_bytes()[6..].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(count: usize, bytes: usize) -> std::collections::BTreeMap<String, String> {
        (0..count).map(|n| (n.to_string(), "x".repeat(bytes))).collect()
    }

    #[test]
    fn a_query_is_about_the_ids_of_its_time_beyond_its_cursor() {
        let drawn = |ms: u64| u128::from(ms) << RANDOM_BITS;
        let query = |order| ListQuery { since_ms: Some(5), until_ms: Some(9), order, ..ListQuery::default() };
        for (order, cursor, low, high) in [
            (ListOrder::Newest, None, drawn(5), drawn(9)),
            (ListOrder::Newest, Some(drawn(7)), drawn(5), drawn(7)),
            (ListOrder::Newest, Some(drawn(20)), drawn(5), drawn(9)),
            (ListOrder::Oldest, Some(drawn(7)), drawn(7) + 1, drawn(9)),
            (ListOrder::Oldest, Some(drawn(1)), drawn(5), drawn(9)),
        ] {
            let span = span(&query(order), cursor.map(ids::JobId));
            assert_eq!((span.low, span.high), (low, Some(high)), "{order:?} {cursor:?}");
        }
    }

    #[test]
    fn questions_are_bounded_before_anything_is_read() {
        let long = Some("x".repeat(NAME_BYTES_MAX + 1));
        let states = vec![JobState::Queued; JobState::ALL.len() + 1];
        for (query, what) in [
            (ListQuery { states, ..ListQuery::default() }, "number of states"),
            (ListQuery { queue: long.clone(), ..ListQuery::default() }, "queue"),
            (ListQuery { name_prefix: long.clone(), ..ListQuery::default() }, "name prefix"),
            (ListQuery { cursor: long.clone(), ..ListQuery::default() }, "cursor"),
            (ListQuery { node: long, ..ListQuery::default() }, "node's name"),
            (ListQuery { labels: labels(LIST_LABELS_MAX + 1, 1), ..ListQuery::default() }, "number of labels"),
            (ListQuery { labels: labels(1, LABEL_NAME_BYTES_MAX + 1), ..ListQuery::default() }, "longest label"),
        ] {
            let refused = bounded("list jobs", &lengths(&query)).unwrap_err();
            assert!(refused.message.contains(what), "{refused:?}");
        }
        let id = JobId::from_u128(u128::MAX).to_string();
        assert_eq!(id.len(), ID_BYTES + INDEX_BYTES);
        let query = ListQuery { cursor: Some(id), states: JobState::ALL.to_vec(), ..ListQuery::default() };
        assert!(bounded("list jobs", &lengths(&query)).is_ok());
    }
}
