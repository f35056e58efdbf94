//! Jobs gathered for one synced write, and whom to tell about it.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use openraft::entry::RaftEntry;
use openraft::storage::IOFlushed;
use rocksdb::{DB, WriteBatch, WriteOptions};
use tokio::time::Instant;

use super::{Done, Job};
use crate::codec;
use crate::failpoints;
use crate::keys::{self, GroupId, Meta};
use crate::log_store::encode_record;
use crate::metrics;
use crate::types::{LogId, TypeConfig, Vote};

/// What a write made durable, by group and in order.
pub(crate) struct Change {
    pub(crate) group: GroupId,
    /// The new end of the log, when it moved.
    pub(crate) last: Option<Option<LogId>>,
    pub(crate) vote: Option<Vote>,
    /// The log can't end before this point any more.
    pub(crate) purged: Option<LogId>,
    pub(crate) bytes: u64,
}

impl Change {
    fn of(group: GroupId) -> Self {
        Self { group, last: None, vote: None, purged: None, bytes: 0 }
    }
}

enum Waiter {
    Append(IOFlushed<TypeConfig>),
    Done(Done),
}

pub(crate) struct PendingBatch {
    batch: WriteBatch,
    changes: Vec<Change>,
    waiters: Vec<Waiter>,
    /// A job that could not be put into the batch fails all of it.
    broken: Option<io::Error>,
    scratch: Vec<u8>,
}

impl PendingBatch {
    pub(crate) fn new(committed: BTreeMap<GroupId, LogId>) -> Self {
        let mut pending = Self {
            batch: WriteBatch::default(),
            changes: Vec::new(),
            waiters: Vec::new(),
            broken: None,
            scratch: Vec::new(),
        };
        for (group, committed) in committed {
            pending.put_meta(group, Meta::Committed, &committed);
        }
        pending
    }

    pub(crate) fn bytes(&self) -> usize {
        self.batch.size_in_bytes()
    }

    pub(crate) fn changes(&self) -> &[Change] {
        &self.changes
    }

    pub(crate) fn add(&mut self, job: Job, directory: &Path) {
        let result = match job {
            Job::Append { group, entries, callback } => {
                self.waiters.push(Waiter::Append(callback));
                failpoints::check("log.append", directory).and_then(|()| self.append(group, &entries))
            }
            Job::Vote { group, vote, done } => {
                self.waiters.push(Waiter::Done(done));
                self.put_meta(group, Meta::Vote, &vote);
                self.changes.push(Change { vote: Some(vote), ..Change::of(group) });
                failpoints::check("log.vote", directory)
            }
            Job::Truncate { group, from, last, done } => {
                self.waiters.push(Waiter::Done(done));
                self.batch.delete_range(keys::entry(group, from), keys::entry(group, u64::MAX));
                self.changes.push(Change { last: Some(last), ..Change::of(group) });
                failpoints::check("log.truncate", directory)
            }
            Job::Purge { group, upto, done } => {
                self.waiters.push(Waiter::Done(done));
                self.put_meta(group, Meta::Purged, &upto);
                self.changes.push(Change { purged: Some(upto), ..Change::of(group) });
                self.batch.delete_range(keys::entry(group, 0), keys::entry(group, upto.index() + 1));
                failpoints::check("log.purge", directory)
            }
            Job::Adopt { .. } | Job::Stop { .. } => Ok(()),
        };
        if let Err(error) = result {
            self.broken = Some(error);
        }
    }

    fn append(&mut self, group: GroupId, entries: &[crate::types::Entry]) -> io::Result<()> {
        let Some(last) = entries.last() else { return Ok(()) };
        let mut bytes = 0;
        for entry in entries {
            self.scratch.clear();
            encode_record(entry, &mut self.scratch)?;
            bytes += self.scratch.len() as u64;
            self.batch.put(keys::entry(group, entry.index()), &self.scratch);
        }
        self.changes.push(Change { last: Some(Some(last.log_id)), bytes, ..Change::of(group) });
        Ok(())
    }

    fn put_meta<T: serde::Serialize>(&mut self, group: GroupId, meta: Meta, value: &T) {
        match codec::encode(value) {
            Ok(bytes) => self.batch.put(keys::meta(group, meta), bytes),
            Err(error) => self.broken = Some(error.into()),
        }
    }

    /// Writes and syncs. The batch is gone afterwards.
    pub(crate) fn commit(&mut self, rocks: &DB, directory: &Path) -> io::Result<()> {
        if let Some(error) = self.broken.take() {
            return Err(error);
        }
        let batch = std::mem::take(&mut self.batch);
        if batch.is_empty() {
            return Ok(());
        }
        let mut options = WriteOptions::default();
        options.set_sync(true);
        let since = Instant::now();
        rocks.write_opt(batch, &options).map_err(io::Error::other)?;
        metrics::log_written(since.elapsed());
        failpoints::check("log.appended", directory)
    }

    /// Tells everyone, in the order of the jobs.
    pub(crate) fn report(self, result: &io::Result<()>) {
        let copy = || match result {
            Ok(()) => Ok(()),
            Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
        };
        for waiter in self.waiters {
            match waiter {
                Waiter::Append(callback) => callback.io_completed(copy()),
                Waiter::Done(done) => {
                    // A caller that is gone needs no answer.
                    let _ = done.send(copy());
                }
            }
        }
    }
}
