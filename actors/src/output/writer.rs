//! The one thread that writes output, and removes what exceeds a bound.
//!
//! It may block on the disk; nobody but recorders waits for it, and they only for room. An attempt whose write failed is
//! told so, keeps what was written whole, and is written no more.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::{self, IoSlice, Write as _},
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use quorla_consensus::failpoints;
use quorla_ledger::ids::Fence;
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};

use super::{
    index::{Segment, Whose},
    record::{self, HEADER, Stream},
    segment,
    store::{Progress, Shared},
};
use crate::metrics;

/// Between two looks for what is too old.
const EXPIRE_EVERY: Duration = Duration::from_secs(60);

/// What the writer is to do, in the order of its telling.
pub(super) enum Task {
    Write {
        whose: Whose,
        /// Where to say that a write failed; goes with the first.
        failure: Option<watch::Sender<Option<String>>>,
        stream: Stream,
        at_ms: u64,
        bytes: Vec<u8>,
        /// Given back once it is written.
        room: OwnedSemaphorePermit,
    },
    Finish {
        whose: Whose,
        at_ms: u64,
        done: oneshot::Sender<Result<(), String>>,
    },
    Abandon {
        whose: Whose,
    },
}

struct Writer {
    shared: Arc<Shared>,
    open: HashMap<Fence, Open>,
}

/// An attempt that is being written.
struct Open {
    /// Its newest segment: the file, which segment, and its length.
    file: Option<(File, Segment, u64)>,
    next: u64,
    /// Records before `next` were not written.
    withheld: bool,
    failure: Option<watch::Sender<Option<String>>>,
}

/// Starts the thread. It ends once every sender is gone and all is done.
pub(super) fn start(shared: Arc<Shared>) -> io::Result<mpsc::Sender<Task>> {
    let (sender, tasks) = mpsc::channel();
    let mut writer = Writer { shared, open: HashMap::new() };
    thread::Builder::new().name("output".to_owned()).spawn(move || writer.run(&tasks))?;
    Ok(sender)
}

impl Writer {
    fn run(&mut self, tasks: &mpsc::Receiver<Task>) {
        self.make_room(0);
        loop {
            match tasks.recv_timeout(EXPIRE_EVERY) {
                Ok(task) => self.act(task),
                Err(RecvTimeoutError::Timeout) => self.make_room(0),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn act(&mut self, task: Task) {
        match task {
            Task::Write { whose, failure, stream, at_ms, bytes, room } => {
                if failure.is_some() {
                    self.open.insert(whose.fence, Open { file: None, next: 1, withheld: false, failure });
                }
                self.write(whose, stream, at_ms, &bytes);
                drop(room);
            }
            Task::Finish { whose, at_ms, done } => {
                let finished = self.finish(whose, at_ms);
                self.shared.set_progress(whose.fence, Progress::default());
                // An attempt that nobody waits for any more is given up elsewhere.
                let _ = done.send(finished);
            }
            Task::Abandon { whose } => {
                self.open.remove(&whose.fence);
                self.shared.set_progress(whose.fence, Progress::default());
            }
        }
    }

    fn write(&mut self, whose: Whose, stream: Stream, at_ms: u64, bytes: &[u8]) {
        let Some(next) = self.open.get(&whose.fence).filter(|open| open.reason().is_none()).map(|open| open.next)
        else {
            return;
        };
        if self.shared.withholds.load(Ordering::Relaxed) {
            return self.withhold(whose, next, bytes);
        }
        let prefix = record::prefix(whose.fence, stream, next, at_ms, bytes);
        match self.append(whose, at_ms, [&prefix, bytes]) {
            Ok(()) => {
                if let Some(open) = self.open.get_mut(&whose.fence) {
                    (open.next, open.withheld) = (next + 1, false);
                }
                self.shared.set_progress(whose.fence, Progress { live_until: Some(next + 1) });
                ::metrics::counter!(metrics::OUTPUT_RECORDS).increment(1);
            }
            Err(error) => self.fail(whose, &error),
        }
    }

    /// Counts a record that is not written (R22).
    fn withhold(&mut self, whose: Whose, next: u64, bytes: &[u8]) {
        if let Some(open) = self.open.get_mut(&whose.fence) {
            (open.next, open.withheld) = (next + 1, true);
        }
        // Readers learn of it from the next record that is written, or from the end: what they could read has not grown.
        ::metrics::counter!(metrics::OUTPUT_WITHHELD_BYTES).increment(length(bytes));
    }

    /// Appends a frame to the attempt's newest segment, or begins another one with it.
    fn append(&mut self, whose: Whose, at_ms: u64, parts: [&[u8]; 2]) -> io::Result<()> {
        let bytes = parts.iter().map(|part| length(part)).sum::<u64>();
        self.make_room_for(whose, bytes + length(&HEADER));
        let Self { shared, open } = self;
        let open = open.get_mut(&whose.fence).expect("what is written is open");
        failpoints::check("output.write", &shared.directory)?;
        // What was withheld shows as a gap within a segment, so that it is told apart from what was removed.
        open.file.take_if(|(_, _, written)| !open.withheld && *written >= shared.bounds.segment_bytes_max());
        if open.file.is_none() {
            let first = if open.withheld && shared.state().index.firsts(whose).is_empty() { 1 } else { open.next };
            let segment = Segment { whose, first };
            let path = segment::path(&shared.directory, &segment);
            let mut file = OpenOptions::new().create_new(true).append(true).open(path)?;
            // In the index before anything can fail, so that it is removed like any other.
            shared.state().index.grow(segment, 0, at_ms);
            file.write_all(&HEADER)?;
            shared.state().index.grow(segment, length(&HEADER), at_ms);
            open.file = Some((file, segment, length(&HEADER)));
        }
        let (file, segment, written) = open.file.as_mut().expect("a segment is open");
        if let Err(error) = write_all(file, parts) {
            // What can't be cut is torn, and readers stop there.
            let _ = file.set_len(*written);
            return Err(error);
        }
        *written += bytes;
        shared.state().index.grow(*segment, bytes, at_ms);
        self.show_kept();
        Ok(())
    }

    fn finish(&mut self, whose: Whose, at_ms: u64) -> Result<(), String> {
        let open = self.open.get(&whose.fence).ok_or("the writer of output has lost it")?;
        if let Some(reason) = open.reason() {
            self.open.remove(&whose.fence);
            return Err(reason);
        }
        let end = record::end(whose.fence, open.next, at_ms);
        // All that it printed is kept; without the word that nothing follows, readers are told that this is not known.
        if let Err(error) = self.append(whose, at_ms, [&end, &[]]) {
            tracing::warn!(job = %whose.job, fence = whose.fence.0, %error, "the end of an output can't be written");
        }
        self.open.remove(&whose.fence);
        Ok(())
    }

    fn fail(&mut self, whose: Whose, error: &io::Error) {
        tracing::error!(job = %whose.job, fence = whose.fence.0, %error, "the output of an attempt can't be written");
        ::metrics::counter!(metrics::OUTPUT_WRITES_FAILED).increment(1);
        if let Some(failure) = self.open.get(&whose.fence).and_then(|open| open.failure.as_ref()) {
            failure.send_replace(Some(unwritten(error)));
        }
    }

    /// Removes what is too much once the attempt has so many bytes more.
    fn make_room_for(&mut self, whose: Whose, bytes: u64) {
        loop {
            let over = self.shared.state().index.over_job(&self.shared.bounds, whose.job, bytes);
            let Some(segment) = over else { break };
            self.expire(segment);
        }
        self.make_room(bytes);
    }

    /// Removes what is too much or too old for this node.
    fn make_room(&mut self, bytes: u64) {
        let now_ms = self.shared.clock.wall_ms();
        loop {
            let over = self.shared.state().index.over_node(&self.shared.bounds, bytes, now_ms);
            let Some(segment) = over else { break };
            self.expire(segment);
        }
        self.show_kept();
    }

    fn expire(&mut self, segment: Segment) {
        if let Some(open) = self.open.get_mut(&segment.whose.fence) {
            open.file.take_if(|(_, newest, _)| *newest == segment);
        }
        // Out of the index first: a reader that misses the file looks there whether it was removed.
        let bytes = self.shared.state().index.remove(segment);
        let path = segment::path(&self.shared.directory, &segment);
        if let Err(error) = fs::remove_file(&path) {
            tracing::warn!(path = %path.display(), %error, "remove old output");
        }
        ::metrics::counter!(metrics::OUTPUT_EXPIRED_BYTES).increment(bytes);
    }

    fn show_kept(&self) {
        let bytes = self.shared.state().index.bytes();
        ::metrics::gauge!(metrics::OUTPUT_KEPT_BYTES).set(metrics::float(bytes));
    }
}

impl Open {
    fn reason(&self) -> Option<String> {
        self.failure.as_ref().and_then(|failure| failure.borrow().clone())
    }
}

fn unwritten(error: &io::Error) -> String {
    format!("write its output: {error}")
}

fn write_all(file: &mut File, [first, second]: [&[u8]; 2]) -> io::Result<()> {
    let total = first.len() + second.len();
    let mut written = file.write_vectored(&[IoSlice::new(first), IoSlice::new(second)])?;
    while written < total {
        let rest = if written < first.len() { &first[written..] } else { &second[written - first.len()..] };
        match file.write(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(more) => written += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).expect("a length fits 64 bits")
}
