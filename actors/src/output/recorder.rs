//! The recorder of one attempt: hands its output to the writer, and hears when that fails.

use std::sync::Arc;

use tokio::sync::{oneshot, watch};

use super::{
    index::Whose,
    record::{RECORD_BYTES_MAX, Stream},
    store::{OutputStore, Progress},
    writer::Task,
};

/// See the module. Dropped before it is finished, what was recorded stays, with an end that is not known.
pub struct Recorder {
    store: Arc<OutputStore>,
    whose: Whose,
    failure: watch::Sender<Option<String>>,
    wrote: bool,
    finished: bool,
}

impl Recorder {
    pub(super) fn new(store: Arc<OutputStore>, whose: Whose) -> Self {
        Self { store, whose, failure: watch::Sender::new(None), wrote: false, finished: false }
    }

    /// Records what was read from a stream just now. Waits for room while the disk is slower than the job. After a failure
    /// it takes everything and keeps nothing.
    pub async fn push(&mut self, stream: Stream, bytes: Vec<u8>) {
        for bytes in records(bytes) {
            if self.failure.borrow().is_some() {
                return;
            }
            let share = u32::try_from(bytes.len()).expect("a record is bounded");
            let room = Arc::clone(&self.store.room).acquire_many_owned(share).await;
            let room = room.expect("the room is never closed");
            let at_ms = self.store.shared.clock.wall_ms();
            let failure = (!self.wrote).then(|| self.failure.clone());
            self.store.tell(Task::Write { whose: self.whose, failure, stream, at_ms, bytes, room });
            self.wrote = true;
        }
    }

    /// Resolves with the reason once something could not be written.
    pub fn failed(&self) -> impl Future<Output = String> + Send + 'static {
        let mut failure = self.failure.subscribe();
        async move {
            let reason = failure.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone());
            match reason {
                Some(reason) => reason,
                None => std::future::pending().await,
            }
        }
    }

    /// Says that nothing follows, and waits until all is written. An attempt that printed nothing costs nothing here.
    ///
    /// # Errors
    /// Why something could not be written.
    pub async fn finish(mut self) -> Result<(), String> {
        self.finished = true;
        if !self.wrote {
            self.store.shared.set_progress(self.whose.fence, Progress::default());
            return Ok(());
        }
        let (done, written) = oneshot::channel();
        let at_ms = self.store.shared.clock.wall_ms();
        self.store.tell(Task::Finish { whose: self.whose, at_ms, done });
        written.await.unwrap_or_else(|_| Err("the writer of output has ended".to_owned()))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        match self.wrote {
            true => self.store.tell(Task::Abandon { whose: self.whose }),
            false => self.store.shared.set_progress(self.whose.fence, Progress::default()),
        }
    }
}

/// Cuts what was read at once into records; almost always it is one.
fn records(mut bytes: Vec<u8>) -> impl Iterator<Item = Vec<u8>> {
    std::iter::from_fn(move || {
        if bytes.len() <= RECORD_BYTES_MAX {
            return Some(std::mem::take(&mut bytes)).filter(|bytes| !bytes.is_empty());
        }
        let rest = bytes.split_off(RECORD_BYTES_MAX);
        Some(std::mem::replace(&mut bytes, rest))
    })
}
