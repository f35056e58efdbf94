//! The one thread that writes the log: it drains its queue into one synced batch and then reports, in order.
//!
//! Many entries share one sync (group commit). After a failed write nothing is written or acknowledged any more.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use openraft::storage::IOFlushed;
use rocksdb::DB;
use tokio::sync::oneshot;

use super::database::Progress;
use super::mark::{GroupMark, MarkFile};
use crate::fatal::FatalSignal;
use crate::keys::GroupId;
use crate::types::{Entry, LogId, TypeConfig, Vote};

mod batch;

use batch::PendingBatch;

/// Jobs that may wait; openraft bounds their size.
const JOBS_QUEUED_MAX: usize = 1_024;
/// A synced batch takes no more jobs once it has so many bytes.
const BATCH_BYTES_MAX: usize = 8 << 20;
/// The mark is at most so much older than what it could say.
const MARK_INTERVAL: Duration = Duration::from_secs(1);

type Done = oneshot::Sender<io::Result<()>>;

/// One write.
pub(crate) enum Job {
    Append { group: GroupId, entries: Vec<Entry>, callback: IOFlushed<TypeConfig> },
    Vote { group: GroupId, vote: Vote, done: Done },
    Truncate { group: GroupId, from: u64, last: Option<LogId>, done: Done },
    Purge { group: GroupId, upto: LogId, done: Done },
    Adopt { group: GroupId, mark: GroupMark },
    Stop { clean: bool },
}

/// The handle of the thread.
pub(crate) struct Writer {
    sender: SyncSender<Job>,
    state: Mutex<State>,
}

enum State {
    Unstarted(Box<Thread>),
    Running(JoinHandle<()>),
    Stopped,
}

struct Thread {
    rocks: Arc<DB>,
    progress: Arc<Progress>,
    fatal: FatalSignal,
    directory: PathBuf,
    receiver: Receiver<Job>,
    durable: BTreeMap<u16, GroupMark>,
    failed: bool,
}

impl Writer {
    pub(crate) fn new(rocks: Arc<DB>, progress: Arc<Progress>, fatal: FatalSignal, directory: PathBuf) -> Self {
        let (sender, receiver) = sync_channel(JOBS_QUEUED_MAX);
        let durable = BTreeMap::new();
        let thread = Thread { rocks, progress, fatal, directory, receiver, durable, failed: false };
        Self { sender, state: Mutex::new(State::Unstarted(Box::new(thread))) }
    }

    /// Starts the thread; marks of groups that are not adopted yet are carried on.
    pub(crate) fn start(&self, marks: MarkFile) -> io::Result<()> {
        let mut state = self.state();
        let State::Unstarted(mut thread) = std::mem::replace(&mut *state, State::Stopped) else { return Ok(()) };
        thread.durable.clone_from(&marks.newest().groups);
        let handle = std::thread::Builder::new().name("quorla-log".to_owned()).spawn(move || thread.run(marks))?;
        *state = State::Running(handle);
        Ok(())
    }

    pub(crate) fn adopt(&self, group: GroupId, mark: GroupMark) {
        // A stopped writer has nothing to adopt; the next write says so.
        let _ = self.sender.send(Job::Adopt { group, mark });
    }

    /// Queues a write; waits while the queue is full, which the writer empties without our help.
    pub(crate) fn submit(&self, job: Job) -> io::Result<()> {
        self.sender.send(job).map_err(|_| io::Error::other("write the log: the writer has stopped"))
    }

    /// Ends the thread after everything queued and a last mark.
    pub(crate) fn stop(&self) {
        self.end(true);
    }

    /// Ends the thread without a mark, as a crash would.
    pub(crate) fn abandon(&self) {
        self.end(false);
    }

    fn end(&self, clean: bool) {
        let before = std::mem::replace(&mut *self.state(), State::Stopped);
        let State::Running(handle) = before else { return };
        if self.sender.send(Job::Stop { clean }).is_err() {
            tracing::warn!("the log writer was gone before it was stopped");
        }
        if handle.join().is_err() {
            tracing::error!("the log writer panicked");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the loop does next.
enum Next {
    Work(Job),
    Mark,
    Ended,
}

impl Thread {
    fn run(mut self, mut marks: MarkFile) {
        let mut mark_due: Option<Instant> = None;
        loop {
            match self.next(mark_due) {
                Next::Work(first) => {
                    let stop = self.round(first, &mut marks);
                    if let Some(clean) = stop {
                        return self.finish(clean, &mut marks);
                    }
                    mark_due = mark_due.or_else(|| Some(Instant::now() + MARK_INTERVAL));
                }
                Next::Mark => {}
                Next::Ended => return,
            }
            if mark_due.is_some_and(|due| due <= Instant::now()) {
                mark_due = None;
                self.write_mark(&mut marks);
            }
        }
    }

    fn next(&self, mark_due: Option<Instant>) -> Next {
        let Some(due) = mark_due else {
            return self.receiver.recv().map_or(Next::Ended, Next::Work);
        };
        match self.receiver.recv_timeout(due.saturating_duration_since(Instant::now())) {
            Ok(job) => Next::Work(job),
            Err(RecvTimeoutError::Timeout) => Next::Mark,
            Err(RecvTimeoutError::Disconnected) => Next::Ended,
        }
    }

    /// Drains the queue into one synced write, then reports. Returns whether and how to stop.
    fn round(&mut self, first: Job, marks: &mut MarkFile) -> Option<bool> {
        let mut pending = PendingBatch::new(self.progress.take_committed());
        let mut next = Some(first);
        let mut stop = None;
        while let Some(job) = next.take() {
            match job {
                Job::Stop { clean } => stop = Some(clean),
                Job::Adopt { group, mark } => {
                    self.durable.insert(group.0, mark);
                }
                job => {
                    self.before(&job, marks);
                    pending.add(job, &self.directory);
                }
            }
            if stop.is_none() && pending.bytes() < BATCH_BYTES_MAX {
                next = self.receiver.try_recv().ok();
            }
        }
        self.write(pending);
        stop
    }

    /// The mark must never be ahead: it is taken back before entries are.
    fn before(&mut self, job: &Job, marks: &mut MarkFile) {
        let Job::Truncate { group, last, .. } = job else { return };
        let mut lowered = marks.newest().groups.clone();
        let Some(marked) = lowered.get_mut(&group.0) else { return };
        if marked.last <= *last {
            return;
        }
        marked.last = *last;
        if let Err(error) = marks.write(marks.newest().sequence, &lowered) {
            self.fail("take back the mark of", &error);
        }
    }

    fn write(&mut self, mut pending: PendingBatch) {
        let result = if self.failed { Err(self.refusal()) } else { pending.commit(&self.rocks, &self.directory) };
        match &result {
            Ok(()) => self.note(&pending),
            Err(error) if !self.failed => self.fail("write", error),
            Err(_) => {}
        }
        pending.report(&result);
    }

    /// Remembers what has just become durable.
    fn note(&mut self, pending: &PendingBatch) {
        for change in pending.changes() {
            let mark = self.durable.entry(change.group.0).or_default();
            mark.vote = change.vote.or(mark.vote);
            mark.last = mark.last.max(change.purged);
            let progress = self.progress.group(change.group);
            if let Some(last) = change.last {
                mark.last = last;
                let index = last.map_or(0, |last| last.index());
                progress.durable_index.store(index, std::sync::atomic::Ordering::Release);
            }
            progress.appended_bytes.fetch_add(change.bytes, std::sync::atomic::Ordering::Relaxed);
        }
    }

    fn write_mark(&mut self, marks: &mut MarkFile) {
        if self.failed {
            return;
        }
        if let Err(error) = marks.write(self.rocks.latest_sequence_number(), &self.durable) {
            self.fail("write the mark of", &error);
        }
    }

    fn finish(mut self, clean: bool, marks: &mut MarkFile) {
        if clean {
            let pending = PendingBatch::new(self.progress.take_committed());
            self.write(pending);
            self.write_mark(marks);
        }
    }

    fn refusal(&self) -> io::Error {
        io::Error::other("write the log: an earlier write failed")
    }

    fn fail(&mut self, attempt: &'static str, error: &io::Error) {
        self.failed = true;
        // The error itself goes to whoever waits; here it ends the node.
        let _ = self.fatal.log(attempt, error);
    }
}
