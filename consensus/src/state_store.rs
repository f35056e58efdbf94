//! The state of one group: the ledger's tables in RocksDB, its hot state in memory, one applied index over both.
//!
//! Writes go without a WAL, because the Raft log is one; the applied id, the membership and the ledger's changes
//! are one batch (R4). The hot state and the database are replaced as one when a snapshot is installed (R3).

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::{Stream, StreamExt};
use openraft::OptionalSend;
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine, Snapshot};
use quorla_ledger::Ledger;
use rocksdb::WriteBufferManager;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::fatal::FatalSignal;
use crate::keys::GroupId;
use crate::metrics;
use crate::types::{LogId, SnapshotMeta, StoredMembership, TypeConfig};

mod apply;
mod content_hash;
mod database;
mod install;
mod manifest;
mod owned_snapshot;
mod shelf;
mod view;

pub use content_hash::ContentHash;
pub(crate) use database::StateDb;
pub use database::StateError;
pub(crate) use manifest::{FileEntry, Manifest};
pub use shelf::KeptSnapshot;
pub(crate) use shelf::Shelf;
pub use view::{View, ViewError};

/// What a group's state needs to be opened.
pub(crate) struct StateOptions {
    pub(crate) directory: PathBuf,
    pub(crate) group: GroupId,
    pub(crate) buffers: WriteBufferManager,
    pub(crate) block_cache: rocksdb::Cache,
    pub(crate) fatal: FatalSignal,
    pub(crate) defect: quorla_ledger::defect::Defect,
}

/// The state of a group; clones share it.
#[derive(Clone)]
pub struct StateStore {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) options: StateOptions,
    hot: Mutex<Hot>,
    pub(crate) shelf: Shelf,
    applied: watch::Sender<u64>,
    content_hash: content_hash::Hashing,
}

/// What changes together: never one without the others.
pub(crate) struct Hot {
    pub(crate) ledger: Ledger,
    pub(crate) database: Arc<StateDb>,
    pub(crate) applied: Option<LogId>,
    pub(crate) membership: StoredMembership,
}

impl StateStore {
    /// Opens the current database, rebuilds the hot state from it, and deletes what crashes left behind. Blocks.
    pub(crate) fn open(options: StateOptions) -> Result<Self, StateError> {
        let database = database::open_current(&options)?;
        let hot = install::rebuild(&options, Arc::new(database))?;
        let shelf = Shelf::open(&options.directory.join("snapshots"))?;
        let applied = watch::Sender::new(hot.applied.map_or(0, |applied| applied.index));
        let content_hash = content_hash::Hashing::default();
        Ok(Self { shared: Arc::new(Shared { options, hot: Mutex::new(hot), shelf, applied, content_hash }) })
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Whether nobody else holds this state any more.
    pub(crate) fn is_last_handle(&self) -> bool {
        Arc::strong_count(&self.shared) == 1
    }

    /// Looks at the hot state. The closure must be short: apply waits for it.
    pub fn inspect<T>(&self, look: impl FnOnce(&Ledger) -> T) -> T {
        look(&self.shared.hot().ledger)
    }

    /// A consistent view of the tables as they are now.
    pub fn view(&self) -> Result<View, ViewError> {
        let database = Arc::clone(&self.shared.hot().database);
        View::new(database, self.shared.options.group)
    }

    /// The applied index, as a doorbell.
    pub fn applied(&self) -> watch::Receiver<u64> {
        self.shared.applied.subscribe()
    }

    /// The newest content hash that was asked for by `MarkContentHash`.
    pub fn content_hash(&self) -> watch::Receiver<Option<ContentHash>> {
        self.shared.content_hash.newest()
    }

    pub(crate) fn applied_log_id(&self) -> Option<LogId> {
        self.shared.hot().applied
    }

    /// Up to where an install brought this state, if one did.
    pub(crate) fn installed_log_id(&self) -> Option<LogId> {
        self.shared.hot().database.current().installed
    }

    /// The applied index and the chain hash there.
    pub(crate) fn place(&self) -> (u64, quorla_ledger::ids::ChainHash) {
        let hot = self.shared.hot();
        (hot.applied.map_or(0, |applied| applied.index), hot.ledger.meta().chain)
    }

    /// Builds a snapshot and puts it on the shelf. Blocks. A failure discards it and is no more than that (R22), unless
    /// it found the state itself damaged.
    pub(crate) fn build_snapshot(&self) -> Result<Arc<KeptSnapshot>, StateError> {
        let database = Arc::clone(&self.shared.hot().database);
        let since = Instant::now();
        let built = self.shared.shelf.build(&database, self.shared.options.group);
        metrics::snapshot_built(since.elapsed());
        if let Err(error @ StateError::Rocks { is_damage: true, .. }) = &built {
            drop(self.shared.fatal("take a snapshot of", error));
        }
        built
    }

    /// The newest snapshot; another one where its files turned out to be damaged. Blocks.
    fn sound_snapshot(&self) -> Result<Option<Arc<KeptSnapshot>>, StateError> {
        match self.shared.shelf.newest() {
            Some(kept) if kept.is_spoilt() => self.build_snapshot().map(Some),
            newest => Ok(newest),
        }
    }

    /// Makes everything that was applied durable, so that a restart replays little. Blocks.
    pub(crate) fn flush(&self) -> Result<(), StateError> {
        let database = Arc::clone(&self.shared.hot().database);
        database.flush()
    }
}

impl Shared {
    pub(crate) fn hot(&self) -> MutexGuard<'_, Hot> {
        self.hot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fatal(&self, attempt: &'static str, error: &StateError) -> io::Error {
        self.options.fatal.state(attempt, chain(error))
    }
}

/// An error with its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

impl RaftStateMachine<TypeConfig> for StateStore {
    type SnapshotData = Arc<KeptSnapshot>;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        let hot = self.shared.hot();
        Ok((hot.applied, hot.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        while let Some(item) = entries.next().await {
            let (entry, responder) = item?;
            self.shared.apply(entry, responder)?;
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        Builder { state: self.clone() }
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, snapshot: Arc<KeptSnapshot>) -> Result<(), io::Error> {
        let shared = Arc::clone(&self.shared);
        let meta = meta.clone();
        let installed = tokio::task::spawn_blocking(move || {
            install::install(&shared, &meta, snapshot).map_err(|error| shared.fatal("install a snapshot into", &error))
        });
        installed.await.map_err(|error| self.shared.options.fatal.state("install a snapshot into", error))?
    }

    async fn get_current_snapshot(
        &mut self,
    ) -> Result<Option<openraft::alias::SnapshotOf<TypeConfig, Arc<KeptSnapshot>>>, io::Error> {
        let state = self.clone();
        let found = tokio::task::spawn_blocking(move || state.sound_snapshot()).await.map_err(io::Error::other)?;
        let found = found.map_err(|error| io::Error::other(chain(&error)))?;
        Ok(found.map(|kept| Snapshot { meta: kept.meta().clone(), snapshot: kept }))
    }
}

/// Gives openraft the newest snapshot when it is fresh, and builds one otherwise.
pub struct Builder {
    state: StateStore,
}

impl RaftSnapshotBuilder<TypeConfig> for Builder {
    type SnapshotData = Arc<KeptSnapshot>;

    async fn build_snapshot(
        &mut self,
    ) -> Result<openraft::alias::SnapshotOf<TypeConfig, Arc<KeptSnapshot>>, io::Error> {
        // Our own task built it a moment ago, where a failure only costs the snapshot; openraft would end the node.
        if let Some(kept) = self.state.shared.shelf.take_prepared() {
            return Ok(Snapshot { meta: kept.meta().clone(), snapshot: kept });
        }
        let state = self.state.clone();
        let built = tokio::task::spawn_blocking(move || state.build_snapshot()).await.map_err(io::Error::other)?;
        let kept = built.map_err(|error| io::Error::other(chain(&error)))?;
        Ok(Snapshot { meta: kept.meta().clone(), snapshot: kept })
    }
}
