//! The hash of everything a replica holds at one index, so that replicas can be compared (R14).
//!
//! The RocksDB snapshot is taken inside apply; the hashing is a thread of its own, one for each group (R21).

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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

/// The hashing of one group: one thread at the most, and one snapshot that waits for it.
///
/// Marks may come faster than a scan of all tables ends. Only the newest of those that wait is hashed: each replica may
/// pass over other marks, and whoever asks for one of these is told that there is no such hash.
#[derive(Default)]
pub(crate) struct Hashing {
    newest: watch::Sender<Option<ContentHash>>,
    turns: Arc<Turns<(View, u64)>>,
}

impl Hashing {
    /// The newest hash that is done.
    pub(super) fn newest(&self) -> watch::Receiver<Option<ContentHash>> {
        self.newest.subscribe()
    }

    /// Takes the snapshot now and hashes it beside everything else.
    pub(super) fn mark(&self, database: Arc<StateDb>, group: GroupId, index: u64) {
        let view = match View::new(database, group) {
            Ok(view) => view,
            Err(error) => return tracing::warn!(%error, index, "the content is not hashed"),
        };
        if !self.turns.offer((view, index)) {
            return;
        }
        // Not kept alive by the thread: what still waits when the group has ended is let go.
        let (turns, newest) = (Arc::downgrade(&self.turns), self.newest.clone());
        let hashing = std::thread::Builder::new().name("quorla-hash".to_owned());
        let spawned = hashing.spawn(move || {
            while let Some((view, index)) = turns.upgrade().and_then(|turns| turns.next()) {
                match hash(&view, index) {
                    Ok(content) => publish(&newest, content),
                    Err(error) => tracing::warn!(%error, index, "the content is not hashed"),
                }
            }
        });
        if let Err(error) = spawned {
            tracing::warn!(%error, index, "the content is not hashed");
            self.turns.give_up();
        }
    }
}

/// One worker at a time, and the newest piece of work that waits for it.
struct Turns<T> {
    state: Mutex<Turn<T>>,
}

enum Turn<T> {
    /// Nobody works.
    Free,
    /// Somebody works, and takes this next.
    Taken(Option<T>),
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self { state: Mutex::new(Turn::Free) }
    }
}

impl<T> Turns<T> {
    /// Leaves work in the place of older work; says whether the caller has to start a worker.
    fn offer(&self, work: T) -> bool {
        let former = std::mem::replace(&mut *self.lock(), Turn::Taken(Some(work)));
        matches!(former, Turn::Free)
    }

    /// What the worker does next; with nothing it ends.
    fn next(&self) -> Option<T> {
        let mut state = self.lock();
        let Turn::Taken(work) = &mut *state else { return None };
        let work = work.take();
        if work.is_none() {
            *state = Turn::Free;
        }
        work
    }

    /// There is no worker after all: its work is dropped.
    fn give_up(&self) {
        *self.lock() = Turn::Free;
    }

    fn lock(&self) -> MutexGuard<'_, Turn<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A hash never takes the place of a newer one.
fn publish(newest: &watch::Sender<Option<ContentHash>>, content: ContentHash) {
    newest.send_if_modified(|current| {
        let is_newer = current.as_ref().is_none_or(|current| current.index < content.index);
        if is_newer {
            *current = Some(content);
        }
        is_newer
    });
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_worker_takes_the_newest_of_what_waits() {
        let turns = Turns::default();
        assert!(turns.offer(1), "nobody works yet");
        assert_eq!(turns.next(), Some(1));
        assert!(!turns.offer(2), "somebody works");
        assert!(!turns.offer(3));
        assert_eq!((turns.next(), turns.next()), (Some(3), None));
        assert!(turns.offer(4), "the former worker has ended");
    }

    #[test]
    fn a_worker_that_did_not_start_holds_up_nobody() {
        let turns = Turns::default();
        assert!(turns.offer(1));
        turns.give_up();
        assert!(turns.offer(2));
    }

    #[test]
    fn an_older_hash_does_not_replace_a_newer_one() {
        let newest = watch::Sender::new(None);
        let content = |index| ContentHash { index, hash: [0; 32], records: 0 };
        for index in [7, 3, 7] {
            publish(&newest, content(index));
        }
        assert_eq!(*newest.borrow(), Some(content(7)));
    }
}
