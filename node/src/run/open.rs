//! The data directory at start: opened as it is, or set aside and begun anew when it lost what was durable (R1, R2).

use std::{path::Path, sync::Arc};

use quorla_consensus::{DataDirectory, FOUNDING_RAFT_ID, Identity, StartError, Storage, directory::set_aside};
use quorla_ledger::ids::{ClusterId, StorageId};

use crate::{clock::SystemClock, guard};

/// What was found at the configured path.
pub(super) enum Found {
    /// A storage that knows who it is.
    Storage(Arc<Storage>),
    /// A new directory: founded, or admitted by a member.
    Unknown(DataDirectory),
    /// The same, in the place of one that was refused: the cluster exists, so it is never founded (R25).
    Anew(DataDirectory),
}

/// Opens the directory. One that is damaged or lost entries is moved to `<dir>.refused-<time>` and kept; the node goes
/// on as a new incarnation by itself. Blocks.
pub(super) fn open(path: &Path, cluster: ClusterId) -> Result<Found, StartError> {
    match try_open(path, cluster) {
        Err(error) if error.refuses_directory() => begin_anew(path, &error).map(Found::Anew),
        opened => opened,
    }
}

/// Keeps a refused directory aside, and gives an empty one in its place. Blocks.
pub(super) fn begin_anew(path: &Path, refused: &StartError) -> Result<DataDirectory, StartError> {
    let aside = set_aside(path, SystemClock.wall_ms())?;
    guard::remove_ballast(&aside);
    tracing::error!(
        reason = %refused,
        kept = %aside.display(),
        "the data directory is refused and kept aside; this node begins anew as another incarnation"
    );
    DataDirectory::open(path)
}

fn try_open(path: &Path, cluster: ClusterId) -> Result<Found, StartError> {
    let directory = DataDirectory::open(path)?;
    directory.check_cluster(cluster)?;
    match directory.identity() {
        Some(_) => Storage::open(directory).map(Found::Storage),
        None => Ok(Found::Unknown(directory)),
    }
}

/// Makes a new directory the founding storage of the cluster. Blocks.
pub(super) fn found(directory: DataDirectory, cluster: ClusterId) -> Result<Arc<Storage>, StartError> {
    adopt(directory, Identity { cluster, storage: draw(), raft_id: FOUNDING_RAFT_ID })
}

/// Gives a new directory the identity that the ledger admitted it with. Blocks.
pub(super) fn adopt(directory: DataDirectory, identity: Identity) -> Result<Arc<Storage>, StartError> {
    directory.adopt(identity)?;
    Storage::open(directory)
}

/// A new storage id.
pub(super) fn draw() -> StorageId {
    StorageId(rand::random())
}
