//! The hash of everything a replica holds at one index, so that replicas can be compared (R14).
//!
//! The RocksDB snapshot is taken inside apply; the hashing is a thread of its own.

use std::ops::ControlFlow;
use std::sync::Arc;

use tokio::sync::watch;

use super::{StateDb, View};
use crate::keys::GroupId;

/// A content hash and the applied index that it is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentHash {
    /// The applied index.
    pub index: u64,
    /// BLAKE3 over all ledger records in key order, each as key length, key, value length, value.
    pub hash: [u8; 32],
    /// How many records there are.
    pub records: u64,
}

/// Takes the snapshot now and hashes it beside everything else.
pub(super) fn start(database: Arc<StateDb>, group: GroupId, index: u64, result: watch::Sender<Option<ContentHash>>) {
    let view = match View::new(database, group) {
        Ok(view) => view,
        Err(error) => return tracing::warn!(%error, index, "the content is not hashed"),
    };
    let hashing = std::thread::Builder::new().name("quorla-hash".to_owned());
    let spawned = hashing.spawn(move || match hash(&view, index) {
        Ok(content) => {
            result.send_replace(Some(content));
        }
        Err(error) => tracing::warn!(%error, index, "the content is not hashed"),
    });
    if let Err(error) = spawned {
        tracing::warn!(%error, index, "the content is not hashed");
    }
}

fn hash(view: &View, index: u64) -> Result<ContentHash, super::ViewError> {
    let mut hasher = blake3::Hasher::new();
    let mut records = 0;
    view.scan(&[], |key, value| {
        for part in [key, value] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        records += 1;
        ControlFlow::Continue(())
    })?;
    Ok(ContentHash { index, hash: *hasher.finalize().as_bytes(), records })
}
