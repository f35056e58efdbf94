//! The store: what the writer, the recorders and the readers of a node share.
//!
//! The lock is held for look-ups only, never while a file is touched. A crash loses nothing that was written: a start finds
//! the segments by their names.

use std::{
    collections::{HashMap, VecDeque},
    fmt, fs, io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::{Duration, UNIX_EPOCH},
};

use quorla_consensus::Clock;
use quorla_ledger::ids::{Fence, JobId};
use tokio::{
    sync::{Semaphore, watch},
    time::{Instant, timeout_at},
};

use super::{
    index::{Bounds, Index, Whose},
    page::{self, Known, Page, Place, Query, Rest},
    recorder::Recorder,
    segment,
    writer::{self, Task},
};
use crate::metrics;

/// Bytes that were read from jobs and wait to be written; a job that prints faster than the disk takes it waits.
pub(super) const UNWRITTEN_BYTES_MAX: usize = 8 << 20;
/// Pages being read at once; each occupies a thread.
const READS_MAX: usize = 8;
/// Places that are remembered for readers that go on.
const PLACES_MAX: usize = 1_024;

/// How far an attempt is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// It runs here; the sequence that was not written yet.
    pub(super) live_until: Option<u64>,
}

/// The output that this node keeps. Dropping the last handle lets the writer finish what it has and end.
pub struct OutputStore {
    pub(super) shared: Arc<Shared>,
    tasks: mpsc::Sender<Task>,
    pub(super) room: Arc<Semaphore>,
    reads: Semaphore,
}

pub(super) struct Shared {
    pub(super) directory: PathBuf,
    pub(super) bounds: Bounds,
    pub(super) clock: Arc<dyn Clock>,
    /// Whether records are counted instead of written: the disk is nearly full (R22).
    pub(super) withholds: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) index: Index,
    /// Attempts that run here, and those that somebody waits for.
    bells: HashMap<Fence, Arc<watch::Sender<Progress>>>,
    places: Places,
}

/// Where readers stopped, the latest ones.
#[derive(Default)]
struct Places {
    by_sequence: HashMap<(Fence, u64), Place>,
    order: VecDeque<(Fence, u64)>,
}

/// Hears of one attempt; dropping it gives its place up.
struct Listener<'s> {
    shared: &'s Shared,
    fence: Fence,
    bell: watch::Receiver<Progress>,
}

impl OutputStore {
    /// Opens the directory, made where there is none, and starts the writer. Blocks.
    ///
    /// # Errors
    /// When it can't be made or listed, or the thread does not start.
    pub fn open(directory: &Path, bounds: Bounds, clock: Arc<dyn Clock>) -> io::Result<Self> {
        // What jobs print is nobody else's on this machine.
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let index = found(directory)?;
        ::metrics::gauge!(metrics::OUTPUT_KEPT_BYTES).set(metrics::float(index.bytes()));
        let state = Mutex::new(State { index, ..State::default() });
        let shared = Arc::new(Shared {
            directory: directory.to_path_buf(),
            bounds,
            clock,
            withholds: AtomicBool::new(false),
            state,
        });
        let tasks = writer::start(Arc::clone(&shared))?;
        let room = Arc::new(Semaphore::new(UNWRITTEN_BYTES_MAX));
        Ok(Self { shared, tasks, room, reads: Semaphore::new(READS_MAX) })
    }

    /// Begins to record an attempt; costs no file until it prints.
    pub fn begin(self: &Arc<Self>, job: JobId, fence: Fence) -> Recorder {
        self.shared.set_progress(fence, Progress { live_until: Some(1) });
        Recorder::new(Arc::clone(self), Whose { job, fence })
    }

    /// Stops to write what attempts print, or begins again. What is not written is told as a gap, and harms no attempt (R22).
    pub fn withhold(&self, withholds: bool) {
        if self.shared.withholds.swap(withholds, Ordering::Relaxed) != withholds {
            tracing::warn!(withholds, "whether output is withheld for want of disk has changed");
        }
    }

    /// What is there of an attempt from a sequence on. When nothing is and something may come, waits for it, `within` at
    /// the most.
    ///
    /// # Errors
    /// When a file can't be read.
    pub async fn read(&self, query: Query, within: Duration) -> io::Result<Page> {
        let deadline = Instant::now() + within;
        let mut listener = self.shared.listen(query.fence);
        loop {
            let page = self.page(query).await?;
            let may_come = page.pieces.is_empty() && matches!(page.rest, Rest::Live | Rest::Nothing);
            if !may_come || timeout_at(deadline, listener.changed()).await.is_err() {
                return Ok(page);
            }
        }
    }

    async fn page(&self, query: Query) -> io::Result<Page> {
        let _turn = self.reads.acquire().await.expect("the turns are never closed");
        let shared = Arc::clone(&self.shared);
        tokio::task::spawn_blocking(move || shared.look(&query)).await.expect("a look at output does not panic")
    }

    pub(super) fn tell(&self, task: Task) {
        // A writer that is gone has said why; its attempts hear of it when they finish.
        let _ = self.tasks.send(task);
    }
}

impl fmt::Debug for OutputStore {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "OutputStore({})", self.shared.directory.display())
    }
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says how far an attempt is. One that ended is forgotten once nobody listens.
    pub(super) fn set_progress(&self, fence: Fence, progress: Progress) {
        let mut state = self.state();
        let bell = state.bells.entry(fence).or_default();
        bell.send_replace(progress);
        if progress.live_until.is_none() && bell.receiver_count() == 0 {
            state.bells.remove(&fence);
        }
    }

    fn listen(&self, fence: Fence) -> Listener<'_> {
        let bell = self.state().bells.entry(fence).or_default().subscribe();
        Listener { shared: self, fence, bell }
    }

    /// Reads a page; looks anew when a segment went while it was read. Blocks.
    fn look(&self, query: &Query) -> io::Result<Page> {
        loop {
            let Some(known) = self.known(query) else {
                let live = self.state().bells.get(&query.fence).is_some_and(|bell| bell.borrow().live_until.is_some());
                let rest = if live { Rest::Live } else { Rest::Nothing };
                return Ok(Page { pieces: Vec::new(), next: query.from, rest });
            };
            match page::look(&self.directory, &known, query) {
                Ok(look) => {
                    self.state().places.keep((query.fence, look.page.next), look.place);
                    return Ok(look.page);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound && self.is_expired(&known) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn known(&self, query: &Query) -> Option<Known> {
        let state = self.state();
        let whose = state.index.whose(query.fence)?;
        let live_until = state.bells.get(&query.fence).and_then(|bell| bell.borrow().live_until);
        let place = state.places.by_sequence.get(&(query.fence, query.from)).copied();
        Some(Known { whose, firsts: state.index.firsts(whose), live_until, place })
    }

    fn is_expired(&self, known: &Known) -> bool {
        let kept = self.state().index.firsts(known.whose);
        known.firsts.iter().any(|first| !kept.contains(first))
    }
}

impl Listener<'_> {
    async fn changed(&mut self) {
        if self.bell.changed().await.is_err() {
            // Nothing is told of this attempt any more.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Listener<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        let only_this =
            |bell: &Arc<watch::Sender<Progress>>| bell.borrow().live_until.is_none() && bell.receiver_count() <= 1;
        if state.bells.get(&self.fence).is_some_and(only_this) {
            state.bells.remove(&self.fence);
        }
    }
}

impl Places {
    fn keep(&mut self, key: (Fence, u64), place: Option<Place>) {
        let Some(place) = place else { return };
        if self.by_sequence.insert(key, place).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > PLACES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_sequence.remove(&oldest);
        }
    }
}

/// The segments that an earlier process left.
fn found(directory: &Path) -> io::Result<Index> {
    let mut index = Index::default();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let Some(segment) = entry.file_name().to_str().and_then(segment::named) else { continue };
        let about = entry.metadata()?;
        let since = about.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        index.grow(segment, about.len(), u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
    }
    Ok(index)
}
