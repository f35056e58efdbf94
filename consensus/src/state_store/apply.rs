//! Applies committed entries: ledger first, then one batch with its changes and the applied id, then the replies.
//!
//! Later entries of a round see the changes of earlier ones through an overlay. A panic in the ledger ends the
//! process and names the entry, because every replica would meet it (R8).

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use openraft::EntryPayload;
use openraft::storage::ApplyResponder;
use quorla_ledger::Records;
use quorla_ledger::batch::{Batch, BatchError};
use quorla_ledger::ledger::Divergence;
use quorla_ledger::{Applied as LedgerApplied, Entry as LedgerEntry};
use rocksdb::{DB, WriteBatch};

use super::database::Applied;
use super::{Hot, Shared};
use crate::codec;
use crate::failpoints;
use crate::fatal::Fatal;
use crate::keys::{self, GroupId};
use crate::types::{Entry, Payload, Replies, StoredMembership, TypeConfig};

/// A round is written once its batch has so many bytes.
const ROUND_BYTES_MAX: usize = 4 << 20;

type Waiting = (ApplyResponder<TypeConfig>, Replies);

/// Entries applied to the hot state and not yet written.
#[derive(Default)]
pub(crate) struct Round {
    batch: WriteBatch,
    overlay: HashMap<Vec<u8>, Option<Vec<u8>>>,
    waiting: Vec<Waiting>,
    entries: usize,
    wants_content_hash: bool,
}

impl Round {
    pub(crate) fn is_full(&self) -> bool {
        self.wants_content_hash || self.batch.size_in_bytes() >= ROUND_BYTES_MAX
    }
}

/// Records as the next entry must see them. A failed read is kept, because the ledger can't be told.
struct RoundRecords<'a> {
    overlay: &'a HashMap<Vec<u8>, Option<Vec<u8>>>,
    rocks: &'a DB,
    group: GroupId,
    failed: RefCell<Option<String>>,
}

impl Records for RoundRecords<'_> {
    fn read(&self, key: &[u8]) -> Option<Vec<u8>> {
        if let Some(value) = self.overlay.get(key) {
            return value.clone();
        }
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
    /// Applies one entry to the hot state and to the round.
    pub(crate) fn apply_one(
        &self,
        entry: Entry,
        responder: Option<ApplyResponder<TypeConfig>>,
        round: &mut Round,
    ) -> io::Result<()> {
        failpoints::check("state.apply", &self.options.directory)
            .map_err(|error| self.options.fatal.state("apply an entry to", error))?;
        let mut hot = self.hot();
        let index = entry.log_id.index;
        let replies = match entry.payload {
            EntryPayload::Blank => Replies::default(),
            EntryPayload::Membership(membership) => {
                hot.membership = StoredMembership::new(Some(entry.log_id), membership);
                Replies::default()
            }
            EntryPayload::Normal(payload) => self.apply_batch(index, &payload, &mut hot, round)?,
        };
        hot.applied = Some(entry.log_id);
        round.entries += 1;
        if let Some(responder) = responder {
            round.waiting.push((responder, replies));
        }
        Ok(())
    }

    fn apply_batch(&self, index: u64, payload: &Payload, hot: &mut Hot, round: &mut Round) -> io::Result<Replies> {
        let batch = Batch::parse(&payload.0).map_err(|error| self.refuse_batch(index, error))?;
        let applied = self.run_ledger(&LedgerEntry { index, batch }, hot, round)?;
        self.heed_signals(index, &applied)?;
        for (key, value) in applied.changes {
            match &value {
                Some(value) => round.batch.put(keys::state(self.options.group, &key), value),
                None => round.batch.delete(keys::state(self.options.group, &key)),
            }
            round.overlay.insert(key, value);
        }
        round.wants_content_hash |= applied.signals.content_hash_wanted;
        Ok(Replies(applied.replies))
    }

    fn run_ledger(&self, entry: &LedgerEntry<'_>, hot: &mut Hot, round: &Round) -> io::Result<LedgerApplied> {
        let Hot { ledger, database, .. } = hot;
        let records = RoundRecords {
            overlay: &round.overlay,
            rocks: database.rocks(),
            group: self.options.group,
            failed: RefCell::new(None),
        };
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

    /// Writes the round, tells readers, then answers. Nothing is answered when the write fails.
    pub(crate) fn commit(&self, round: &mut Round) -> io::Result<()> {
        let mut done = std::mem::take(round);
        if done.entries == 0 {
            return Ok(());
        }
        let (database, applied) = {
            let hot = self.hot();
            let applied = Applied { log_id: hot.applied, membership: hot.membership.clone() };
            (std::sync::Arc::clone(&hot.database), applied)
        };
        let index = applied.log_id.map_or(0, |log_id| log_id.index);
        done.batch.put(keys::applied(self.options.group), codec::encode(&applied)?);
        database.write(done.batch).map_err(|error| self.fatal("apply entries to", &error))?;
        failpoints::check("state.applied", &self.options.directory)
            .map_err(|error| self.options.fatal.state("apply entries to", error))?;
        if done.wants_content_hash {
            self.content_hash.mark(database, self.options.group, index);
        }
        self.applied.send_replace(index);
        for (responder, replies) in done.waiting {
            responder.send(replies);
        }
        Ok(())
    }
}
