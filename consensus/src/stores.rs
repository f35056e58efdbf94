//! The stores themselves, for conformance suites and benches; a node needs `Consensus` only.

use std::path::Path;

use quorla_ledger::defect::Defect;
use quorla_ledger::ids::{ClusterId, StorageId};

use crate::directory::{DataDirectory, FOUNDING_RAFT_ID, Identity};
use crate::error::StartError;
use crate::keys::GroupId;
pub use crate::log_store::LogStore;
pub use crate::state_store::{Builder, KeptSnapshot, StateStore};
use crate::storage::Storage;
pub use crate::types::{Completion, Member, Payload, Replies, TypeConfig};

/// Opens log and state of group 0 below `path`, as a founder.
///
/// # Errors
/// What keeps the directory, log or state from being opened.
pub fn open_for_suite(path: &Path) -> Result<(LogStore, StateStore), StartError> {
    let directory = DataDirectory::open(path)?;
    directory.adopt(Identity { cluster: ClusterId(1), storage: StorageId(1), raft_id: FOUNDING_RAFT_ID })?;
    let storage = Storage::open(directory)?;
    open_group(&storage, GroupId(0))
}

/// Opens log and state of one group of an open storage.
///
/// # Errors
/// What keeps log or state from being opened.
pub fn open_group(storage: &Storage, group: GroupId) -> Result<(LogStore, StateStore), StartError> {
    let log = LogStore::new(std::sync::Arc::clone(storage.log()), group, 32 << 20);
    let log = log.map_err(StartError::io("read the log in", storage.path()))?;
    let state = StateStore::open(storage.state_options(group, Defect::None))?;
    Ok((log, state))
}
