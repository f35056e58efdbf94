//! The changes of one entry while it is applied: reads see them, the chain covers them, and they leave as one batch.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    codec,
    event::{Event, EventPage},
    hot::{Hot, nodes::HotNode},
    ids::{ChainHash, JobId, NodeId},
    ledger::{Applied, Ledger, Records, Signals},
    limits::HASH_KEPT_EVERY,
    record::{JobRecord, MetaRecord, NodeRecord, Stored},
    reply::{Refusal, Reply},
    tables::{self, META},
    units::{Bytes, Millis},
};

/// The value where the key says it all.
const PRESENT: Vec<u8> = Vec::new();
/// Domain of the chain's digests.
const CHAIN_CONTEXT: &str = "quorla ledger chain v1";

pub(crate) struct Transaction<'l, R> {
    ledger: &'l mut Ledger,
    records: &'l R,
    changes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    touched: usize,
    events: Vec<Event>,
    signals: Signals,
    /// Arrays whose progress this command changed.
    pub(crate) arrays_changed: BTreeSet<JobId>,
    /// Whether this entry gave its index away as a Raft id.
    pub(crate) admitted_storage: bool,
}

impl<'l, R: Records> Transaction<'l, R> {
    pub(crate) const fn new(ledger: &'l mut Ledger, records: &'l R) -> Self {
        Self {
            ledger,
            records,
            changes: BTreeMap::new(),
            touched: 0,
            events: Vec::new(),
            signals: Signals { content_hash_wanted: false, divergence: None, unknown_version: None },
            arrays_changed: BTreeSet::new(),
            admitted_storage: false,
        }
    }

    pub(crate) const fn now(&self) -> Millis {
        self.ledger.meta.clock
    }

    pub(crate) const fn meta(&mut self) -> &mut MetaRecord {
        &mut self.ledger.meta
    }

    pub(crate) const fn request_horizon(&self) -> Option<JobId> {
        self.ledger.meta.request_horizon
    }

    pub(crate) const fn live_bytes(&self) -> Bytes {
        self.ledger.meta.live_bytes
    }

    pub(crate) const fn hot(&self) -> &Hot {
        &self.ledger.hot
    }

    pub(crate) const fn hot_mut(&mut self) -> &mut Hot {
        &mut self.ledger.hot
    }

    pub(crate) const fn signals(&mut self) -> &mut Signals {
        &mut self.signals
    }

    pub(crate) const fn meet_unknown(&mut self, version: u8) {
        self.signals.unknown_version = Some(version);
    }

    /// Records put or removed so far, repetitions included.
    pub(crate) const fn records_touched(&self) -> usize {
        self.touched
    }

    /// Notes an event and gives its sequence.
    pub(crate) fn happen(&mut self, event: Event) -> u64 {
        let sequence = self.event_sequence();
        self.events.push(event);
        sequence
    }

    /// The sequence of the next event.
    pub(crate) fn event_sequence(&self) -> u64 {
        let before = u64::try_from(self.events.len()).expect("a length fits 64 bits");
        self.ledger.meta.event_next + before
    }

    pub(crate) fn exists(&self, key: &[u8]) -> bool {
        self.read_bytes(key).is_some()
    }

    /// The record under this key, as this entry has left it.
    pub(crate) fn read<T: DeserializeOwned>(&self, key: &[u8]) -> Option<T> {
        let bytes = self.read_bytes(key)?;
        let Some(Stored::V1(record)) = codec::decode(&bytes) else {
            panic!("apply an entry: the record under key {key:02x?} cannot be decoded");
        };
        Some(record)
    }

    pub(crate) fn read_bytes(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.changes.get(key).map_or_else(|| self.records.read(key), Clone::clone)
    }

    pub(crate) fn put<T: Serialize>(&mut self, key: Vec<u8>, record: T) -> Bytes {
        let bytes = codec::encode(&Stored::V1(record));
        let len = len(&bytes);
        self.put_bytes(key, bytes);
        len
    }

    pub(crate) fn put_key(&mut self, key: Vec<u8>) {
        self.put_bytes(key, PRESENT);
    }

    pub(crate) fn put_bytes(&mut self, key: Vec<u8>, bytes: Vec<u8>) {
        self.touched += 1;
        self.changes.insert(key, Some(bytes));
    }

    pub(crate) fn delete(&mut self, key: Vec<u8>) {
        self.touched += 1;
        self.changes.insert(key, None);
    }

    /// A job or task that has not ended; of tasks, one that started.
    pub(crate) fn live_job(&self, job: JobId) -> Option<JobRecord> {
        self.hot().jobs.get(&job)?;
        let record = if job.is_plain() { self.read(&tables::live(job)) } else { self.live_task(job) };
        Some(record.expect("R5: every hot job has a live record"))
    }

    pub(crate) fn ended_job(&self, job: JobId) -> Option<JobRecord> {
        if job.is_plain() { self.read(&tables::ended(job)) } else { self.ended_task(job) }
    }

    /// Stores a job where its state puts it and keeps the hot state equal to the tables.
    pub(crate) fn save_job(&mut self, record: &JobRecord) {
        if !record.id.is_plain() {
            return self.save_task(record);
        }
        self.ledger.hot.unindex_job(record.id);
        let Some(at) = record.state.ended_at() else {
            self.put(tables::live(record.id), record);
            self.ledger.hot.index_job(record);
            return;
        };
        self.delete(tables::live(record.id));
        let bytes = self.put(tables::ended(record.id), record);
        self.put_key(tables::ended_at(at, record.id));
        let meta = self.meta();
        meta.live_bytes.0 -= record.kept_bytes.0;
        meta.ended_jobs += 1;
        meta.ended_bytes.0 += bytes.0 + record.kept_bytes.0;
        self.happen(Event::JobEnded(record.id));
    }

    pub(crate) fn save_node(&mut self, record: NodeRecord) {
        self.put(tables::node(record.id), &record);
        self.ledger.hot.nodes.put(record);
    }

    pub(crate) fn node(&self, id: NodeId) -> Result<&HotNode, Refusal> {
        self.hot().nodes.by_id(id).ok_or(Refusal::NodeIsUnknown)
    }

    /// Closes the entry: events become a page, counters a record, and all of it a link of the chain (R14).
    pub(crate) fn finish(mut self, replies: Vec<Reply>) -> Applied {
        self.write_events();
        let hash = self.link_chain();
        let Self { ledger, mut changes, signals, .. } = self;
        changes.insert(META.to_vec(), Some(codec::encode(&Stored::V1(&ledger.meta))));
        let changes = changes.into_iter().collect();
        Applied { replies, changes, hash, event_next: ledger.meta.event_next, signals }
    }

    fn write_events(&mut self) {
        if self.events.is_empty() {
            return;
        }
        let events = std::mem::take(&mut self.events);
        let count = u64::try_from(events.len()).expect("a length fits 64 bits");
        let page = EventPage { first: self.ledger.meta.event_next, at: self.now(), events };
        let bytes = self.put(tables::event_page(page.first), &page);
        let meta = self.meta();
        meta.event_next += count;
        meta.event_bytes.0 += bytes.0;
    }

    fn link_chain(&mut self) -> ChainHash {
        let meta = &mut self.ledger.meta;
        let mut hasher = blake3::Hasher::new_derive_key(CHAIN_CONTEXT);
        hasher.update(&codec::encode(meta));
        for (key, value) in &self.changes {
            hash_part(&mut hasher, key);
            hash_part(&mut hasher, value.as_deref().unwrap_or(&[]));
            hasher.update(&[u8::from(value.is_some())]);
        }
        let link = ChainHash(*hasher.finalize().as_bytes());
        meta.chain = link;
        if meta.index / HASH_KEPT_EVERY > meta.kept_link.0 / HASH_KEPT_EVERY {
            meta.kept_link = (meta.index, link);
        }
        link
    }
}

fn hash_part(hasher: &mut blake3::Hasher, part: &[u8]) {
    hasher.update(&len(part).0.to_le_bytes());
    hasher.update(part);
}

pub(crate) fn len(bytes: &[u8]) -> Bytes {
    Bytes(u64::try_from(bytes.len()).expect("a length fits 64 bits"))
}
