//! The ledger: hot state and counters, changed by applying entries in log order and by nothing else.
//!
//! Inputs: [`Ledger::apply`], [`Ledger::rebuild`]. Getters: everything else. Upholds I2-I4, I6-I8, I13 and I14; what a
//! crash of its process loses is rebuilt from the tables.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::{
    apply::transaction::Transaction,
    array::{ArrayProgress, ArrayRecord, TaskRecord, UploadRecord},
    batch::Batch,
    codec::{self, Decoded},
    command::{Command, RegisterNode},
    defect::Defect,
    hot::{Hot, nodes::HotNode},
    ids::{ChainHash, Fence, JobId, NodeId, NodeKey},
    outcome::StopCause,
    record::{JobRecord, MetaRecord, NodeRecord, QueueRecord, Stored},
    reply::{Refusal, Reply},
    spec::Resources,
    tables::{self, META, Table},
    units::Millis,
};

/// Point look-ups in the stored tables as of the last applied entry (R10).
///
/// An implementor that cannot read must end the process: apply has no way to go on without a record (R22).
pub trait Records {
    /// The value under a key of [`crate::tables`].
    fn read(&self, key: &[u8]) -> Option<Vec<u8>>;
}

/// The stored tables, for a rebuild.
pub trait Tables: Records {
    /// Visits all keys with this prefix in ascending order.
    fn scan(&self, prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]));
}

/// One committed entry.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'p> {
    /// Its log index; rises from entry to entry, not always by one.
    pub index: u64,
    /// Its payload.
    pub batch: Batch<'p>,
}

/// What one entry did.
#[derive(Debug)]
pub struct Applied {
    /// One for each command, in order.
    pub replies: Vec<Reply>,
    /// Records to put or delete, in key order; all of them or none may become durable.
    pub changes: Changes,
    /// The chain after this entry.
    pub hash: ChainHash,
    /// Sequence of the next event.
    pub event_next: u64,
    /// What the surroundings must act on.
    pub signals: Signals,
}

/// Records to put, or to delete where there is no value.
pub type Changes = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// Two replicas that differ, as `AssertHash` found them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// The last entry that both chains cover.
    pub index: u64,
    /// The leader's link there.
    pub expected: ChainHash,
    /// Ours.
    pub actual: ChainHash,
}

/// What the surroundings of the ledger must do after an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signals {
    /// Hash the whole content as it is after this entry.
    pub content_hash_wanted: bool,
    /// This replica's chain differs from the leader's: stop (R14).
    pub divergence: Option<Divergence>,
    /// A command of this unknown version was met: discard the result and stop with a word about upgrading (R8).
    pub unknown_version: Option<u8>,
}

/// A stored record that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("rebuild the hot state: the record under key {key:02x?} cannot be decoded")]
pub struct CorruptRecord {
    /// Its key.
    pub key: Vec<u8>,
}

/// The deterministic state machine.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    pub(crate) meta: MetaRecord,
    pub(crate) hot: Hot,
}

impl Ledger {
    /// An empty ledger, before the first entry of a cluster's life.
    #[must_use]
    pub fn founding(defect: Defect) -> Self {
        Self { meta: MetaRecord::default(), hot: Hot { defect, ..Hot::default() } }
    }

    /// The ledger that these tables describe; reads live tables only, never history.
    ///
    /// # Errors
    /// A record that cannot be decoded.
    pub fn rebuild(tables: &impl Tables) -> Result<Self, CorruptRecord> {
        Self::rebuild_with(tables, Defect::None)
    }

    /// The same with a planted bug.
    ///
    /// # Errors
    /// A record that cannot be decoded.
    pub fn rebuild_with(tables: &impl Tables, defect: Defect) -> Result<Self, CorruptRecord> {
        let mut ledger = Self::founding(defect);
        if let Some(bytes) = tables.read(&META) {
            let Stored::V1(meta) = codec::decode(&bytes).ok_or_else(|| CorruptRecord { key: META.to_vec() })?;
            ledger.meta = meta;
        }
        visit(tables, Table::Nodes, |record: NodeRecord| ledger.hot.nodes.put(record))?;
        visit(tables, Table::Queues, |record: QueueRecord| ledger.hot.pause_queue(&record.name, Some(record.pause)))?;
        visit_arrays(tables, &mut ledger.hot)?;
        visit(tables, Table::Live, |record: JobRecord| ledger.hot.index_job(&record))?;
        visit_tasks(tables, &mut ledger.hot)?;
        visit(tables, Table::Uploads, |record: UploadRecord| ledger.hot.arrays.put_upload(record))?;
        Ok(ledger)
    }

    /// Applies one committed entry. Never fails: what cannot be done is refused in its reply.
    ///
    /// # Panics
    /// Where a stored record is corrupt or an invariant is broken. The caller ends the process and names the entry.
    pub fn apply(&mut self, entry: &Entry<'_>, records: &impl Records) -> Applied {
        assert!(entry.index > self.meta.index, "entries are applied once, in order");
        self.meta.index = entry.index;
        self.meta.clock = self.meta.clock.max(entry.batch.time());
        let mut transaction = Transaction::new(self, records);
        let replies = entry.batch.commands().map(|bytes| apply_command(&mut transaction, bytes)).collect();
        transaction.finish(replies)
    }

    /// Ledger time: it never goes back (R7).
    #[must_use]
    pub const fn clock(&self) -> Millis {
        self.meta.clock
    }

    /// Counters, horizons and the chain.
    #[must_use]
    pub const fn meta(&self) -> &MetaRecord {
        &self.meta
    }

    /// When the next timer is due, if any runs.
    #[must_use]
    pub fn next_due(&self) -> Option<Millis> {
        self.hot.timers.first().map(|(due, _)| *due)
    }

    /// Jobs that have not ended.
    #[must_use]
    pub fn live_jobs(&self) -> usize {
        self.hot.jobs.len()
    }

    /// Jobs that wait for a place.
    #[must_use]
    pub const fn queued_jobs(&self) -> usize {
        self.hot.queue.depth()
    }

    /// Whether a job waits for a place that may be given one: those of paused queues may not.
    #[must_use]
    pub fn has_lines(&self) -> bool {
        self.hot.queue.has_heads()
    }

    /// Whether this job or array has not ended; of tasks, whether it started and has not ended.
    #[must_use]
    pub fn is_live(&self, job: JobId) -> bool {
        self.hot.jobs.contains_key(&job) || self.hot.arrays.find(job).is_some()
    }

    /// An array that has not ended, with how far it is.
    #[must_use]
    pub fn array(&self, array: JobId) -> Option<(&ArrayRecord, &ArrayProgress)> {
        self.hot.arrays.find(array).map(|array| (&*array.record, &array.progress))
    }

    /// Arrays that have not ended.
    #[must_use]
    pub fn live_arrays(&self) -> usize {
        self.hot.arrays.len()
    }

    /// An array whose tasks are still to be stopped.
    #[must_use]
    pub fn array_to_stop(&self) -> Option<JobId> {
        self.hot.arrays.stopping()
    }

    /// An upload that nobody goes on with, or that is being removed.
    #[must_use]
    pub fn upload_to_expire(&self, now: Millis) -> Option<JobId> {
        let mut uploads = self.hot.arrays.uploads().values();
        uploads.find(|upload| upload.is_idle(now)).map(|upload| upload.id)
    }

    /// A draining node whose deadline has passed and where something runs that nobody stops.
    #[must_use]
    pub fn node_to_clear(&self, now: Millis) -> Option<NodeId> {
        let forgotten = self.hot.defect.is(Defect::DrainDeadlineForgotten);
        let mut overdue = self.hot.nodes.overdue(now).filter(|_| !forgotten);
        overdue.find(|node| node.runs()).map(|node| node.record.id)
    }

    /// All nodes, by id.
    pub fn nodes(&self) -> impl Iterator<Item = NodeView<'_>> {
        self.hot.nodes.iter().map(NodeView)
    }

    /// One node.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Option<NodeView<'_>> {
        self.hot.nodes.by_id(id).map(NodeView)
    }

    /// The node with this key.
    #[must_use]
    pub fn node_by_key(&self, key: &NodeKey) -> Option<NodeView<'_>> {
        self.hot.nodes.by_key(key).map(NodeView)
    }
}

/// What planning and dispatch see of a node.
#[derive(Clone, Copy, Debug)]
pub struct NodeView<'l>(&'l HotNode);

impl<'l> NodeView<'l> {
    /// Its record.
    #[must_use]
    pub const fn record(&self) -> &'l NodeRecord {
        &self.0.record
    }

    /// Its labels in force, those that operators set over those that it registered.
    #[must_use]
    pub const fn labels(&self) -> &'l BTreeMap<String, String> {
        &self.0.labels
    }

    /// The job or array that it is kept free for.
    #[must_use]
    pub fn reserved_for(&self) -> Option<JobId> {
        self.0.reserved.map(|(_, job)| job)
    }

    /// What is not taken.
    #[must_use]
    pub const fn free(&self) -> Resources {
        self.0.free
    }

    /// The attempts that hold a place there, by fence.
    #[must_use]
    pub const fn held(&self) -> &'l BTreeMap<Fence, JobId> {
        &self.0.held
    }

    /// Those of them that are to be stopped.
    #[must_use]
    pub const fn stopping(&self) -> &'l BTreeMap<Fence, StopCause> {
        &self.0.stopping
    }
}

/// The stateless half of every command's checks: what the proposer runs before it proposes (R8).
///
/// # Errors
/// What apply would refuse whatever its state.
pub fn check_stateless(command: &Command) -> Result<(), Refusal> {
    match command {
        Command::Submit(submit) => {
            crate::apply::request::check_key(&submit.request)?;
            submit.spec.check().map_err(Refusal::SpecIsInvalid)
        }
        Command::Cancel { request, reason, .. } => {
            crate::apply::request::check_key(request)?;
            crate::apply::job::check_reason(reason.as_deref())
        }
        Command::SubmitArray(submit) => {
            crate::apply::request::check_key(&submit.request)?;
            crate::apply::array::check(submit)
        }
        Command::PutItems(put) => crate::apply::upload::check(put),
        Command::PauseJob { request, job, reason, .. } => {
            crate::apply::pause::check_job(request, *job, reason.as_deref())
        }
        Command::PauseQueue { request, queue, reason, .. } => {
            crate::apply::pause::check_queue(request, queue, reason.as_deref())
        }
        Command::Retry { request, .. } => crate::apply::request::check_key(request),
        Command::DrainNode(drain) => {
            crate::apply::request::check_key(&drain.request)?;
            crate::apply::drain::check(drain)
        }
        Command::LabelNode(label) => {
            crate::apply::request::check_key(&label.request)?;
            crate::apply::label::check(label)
        }
        Command::RegisterNode(RegisterNode { name, labels, capacity, .. }) => {
            crate::apply::node::check(name, labels, capacity).map_err(Refusal::SpecIsInvalid)
        }
        _ => Ok(()),
    }
}

fn visit<T: serde::de::DeserializeOwned>(
    tables: &impl Tables,
    table: Table,
    mut take: impl FnMut(T),
) -> Result<(), CorruptRecord> {
    let mut corrupt = None;
    tables.scan(&table.prefix(), &mut |key, value| match codec::decode(value) {
        Some(Stored::V1(record)) => take(record),
        None => corrupt = Some(CorruptRecord { key: key.to_vec() }),
    });
    corrupt.map_or(Ok(()), Err)
}

fn visit_arrays(tables: &impl Tables, hot: &mut Hot) -> Result<(), CorruptRecord> {
    let mut live: Vec<ArrayProgress> = Vec::new();
    visit(tables, Table::LiveArrays, |progress| live.push(progress))?;
    for progress in live {
        let key = tables::array(progress.id);
        let record = tables.read(&key).and_then(|bytes| codec::decode(&bytes));
        let Some(Stored::V1(record)) = record else { return Err(CorruptRecord { key }) };
        hot.put_array(record, progress);
    }
    Ok(())
}

fn visit_tasks(tables: &impl Tables, hot: &mut Hot) -> Result<(), CorruptRecord> {
    let mut corrupt = None;
    tables.scan(&Table::LiveTasks.prefix(), &mut |key, value| {
        let task = tables::task_of_live(key).and_then(|task| {
            let (array, index) = task.of_task()?;
            let Stored::V1(stored) = codec::decode::<Stored<TaskRecord>>(value)?;
            Some(hot.arrays.find(array)?.record.task(index, stored))
        });
        match task {
            Some(record) => hot.index_job(&record),
            None => corrupt = Some(CorruptRecord { key: key.to_vec() }),
        }
    });
    corrupt.map_or(Ok(()), Err)
}

fn apply_command<R: Records>(transaction: &mut Transaction<'_, R>, bytes: &[u8]) -> Reply {
    match codec::decode_command(bytes) {
        Decoded::Command(command) => transaction.run(*command),
        Decoded::Undecodable => Reply::Refused(Refusal::CommandIsUndecodable),
        Decoded::UnknownVersion(version) => {
            transaction.meet_unknown(version);
            Reply::Refused(Refusal::CommandIsUndecodable)
        }
    }
}
