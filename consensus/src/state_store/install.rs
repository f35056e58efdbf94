//! Puts a received snapshot in the place of the state, so that a crash at any step leaves the old or the new one (R3).
//!
//! Verify, link into a new generation, sync, switch `CURRENT_STATE`, open, rebuild the hot state, swap all as one.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use quorla_ledger::Ledger;
use tokio::time::Instant;

use super::database::{self, CurrentState};
use super::shelf::sync_files;
use super::{Hot, KeptSnapshot, Shared, StateDb, StateError, StateOptions, View};
use crate::failpoints;
use crate::metrics;
use crate::types::SnapshotMeta;

/// Installs a snapshot. Blocks. An error after the switch is final: the state on disk is the new one already.
pub(super) fn install(shared: &Shared, meta: &SnapshotMeta, snapshot: Arc<KeptSnapshot>) -> Result<(), StateError> {
    let since = Instant::now();
    let step = |name| failpoints::check(name, &shared.options.directory);
    let at = |name: &'static str| StateError::io(name, snapshot.path());
    snapshot.manifest().verify(snapshot.path())?;
    step("install.verified").map_err(at("install"))?;

    let generation = shared.hot().database.current().generation + 1;
    let path = database::generation_path(&shared.options.directory, generation);
    link_files(&snapshot, &path)?;
    sync_files(&path)?;
    step("install.linked").map_err(at("install"))?;

    let current = CurrentState { generation, installed: meta.last_log_id };
    database::write_current(&shared.options.directory, &current)?;
    step("install.switched").map_err(at("install"))?;

    let database = Arc::new(database::open(&shared.options, current)?);
    step("install.opened").map_err(at("install"))?;
    let hot = rebuild(&shared.options, database)?;
    if hot.applied != meta.last_log_id {
        let reason = format!("it is at {:?}, its leader said {:?}", hot.applied, meta.last_log_id);
        return Err(StateError::Snapshot { path: snapshot.path().to_path_buf(), reason });
    }
    let index = hot.applied.map_or(0, |applied| applied.index);
    let former = std::mem::replace(&mut *shared.hot(), hot);
    former.database.doom();
    shared.shelf.put(&snapshot);
    shared.applied.send_replace(index);
    metrics::snapshot_installed(since.elapsed());
    step("install.done").map_err(at("install"))
}

/// Table files never change and are linked; the rest is copied, because RocksDB goes on writing it.
fn link_files(snapshot: &KeptSnapshot, generation: &Path) -> Result<(), StateError> {
    if generation.exists() {
        fs::remove_dir_all(generation).map_err(StateError::io("delete", generation))?;
    }
    fs::create_dir_all(generation).map_err(StateError::io("create", generation))?;
    for file in &snapshot.manifest().files {
        let (from, to) = (snapshot.path().join(&file.name), generation.join(&file.name));
        let placed =
            if file.name.ends_with(".sst") { fs::hard_link(&from, &to) } else { fs::copy(&from, &to).map(|_| ()) };
        placed.map_err(StateError::io("create", &to))?;
    }
    Ok(())
}

/// The hot state of a database: what the ledger makes of its tables.
pub(super) fn rebuild(options: &StateOptions, database: Arc<StateDb>) -> Result<Hot, StateError> {
    let applied = database.applied(options.group)?;
    let ledger_error = |reason: String| StateError::Ledger { path: database.path().to_path_buf(), reason };
    let ledger = if applied.log_id.is_none() {
        Ledger::founding(options.defect)
    } else {
        let view = View::new(Arc::clone(&database), options.group).map_err(|error| ledger_error(error.to_string()))?;
        Ledger::rebuild_with(&view, options.defect).map_err(|error| ledger_error(error.to_string()))?
    };
    Ok(Hot { ledger, applied: applied.log_id, membership: applied.membership, database })
}
