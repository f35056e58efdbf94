//! Applies committed entries, one after the other: the ledger first, then one batch with its changes and the applied
//! id, then the replies.
//!
//! A panic in the ledger ends the process and names the entry, because every replica would meet it (R8).

use std::cell::RefCell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use openraft::EntryPayload;
use openraft::storage::ApplyResponder;
use quorla_ledger::Records;
use quorla_ledger::batch::{Batch, BatchError};
use quorla_ledger::ledger::Divergence;
use quorla_ledger::{Applied as LedgerApplied, Entry as LedgerEntry};
use rocksdb::{DB, WriteBatch};
use tokio::time::Instant;

use super::database::Applied;
use super::{Hot, Shared, StateDb};
use crate::codec;
use crate::failpoints;
use crate::fatal::Fatal;
use crate::keys::{self, GroupId};
use crate::metrics;
use crate::types::{Entry, Payload, Replies, StoredMembership, TypeConfig};

/// What one entry did to the hot state, to be written.
#[derive(Default)]
struct Done {
    changes: WriteBatch,
    replies: Replies,
    wants_content_hash: bool,
}

/// Records as the former entry left them. A failed read is kept, because the ledger can't be told.
struct WrittenRecords<'a> {
    rocks: &'a DB,
    group: GroupId,
    failed: RefCell<Option<String>>,
}

impl Records for WrittenRecords<'_> {
    fn read(&self, key: &[u8]) -> Option<Vec<u8>> {
        match self.rocks.get(keys::state(self.group, key)) {
            Ok(value) => value,
            Err(error) => {
                self.failed.replace(Some(error.to_string()));
                None
            }
        }
    }
}

impl Shared {
    /// Applies one entry to the hot state, writes it, tells readers, then answers. Nothing is answered when the write fails.
    pub(crate) fn apply(&self, entry: Entry, responder: Option<ApplyResponder<TypeConfig>>) -> io::Result<()> {
        failpoints::check("state.apply", &self.options.directory)
            .map_err(|error| self.options.fatal.state("apply an entry to", error))?;
        let (index, since) = (entry.log_id.index, Instant::now());
        let (done, database) = self.apply_to_hot(entry)?;
        database.write(done.changes).map_err(|error| self.fatal("apply an entry to", &error))?;
        failpoints::check("state.applied", &self.options.directory)
            .map_err(|error| self.options.fatal.state("apply an entry to", error))?;
        if done.wants_content_hash {
            self.content_hash.mark(database, self.options.group, index);
        }
        self.applied.send_replace(index);
        metrics::entry_applied(since.elapsed());
        if let Some(responder) = responder {
            responder.send(done.replies);
        }
        Ok(())
    }

    fn apply_to_hot(&self, entry: Entry) -> io::Result<(Done, Arc<StateDb>)> {
        let mut hot = self.hot();
        let mut done = match entry.payload {
            EntryPayload::Blank => Done::default(),
            EntryPayload::Membership(membership) => {
                hot.membership = StoredMembership::new(Some(entry.log_id), membership);
                Done::default()
            }
            EntryPayload::Normal(payload) => self.apply_batch(entry.log_id.index, &payload, &mut hot)?,
        };
        hot.applied = Some(entry.log_id);
        let applied = Applied { log_id: hot.applied, membership: hot.membership.clone() };
        done.changes.put(keys::applied(self.options.group), codec::encode(&applied)?);
        Ok((done, Arc::clone(&hot.database)))
    }

    fn apply_batch(&self, index: u64, payload: &Payload, hot: &mut Hot) -> io::Result<Done> {
        let batch = Batch::parse(&payload.0).map_err(|error| self.refuse_batch(index, error))?;
        let applied = self.run_ledger(&LedgerEntry { index, batch }, hot)?;
        self.heed_signals(index, &applied)?;
        let mut changes = WriteBatch::default();
        let mut whole = Vec::new();
        for (key, value) in &applied.changes {
            keys::write_state(&mut whole, self.options.group, key);
            match value {
                Some(value) => changes.put(&whole, value),
                None => changes.delete(&whole),
            }
        }
        let wants_content_hash = applied.signals.content_hash_wanted;
        Ok(Done { changes, replies: Replies(applied.replies), wants_content_hash })
    }

    fn run_ledger(&self, entry: &LedgerEntry<'_>, hot: &mut Hot) -> io::Result<LedgerApplied> {
        let Hot { ledger, database, .. } = hot;
        let group = self.options.group;
        let records = WrittenRecords { rocks: database.rocks(), group, failed: RefCell::new(None) };
        let outcome = catch_unwind(AssertUnwindSafe(|| ledger.apply(entry, &records)));
        if let Some(reason) = records.failed.take() {
            return Err(self.options.fatal.state("read a record of", reason));
        }
        match outcome {
            Ok(applied) => Ok(applied),
            Err(_) => {
                tracing::error!(index = entry.index, "applying this entry panicked, this process ends");
                std::process::abort()
            }
        }
    }

    fn refuse_batch(&self, index: u64, error: BatchError) -> io::Error {
        if let BatchError::UnknownVersion(version) = error {
            self.options.fatal.report(Fatal::UnknownVersion { index, version });
        }
        self.options.fatal.state("apply a batch to", format_args!("entry {index}: {error}"))
    }

    fn heed_signals(&self, index: u64, applied: &LedgerApplied) -> io::Result<()> {
        let fatal = if let Some(version) = applied.signals.unknown_version {
            Fatal::UnknownVersion { index, version }
        } else if let Some(Divergence { index, expected, actual }) = applied.signals.divergence {
            Fatal::Diverged { index, expected, actual }
        } else {
            return Ok(());
        };
        let error = io::Error::other(fatal.to_string());
        self.options.fatal.report(fatal);
        Err(error)
    }
}
