//! Pages of jobs, newest first, and jobs by the first characters of their id.
//!
//! A page costs a merge of two ordered tables and looks at `ROWS_WALKED_MAX` records at the most, matching or not; where
//! that ends it, the page is short and says where the next one begins.

use std::{cmp::Reverse, ops::ControlFlow};

use quorla_client::{
    ErrorBody, ErrorCode, JobId, JobPage, JobState, JobSummary, ListQuery, PrefixMatch, PrefixQuery, Reply,
    canonical_prefix,
    limits::{LIST_ROWS_DEFAULT, LIST_ROWS_MAX, NAME_BYTES_MAX, PREFIX_CANDIDATES_MAX, QUEUE_BYTES_MAX},
};
use quorla_ledger::{array::Kept, ids, record::JobRecord, tables::Table};

use super::{Dispatch, array, reading::Reading, refuse, view};

/// Records that one page looks at in each table.
const ROWS_WALKED_MAX: usize = 20_000;
/// Characters of an id's text that are its random part.
const RANDOM_CHARS: usize = 16;
/// Bytes of an id's text: the random part, a dash and the time.
const ID_BYTES: usize = RANDOM_CHARS + 1 + 10;
/// Bytes that a task's id has more: a slash and an index.
const INDEX_BYTES: usize = 1 + 7;

impl Dispatch {
    pub(super) async fn list(&self, query: ListQuery) -> Result<(u64, Reply), ErrorBody> {
        bounded("list jobs", &lengths(&query))?;
        let below = cursor(query.cursor.as_deref())?;
        let rows = usize::try_from(query.limit.unwrap_or(LIST_ROWS_DEFAULT).clamp(1, LIST_ROWS_MAX))
            .expect("a page fits memory");
        let reading = self.read("list jobs", query.read).await?;
        let applied_index = reading.applied_index();
        let page = self
            .look(move |_| match query.array {
                Some(array) => tasks(&reading, &query, array, below, rows),
                None => page(&reading, &query, below, rows),
            })
            .await?;
        Ok((applied_index, Reply::Jobs(page)))
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

fn page(reading: &Reading, query: &ListQuery, below: Option<ids::JobId>, rows: usize) -> Result<JobPage, ErrorBody> {
    let live = walk(reading, Table::Live, query, below, rows)?;
    let ended = walk(reading, Table::Ended, query, below, rows)?;
    let live_arrays = walk_arrays(reading, Table::LiveArrays, query, below, rows)?;
    let ended_arrays = walk_arrays(reading, Table::EndedArrays, query, below, rows)?;
    // Beyond the point at which any walk was cut, the other tables' rows would be out of order.
    let cut = live.cut.max(ended.cut).max(live_arrays.cut).max(ended_arrays.cut);
    let records: Vec<JobRecord> = live.found.into_iter().chain(ended.found).collect();
    let names = reading.names_of(records.iter().filter_map(view::last_node))?;
    let jobs = records.iter().map(|record| view::summary(record, &names));
    let arrays = live_arrays.found.iter().chain(&ended_arrays.found).map(array::summary);
    let mut found: Vec<JobSummary> = jobs.chain(arrays).collect();
    found.sort_unstable_by_key(|row| Reverse(row.id));
    found.retain(|row| cut.is_none_or(|cut| row.id.as_u128() >= cut.0));
    let more = found.len() > rows;
    found.truncate(rows);
    let last = if more { found.last().map(|row| row.id) } else { cut.map(|cut| JobId::from_u128(cut.0)) };
    Ok(JobPage { jobs: found, next: last.map(|job| job.to_string()) })
}

/// A page of an array's tasks, by index. Looks at `ROWS_WALKED_MAX` of them at the most.
fn tasks(
    reading: &Reading,
    query: &ListQuery,
    array: JobId,
    after: Option<ids::JobId>,
    rows: usize,
) -> Result<JobPage, ErrorBody> {
    let attempt = "list an array's tasks";
    let kept = reading.array(array)?.ok_or_else(|| refuse::unknown_job(attempt, array))?;
    let after = after.and_then(ids::JobId::of_task).map(|(_, index)| index);
    let from = after.map_or(kept.record.first, |after| after.saturating_add(1));
    let mut records = Vec::new();
    let mut next = None;
    for (looked_at, index) in (from..=kept.record.last).enumerate() {
        let Some(task) = array.task(index) else { break };
        let record = reading.job(task)?.filter(|record| wanted(record, query));
        records.extend(record);
        if (records.len() == rows || looked_at + 1 == ROWS_WALKED_MAX) && index < kept.record.last {
            next = Some(task.to_string());
            break;
        }
    }
    let names = reading.names_of(records.iter().filter_map(view::last_node))?;
    Ok(JobPage { jobs: records.iter().map(|record| view::summary(record, &names)).collect(), next })
}

/// What a list is asked by, with its length and the longest that can match anything.
fn lengths(query: &ListQuery) -> [(&'static str, usize, usize); 4] {
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    [
        ("number of states", query.states.len(), JobState::ALL.len()),
        ("queue", text(&query.queue), QUEUE_BYTES_MAX),
        ("name prefix", text(&query.name_prefix), NAME_BYTES_MAX),
        ("cursor", text(&query.cursor), ID_BYTES + INDEX_BYTES),
    ]
}

/// Refuses what no honest question contains, before it is kept while a read waits (R21).
pub(super) fn bounded(attempt: &str, lengths: &[(&str, usize, usize)]) -> Result<(), ErrorBody> {
    let Some((what, length, most)) = lengths.iter().find(|(_, length, most)| length > most) else { return Ok(()) };
    let message = format!("{attempt}: the {what} is {length}, at most {most} is accepted");
    Err(ErrorBody::new(ErrorCode::LimitExceeded, message).hint("Ask for less at once."))
}

/// The matching part of one table.
struct Walked<T> {
    found: Vec<T>,
    /// The last id looked at, where the walk was cut before the table's end.
    cut: Option<ids::JobId>,
}

fn walk(
    reading: &Reading,
    table: Table,
    query: &ListQuery,
    below: Option<ids::JobId>,
    rows: usize,
) -> Result<Walked<JobRecord>, ErrorBody> {
    let mut walked = Walked { found: Vec::new(), cut: None };
    let mut looked_at = 0;
    reading.jobs_back(table, below, |record| {
        looked_at += 1;
        let id = record.id;
        if wanted(&record, query) {
            walked.found.push(record);
        }
        // One row more than asked for tells whether there is a next page.
        if walked.found.len() > rows || looked_at >= ROWS_WALKED_MAX {
            walked.cut = Some(id);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    Ok(walked)
}

fn walk_arrays(
    reading: &Reading,
    table: Table,
    query: &ListQuery,
    below: Option<ids::JobId>,
    rows: usize,
) -> Result<Walked<Kept>, ErrorBody> {
    let mut walked = Walked { found: Vec::new(), cut: None };
    let mut looked_at = 0;
    reading.arrays_back(table, below, |kept| {
        looked_at += 1;
        let id = kept.record.id;
        let in_state = query.states.is_empty() || query.states.contains(&array::state(&kept.progress));
        let in_queue = query.queue.as_ref().is_none_or(|queue| *queue == kept.record.queue);
        if in_state && in_queue && query.name_prefix.as_ref().is_none_or(|prefix| kept.record.name.starts_with(prefix))
        {
            walked.found.push(kept);
        }
        if walked.found.len() > rows || looked_at >= ROWS_WALKED_MAX {
            walked.cut = Some(id);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    Ok(walked)
}

fn wanted(record: &JobRecord, query: &ListQuery) -> bool {
    let in_state = query.states.is_empty() || query.states.contains(&view::state(&record.state));
    let in_queue = query.queue.as_ref().is_none_or(|queue| *queue == record.queue);
    let named = query.name_prefix.as_ref().is_none_or(|prefix| record.name.starts_with(prefix));
    in_state && in_queue && named
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

    #[test]
    fn questions_are_bounded_before_anything_is_read() {
        let long = Some("x".repeat(NAME_BYTES_MAX + 1));
        let states = vec![JobState::Queued; JobState::ALL.len() + 1];
        for (query, what) in [
            (ListQuery { states, ..ListQuery::default() }, "number of states"),
            (ListQuery { queue: long.clone(), ..ListQuery::default() }, "queue"),
            (ListQuery { name_prefix: long.clone(), ..ListQuery::default() }, "name prefix"),
            (ListQuery { cursor: long, ..ListQuery::default() }, "cursor"),
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
