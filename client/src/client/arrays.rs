//! Calls about arrays: upload and submit, look, cancel, retry. A whole array is waited for like a job.

use super::{Client, call_for};
use crate::array::{ArrayRequest, TaskItems};
use crate::error::Error;
use crate::ids::JobId;
use crate::limits::{ITEMS_PER_BLOCK, PUT_ITEMS_BYTES_MAX, PUT_ITEMS_MAX};
use crate::refusal::{ErrorBody, ErrorCode};
use crate::reply::{Cancelled, ItemsPut, Reply, Submitted};
use crate::request::{JobQuery, PutItems, Request, SubmitArray, TaskSet};
use crate::view::ArrayView;

impl Client {
    /// Submits an array. Items are uploaded first, in pieces; nothing runs before all of them are there. When this returns
    /// `Ok`, the array is on fsynced disk on a majority.
    ///
    /// # Errors
    /// As [`Client::submit`]. An upload that was not finished is removed by the cluster after some minutes.
    pub async fn submit_array(&self, array: ArrayRequest) -> Result<Submitted, Error> {
        self.submit_array_as(self.draw_array_id(), array).await
    }

    /// As [`Client::submit_array`], under an id that was drawn before. The same id and array again is the same submit; with
    /// items only until it was accepted, for they can't be uploaded again then. An idempotency key has no such bound.
    ///
    /// # Errors
    /// As [`Client::submit`].
    pub async fn submit_array_as(&self, array_id: JobId, array: ArrayRequest) -> Result<Submitted, Error> {
        array.check()?;
        let ArrayRequest { job, tasks, running_max } = array;
        let tasks = match tasks {
            TaskItems::Range(first, last) => TaskSet::Range { first, last },
            TaskItems::Items(items) => self.upload(array_id, items).await?,
        };
        let request = Request::SubmitArray(Box::new(SubmitArray { array_id, job, tasks, running_max }));
        call_for!(self, request, Some(array_id), Reply::Submitted)
    }

    /// An array, with its tasks counted by state.
    ///
    /// # Errors
    /// [`Error::Refused`] with `not_found` when there is none.
    pub async fn array_status(&self, array: JobId) -> Result<ArrayView, Error> {
        let request = Request::ArrayStatus(JobQuery { job: array, read: self.read });
        let view: Result<Box<ArrayView>, Error> = call_for!(self, request, Some(array), Reply::Array);
        view.map(|view| *view)
    }

    /// Stops an array: what waits ends at once, what runs is stopped. One that is being stopped already is no error.
    ///
    /// # Errors
    /// [`Error::Refused`] with `job_has_ended` or `not_found`, or `invalid_request` for what is no array.
    pub async fn cancel_array(&self, array: JobId, reason: Option<String>) -> Result<Cancelled, Error> {
        must_be_array("cancel an array", array)?;
        self.cancel_with(array, reason, None).await
    }

    /// Submits those tasks of an ended array anew that did not succeed, as a new array that names it. They keep their
    /// indices and items.
    ///
    /// # Errors
    /// [`Error::Refused`] with `job_has_not_ended` or `not_found`, or `invalid_request` when every task succeeded.
    pub async fn retry_array(&self, of: JobId, idempotency_key: Option<String>) -> Result<Submitted, Error> {
        must_be_array("retry an array", of)?;
        self.retry(of, idempotency_key).await
    }

    /// Sends the items one piece after another, each once the one before is on a majority's disks.
    async fn upload(&self, array_id: JobId, items: Vec<String>) -> Result<TaskSet, Error> {
        let mut put = ItemsPut { items: 0, digest: [0; 16] };
        for piece in pieces(items) {
            let request = Request::PutItems(PutItems { array_id, first: put.items, items: piece });
            put = call_for!(self, request, Some(array_id), Reply::ItemsPut)?;
        }
        Ok(TaskSet::Items { count: put.items, digest: put.digest })
    }
}

fn must_be_array(attempt: &str, id: JobId) -> Result<(), ErrorBody> {
    if id.is_array() {
        return Ok(());
    }
    Err(ErrorBody::new(ErrorCode::InvalidRequest, format!("{attempt}: {id} is no array"))
        .hint("Arrays are listed with the jobs: quorla job list"))
}

/// Splits items at whole blocks, as many in a piece as its bounds admit.
fn pieces(items: Vec<String>) -> Vec<Vec<String>> {
    let mut pieces: Vec<Vec<String>> = Vec::new();
    let mut bytes = 0;
    let mut items = items.into_iter().peekable();
    while items.peek().is_some() {
        let block: Vec<String> = items.by_ref().take(ITEMS_PER_BLOCK).collect();
        let block_bytes: usize = block.iter().map(String::len).sum();
        let fits = bytes + block_bytes <= PUT_ITEMS_BYTES_MAX;
        match pieces.last_mut().filter(|piece| fits && piece.len() + block.len() <= PUT_ITEMS_MAX) {
            Some(piece) => {
                piece.extend(block);
                bytes += block_bytes;
            }
            None => {
                pieces.push(block);
                bytes = block_bytes;
            }
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_whole_blocks_within_their_bounds() {
        for (count, width) in [(1, 1), (20_000, 10), (600, 4_096)] {
            let items: Vec<String> = (0..count).map(|number| format!("{number:>width$}")).collect();
            let pieces = pieces(items.clone());
            assert_eq!(pieces.concat(), items);
            let (last, others) = pieces.split_last().unwrap();
            assert!(others.iter().all(|piece| piece.len() % ITEMS_PER_BLOCK == 0));
            for piece in others.iter().chain([last]) {
                assert!(piece.len() <= PUT_ITEMS_MAX);
                assert!(piece.iter().map(String::len).sum::<usize>() <= PUT_ITEMS_BYTES_MAX);
            }
        }
    }
}
