//! Opens the log database with the options that R2 counts on, asserts them, and compares the log with its mark.
//!
//! One database and one writer thread serve every group of a node.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rocksdb::{
    DB, DBCompressionType, DBRecoveryMode, IteratorMode, LogLevel, Options, ReadOptions, WriteBufferManager,
};

use super::mark::{self, GroupMark, MarkFile};
use super::writer::{Job, Writer};
use crate::fatal::FatalSignal;
use crate::keys::{self, GroupId, Meta};
use crate::types::{LogId, Vote};

/// WAL files that are kept for reuse: in-place writes sync almost twice as fast as growing files.
const RECYCLED_FILES: usize = 4;
const WRITE_BUFFER_BYTES: usize = 16 << 20;
const READ_AHEAD_BYTES: usize = 1 << 20;

/// Why the log can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum LogDatabaseError {
    /// RocksDB finds it damaged.
    #[error("open the log at {path}: it is damaged: {reason}")]
    Damaged {
        /// Where it lies.
        path: PathBuf,
        /// What RocksDB said.
        reason: String,
    },
    /// It can't be opened now: a full disk, a lock, a file that can't be read.
    #[error("open the log at {path}")]
    Unreadable {
        /// Where it lies.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The log reaches less far than its durable mark: entries or a vote are gone (R2).
    #[error("the log at {path} lost what was durable: {loss}")]
    Lost {
        /// Where it lies.
        path: PathBuf,
        /// What is missing.
        loss: String,
    },
    /// RocksDB runs with other options than were asked for.
    #[error("open the log at {path}: option {option} is not in effect")]
    Option {
        /// Where it lies.
        path: PathBuf,
        /// The line expected among the effective options.
        option: &'static str,
    },
    /// A file beside the database can't be used.
    #[error("read the mark of the log at {path}")]
    Mark {
        /// Where it lies.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// The log database with its writer.
pub struct LogDatabase {
    rocks: Arc<DB>,
    writer: Writer,
    fatal: FatalSignal,
    shared: Arc<Progress>,
}

/// What the writer tells the stores.
#[derive(Default)]
pub(crate) struct Progress {
    groups: Mutex<HashMap<GroupId, Arc<GroupProgress>>>,
    committed: Mutex<BTreeMap<GroupId, LogId>>,
}

#[derive(Default)]
pub(crate) struct GroupProgress {
    pub(crate) durable_index: AtomicU64,
    pub(crate) appended_bytes: AtomicU64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Progress {
    pub(crate) fn group(&self, group: GroupId) -> Arc<GroupProgress> {
        Arc::clone(lock(&self.groups).entry(group).or_default())
    }

    /// Counts an entry that the log holds as it is opened, as if it was appended: snapshots come by bytes of log (R6), and a
    /// node that restarts often would never reach them otherwise.
    fn count_present(&self, key: &[u8], value: &[u8]) {
        if let Some(group) = keys::group_of_entry(key) {
            let bytes = u64::try_from(value.len()).expect("a length fits 64 bits");
            self.group(group).appended_bytes.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// Takes the commit points that are to be saved with the next write.
    pub(crate) fn take_committed(&self) -> BTreeMap<GroupId, LogId> {
        std::mem::take(&mut *lock(&self.committed))
    }
}

impl LogDatabase {
    /// Opens or creates the log below `path` and compares it with its mark.
    ///
    /// # Errors
    /// When it can't be read, is damaged, or reaches less far than its mark (R2).
    pub fn open(path: &Path, buffers: &WriteBufferManager, fatal: FatalSignal) -> Result<Arc<Self>, LogDatabaseError> {
        let mark_error = |source| LogDatabaseError::Mark { path: path.to_path_buf(), source };
        let unreadable = |source| LogDatabaseError::Unreadable { path: path.to_path_buf(), source };
        std::fs::create_dir_all(path).map_err(unreadable)?;
        let marks = MarkFile::open(path).map_err(mark_error)?;
        let rocks_path = path.join("rocks");
        let rocks = DB::open(&options(buffers), &rocks_path).map_err(|error| open_error(path, &error))?;
        let shared = Arc::new(Progress::default());
        let counted = read_all(&rocks, |key, value| shared.count_present(key, value));
        counted.map_err(|error| open_error(path, &error))?;
        assert_effective_options(&rocks_path)?;
        let rocks = Arc::new(rocks);
        let writer = Writer::new(Arc::clone(&rocks), Arc::clone(&shared), fatal.clone(), path.to_path_buf());
        let database = Self { rocks, writer, fatal, shared };
        let sequence = database.rocks.latest_sequence_number();
        let loss = mark::loss(marks.newest(), sequence, |group| database.found(group)).map_err(mark_error)?;
        if let Some(loss) = loss {
            return Err(LogDatabaseError::Lost { path: path.to_path_buf(), loss });
        }
        database.writer.start(marks).map_err(mark_error)?;
        Ok(Arc::new(database))
    }

    fn found(&self, group: GroupId) -> io::Result<GroupMark> {
        let purged = self.meta::<LogId>(group, Meta::Purged)?;
        let last = super::last_log_id(self, group)?.or(purged);
        Ok(GroupMark { last, vote: self.meta::<Vote>(group, Meta::Vote)? })
    }

    pub(crate) fn rocks(&self) -> &DB {
        &self.rocks
    }

    pub(crate) fn fatal(&self) -> &FatalSignal {
        &self.fatal
    }

    /// Tells the writer how far a group's log reaches before its first write.
    pub(crate) fn adopt(&self, group: GroupId, vote: Option<Vote>, last: Option<LogId>) {
        let progress = self.shared.group(group);
        progress.durable_index.store(last.map_or(0, |last| last.index), Ordering::Release);
        self.writer.adopt(group, GroupMark { last, vote });
    }

    pub(crate) fn submit(&self, job: Job) -> io::Result<()> {
        self.writer.submit(job)
    }

    /// Keeps a commit point for the next synced write; a sync of its own is not worth it.
    pub(crate) fn note_committed(&self, group: GroupId, committed: LogId) {
        lock(&self.shared.committed).insert(group, committed);
    }

    pub(crate) fn durable_index(&self, group: GroupId) -> u64 {
        self.shared.group(group).durable_index.load(Ordering::Acquire)
    }

    pub(crate) fn appended_bytes(&self, group: GroupId) -> u64 {
        self.shared.group(group).appended_bytes.load(Ordering::Relaxed)
    }

    /// Writes what is pending, then the mark, and ends the writer. Blocks.
    pub fn close(&self) {
        self.writer.stop();
    }
}

impl Drop for LogDatabase {
    fn drop(&mut self) {
        self.writer.abandon();
    }
}

fn options(buffers: &WriteBufferManager) -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_compression_type(DBCompressionType::None);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    options.set_max_write_buffer_number(3);
    options.set_write_buffer_manager(buffers);
    options.set_recycle_log_file_num(RECYCLED_FILES);
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    options.set_paranoid_checks(true);
    quiet(&mut options);
    options
}

/// What both databases have in common: little memory, little noise.
pub(crate) fn quiet(options: &mut Options) {
    options.set_max_background_jobs(2);
    options.set_max_open_files(256);
    options.set_keep_log_file_num(2);
    options.set_max_log_file_size(1 << 20);
    options.set_log_level(LogLevel::Warn);
    options.set_stats_dump_period_sec(0);
}

/// Reads every block, so that its checksum is checked, and shows each record: opening a database looks at a few of them
/// only, and what is damaged must be known before it is relied on (R2).
pub(crate) fn read_all(rocks: &DB, mut visit: impl FnMut(&[u8], &[u8])) -> Result<(), rocksdb::Error> {
    let mut options = ReadOptions::default();
    options.fill_cache(false);
    options.set_readahead_size(READ_AHEAD_BYTES);
    rocks.iterator_opt(IteratorMode::Start, options).try_for_each(|item| item.map(|(key, value)| visit(&key, &value)))
}

fn open_error(path: &Path, error: &rocksdb::Error) -> LogDatabaseError {
    let path = path.to_path_buf();
    if is_damage(error) {
        return LogDatabaseError::Damaged { path, reason: error.to_string() };
    }
    LogDatabaseError::Unreadable { path, source: io::Error::other(error.to_string()) }
}

/// Whether RocksDB found wrong content, rather than a disk that is full or a file that is locked.
pub(crate) fn is_damage(error: &rocksdb::Error) -> bool {
    matches!(
        error.kind(),
        rocksdb::ErrorKind::Corruption | rocksdb::ErrorKind::NotFound | rocksdb::ErrorKind::InvalidArgument
    )
}

/// RocksDB turns recycling off without a word under other recovery modes; its OPTIONS file says what is in effect.
fn assert_effective_options(path: &Path) -> Result<(), LogDatabaseError> {
    let unreadable = |source| LogDatabaseError::Unreadable { path: path.to_path_buf(), source };
    let mut newest = None;
    for file in std::fs::read_dir(path).map_err(unreadable)? {
        let name = file.map_err(unreadable)?.file_name().to_string_lossy().into_owned();
        let number = name.strip_prefix("OPTIONS-").and_then(|number| number.parse::<u64>().ok());
        newest = newest.max(number.map(|number| (number, name)));
    }
    let text = match newest {
        Some((_, name)) => std::fs::read_to_string(path.join(name)).map_err(unreadable)?,
        None => String::new(),
    };
    for option in ["recycle_log_file_num=4", "wal_recovery_mode=kPointInTimeRecovery"] {
        if !text.lines().any(|line| line.trim() == option) {
            return Err(LogDatabaseError::Option { path: path.to_path_buf(), option });
        }
    }
    Ok(())
}
