//! An array as a program asks for it: a job, and what makes many of it.

use crate::job::JobRequest;
use crate::limits::{ARRAY_TASKS_MAX, ITEM_BYTES_MAX, ITEMS_BYTES_MAX};
use crate::refusal::{ErrorBody, ErrorCode};

/// Many tasks of one job. In the command of each, `{}` is its item, or its index where there are no items.
///
/// ```
/// use quorla_client::{ArrayRequest, JobRequest};
///
/// let squares = ArrayRequest::range(JobRequest::new(["sh", "-c", "echo $(({} * {}))"]), 0, 99).running_max(8);
/// assert!(squares.check().is_ok());
/// let files = ArrayRequest::items(JobRequest::new(["gzip", "{}"]), ["/tmp/a", "/tmp/b"]);
/// assert!(files.check().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArrayRequest {
    /// What each task is.
    pub job: JobRequest,
    /// Which tasks there are.
    pub tasks: TaskItems,
    /// Tasks that may run at once; none: as many as find a place.
    pub running_max: Option<u32>,
}

/// The tasks of an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskItems {
    /// One for each index from the first to the last.
    Range(u32, u32),
    /// One for each item, in their order; the first has index 0.
    Items(Vec<String>),
}

impl ArrayRequest {
    /// A task for each index from `first` to `last`.
    #[must_use]
    pub const fn range(job: JobRequest, first: u32, last: u32) -> Self {
        Self { job, tasks: TaskItems::Range(first, last), running_max: None }
    }

    /// A task for each item.
    #[must_use]
    pub fn items<I: Into<String>>(job: JobRequest, items: impl IntoIterator<Item = I>) -> Self {
        let items = items.into_iter().map(Into::into).collect();
        Self { job, tasks: TaskItems::Items(items), running_max: None }
    }

    /// Lets at most so many tasks run at once.
    #[must_use]
    pub const fn running_max(mut self, tasks: u32) -> Self {
        self.running_max = Some(tasks);
        self
    }

    /// Checks every bound that needs no server.
    ///
    /// # Errors
    /// The refusal that the server would give: `invalid_request` or `limit_exceeded`.
    pub fn check(&self) -> Result<(), ErrorBody> {
        self.job.check()?;
        if self.running_max == Some(0) {
            return Err(invalid("running_max is 0", "An array lets at least one task run."));
        }
        match &self.tasks {
            TaskItems::Range(first, last) if first > last => {
                Err(invalid("the first index is above the last", "Give the smaller one first: 0-99"))
            }
            TaskItems::Range(_, last) => {
                within("last index and one", usize_of(*last).saturating_add(1), usize_of(ARRAY_TASKS_MAX))
            }
            TaskItems::Items(items) => check_items(items),
        }
    }
}

fn check_items(items: &[String]) -> Result<(), ErrorBody> {
    if items.is_empty() {
        return Err(invalid("there are no items", "An array has at least one task."));
    }
    within("items", items.len(), usize_of(ARRAY_TASKS_MAX))?;
    // What is stored has a length before each item.
    within("bytes of all items", items.iter().map(|item| item.len() + 3).sum(), ITEMS_BYTES_MAX)?;
    for (number, item) in (1..).zip(items) {
        within(&format!("bytes of item {number}"), item.len(), ITEM_BYTES_MAX)?;
        if item.contains('\0') {
            return Err(invalid(format!("item {number} holds a NUL byte"), "Items become arguments of a command."));
        }
    }
    Ok(())
}

fn usize_of(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn within(what: &str, actual: usize, max: usize) -> Result<(), ErrorBody> {
    if actual <= max {
        return Ok(());
    }
    let message = format!("submit an array: {what}: {actual}, at most {max} is accepted");
    Err(ErrorBody::new(ErrorCode::LimitExceeded, message).hint("Make several arrays of it."))
}

fn invalid(why: impl std::fmt::Display, hint: &'static str) -> ErrorBody {
    ErrorBody::new(ErrorCode::InvalidRequest, format!("submit an array: {why}")).hint(hint)
}
