//! The Raft log of one group in the shared log database: entries, vote, purge point and commit point.
//!
//! Reads go to a cache of recent entries first, writes through the one writer thread of the database, which
//! syncs many groups' and many entries' writes at once. What the callbacks report is on disk (I1).

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use openraft::{EntryPayload, OptionalSend};
use rocksdb::{Direction, IteratorMode};
use tokio::sync::oneshot;

use crate::codec;
use crate::keys::{self, GroupId, Meta};
use crate::types::{Entry, LogId, TypeConfig, Vote};

mod cache;
mod database;
mod mark;
mod record;
mod writer;

use cache::Cache;
pub(crate) use database::{LogDatabase, LogDatabaseError};
pub(crate) use database::{is_damage, quiet as quiet_options, read_all};
pub(crate) use record::{decode_record, encode_record};
pub(crate) use writer::Job;

/// The last entry of a founding.
const FOUNDING_INDEX_MAX: u64 = 2;

/// A replication message carries at most about this many bytes of entries.
const REPLICATION_BYTES_MAX: usize = 1 << 20;

/// One group's log; clones share it.
#[derive(Clone)]
pub struct LogStore {
    database: Arc<LogDatabase>,
    group: GroupId,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    cache: Cache,
    vote: Option<Vote>,
}

impl LogStore {
    /// The log of `group`; one per group and database.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn new(database: Arc<LogDatabase>, group: GroupId, cache_bytes_max: usize) -> io::Result<Self> {
        let vote = database.meta::<Vote>(group, Meta::Vote)?;
        let shared = Arc::new(Mutex::new(Shared { cache: Cache::new(cache_bytes_max), vote }));
        database.adopt(group, vote, last_log_id(&database, group)?);
        Ok(Self { database, group, shared })
    }

    /// Bytes of commands in this log when it was opened, and appended since; what triggers snapshots.
    pub fn appended_bytes(&self) -> u64 {
        self.database.appended_bytes(self.group)
    }

    /// Whether it holds nothing, or no more than a founding: the membership, a first entry and the founding command.
    /// Whoever else is admitted comes later.
    pub(crate) fn is_new(&self) -> io::Result<bool> {
        Ok(self.last_log_id()?.is_none_or(|last| last.index <= FOUNDING_INDEX_MAX))
    }

    /// The last entry on disk, or the purge point.
    pub(crate) fn last_log_id(&self) -> io::Result<Option<LogId>> {
        let purged = self.database.meta::<LogId>(self.group, Meta::Purged)?;
        Ok(last_log_id(&self.database, self.group)?.or(purged))
    }

    /// Everything up to here is gone from the log: only the state has it.
    pub(crate) fn purged(&self) -> io::Result<Option<LogId>> {
        self.database.meta::<LogId>(self.group, Meta::Purged)
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn write(&self, job: impl FnOnce(oneshot::Sender<io::Result<()>>) -> Job) -> io::Result<()> {
        let (sender, receiver) = oneshot::channel();
        self.database.submit(job(sender))?;
        match receiver.await {
            Ok(result) => result,
            Err(_) => Err(self.database.fatal().log("write", "the writer is gone")),
        }
    }

    /// Entries in `start..end`: from the database what the cache has dropped, the rest from the cache. The entry with
    /// which they have `bytes_max` is the last one.
    fn entries(&self, start: u64, end: u64, bytes_max: usize) -> io::Result<Vec<Entry>> {
        let (cached_from, cached) = self.shared().cache.range(start, end);
        let mut found = Found { entries: Vec::new(), bytes_left: bytes_max };
        if start < cached_from {
            self.read_disk(start, cached_from.min(end), &mut found)?;
        }
        for entry in cached {
            if found.bytes_left == 0 {
                break;
            }
            found.push(entry);
        }
        Ok(found.entries)
    }

    fn read_disk(&self, start: u64, end: u64, found: &mut Found) -> io::Result<()> {
        let from = keys::entry(self.group, start);
        let fatal = self.database.fatal();
        for item in self.database.rocks().iterator(IteratorMode::From(&from, Direction::Forward)) {
            let (key, value) = item.map_err(|error| fatal.log("read", error))?;
            let Some(index) = keys::entry_index(self.group, &key).filter(|index| *index < end) else { break };
            found.push(decode_record(index, value.into_vec().into()).map_err(|error| fatal.log("read", error))?);
            if found.bytes_left == 0 {
                break;
            }
        }
        Ok(())
    }
}

/// What a read has found so far.
struct Found {
    entries: Vec<Entry>,
    bytes_left: usize,
}

impl Found {
    fn push(&mut self, entry: Entry) {
        self.bytes_left = self.bytes_left.saturating_sub(entry_bytes(&entry));
        self.entries.push(entry);
    }
}

fn last_log_id(database: &LogDatabase, group: GroupId) -> io::Result<Option<LogId>> {
    let from = keys::entry(group, u64::MAX);
    let fatal = database.fatal();
    let Some(item) = database.rocks().iterator(IteratorMode::From(&from, Direction::Reverse)).next() else {
        return Ok(None);
    };
    let (key, value) = item.map_err(|error| fatal.log("read", error))?;
    let Some(index) = keys::entry_index(group, &key) else { return Ok(None) };
    let entry = decode_record(index, value.into_vec().into()).map_err(|error| fatal.log("read", error))?;
    Ok(Some(entry.log_id))
}

fn bounds(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(start) => start.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(end) => end.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    };
    (start, end)
}

/// Roughly what an entry takes on the wire.
pub(crate) fn entry_bytes(entry: &Entry) -> usize {
    match &entry.payload {
        EntryPayload::Normal(payload) => payload.0.len() + 48,
        EntryPayload::Blank => 48,
        EntryPayload::Membership(membership) => 48 + 128 * membership.nodes().count(),
    }
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<R>(&mut self, range: R) -> Result<Vec<Entry>, io::Error>
    where
        R: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let (start, end) = bounds(&range);
        self.entries(start, end, usize::MAX)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, io::Error> {
        self.entries(start, end, REPLICATION_BYTES_MAX)
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.shared().vote)
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        let last_purged_log_id = self.database.meta::<LogId>(self.group, Meta::Purged)?;
        let last_log_id = last_log_id(&self.database, self.group)?.or(last_purged_log_id);
        Ok(LogState { last_purged_log_id, last_log_id })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        let (group, vote) = (self.group, *vote);
        self.write(|done| Job::Vote { group, vote, done }).await?;
        self.shared().vote = Some(vote);
        Ok(())
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        if let Some(committed) = committed {
            self.database.note_committed(self.group, committed);
        }
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        // The commit point may have been saved ahead of the entries before it; they were not durable then.
        let committed = self.database.meta::<LogId>(self.group, Meta::Committed)?;
        Ok(committed.min(self.last_log_id()?))
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        let durable_index = self.database.durable_index(self.group);
        self.shared().cache.extend(&entries, durable_index);
        self.database.submit(Job::Append { group: self.group, entries, callback })
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> Result<(), io::Error> {
        let (group, from) = (self.group, last_log_id.map_or(0, |last| last.index() + 1));
        self.shared().cache.truncate(from);
        self.write(|done| Job::Truncate { group, from, last: last_log_id, done }).await
    }

    async fn purge(&mut self, upto: LogId) -> Result<(), io::Error> {
        let group = self.group;
        self.shared().cache.purge(upto.index());
        self.write(|done| Job::Purge { group, upto, done }).await
    }
}

impl LogDatabase {
    /// A group's value beside its entries.
    fn meta<T: serde::de::DeserializeOwned>(&self, group: GroupId, meta: Meta) -> io::Result<Option<T>> {
        let bytes = self.rocks().get(keys::meta(group, meta)).map_err(|error| self.fatal().log("read", error))?;
        bytes.map(|bytes| codec::decode(&bytes)).transpose().map_err(|error| self.fatal().log("read", error))
    }
}
