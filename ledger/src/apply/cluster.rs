//! The cluster itself: its founding, its storages, and the agreement of its replicas.

use crate::{
    apply::{Outcome, transaction::Transaction},
    command::{AdmitStorage, FoundCluster},
    ids::{ChainHash, RaftId},
    ledger::{Divergence, Records},
    limits::STORAGES_MAX,
    record::{ClusterRecord, StorageRecord},
    reply::{Refusal, Reply},
    tables::{self, CLUSTER},
};

/// The founding storage's Raft id, by definition (R1).
pub(crate) const FOUNDING: RaftId = RaftId(1);

impl<R: Records> Transaction<'_, R> {
    pub(crate) fn found_cluster(&mut self, founding: FoundCluster) -> Outcome {
        if self.exists(&CLUSTER) {
            return Err(Refusal::ClusterIsFounded);
        }
        let FoundCluster { cluster, ca_certificate, node, storage } = founding;
        if self.exists(&tables::storage(storage)) {
            return Err(Refusal::StorageIsTaken);
        }
        let founded_at = self.now();
        self.put(CLUSTER.to_vec(), ClusterRecord { cluster, ca_certificate, founded_at });
        self.put(tables::storage(storage), StorageRecord { storage, node, raft: FOUNDING });
        self.meta().storages += 1;
        Ok(Reply::Founded)
    }

    pub(crate) fn admit_storage(&mut self, admission: &AdmitStorage) -> Outcome {
        let key = tables::storage(admission.storage);
        if let Some(known) = self.read::<StorageRecord>(&key) {
            let same = known.node == admission.node;
            return if same { Ok(Reply::StorageAdmitted(known.raft)) } else { Err(Refusal::StorageIsTaken) };
        }
        let raft = RaftId(self.meta().index);
        // R1: ids are never reused, and the founding one is taken.
        if self.admitted_storage || raft <= FOUNDING {
            return Err(Refusal::EntryAdmittedAnother);
        }
        if self.meta().storages >= STORAGES_MAX {
            return Err(Refusal::StoragesAreExhausted);
        }
        let AdmitStorage { node, storage } = *admission;
        self.put(key, StorageRecord { storage, node, raft });
        self.meta().storages += 1;
        self.admitted_storage = true;
        Ok(Reply::StorageAdmitted(raft))
    }

    pub(crate) fn assert_hash(&mut self, index: u64, hash: ChainHash) -> Reply {
        let (kept, actual) = self.meta().kept_link;
        if kept != index || actual == hash {
            return Reply::HashAgrees;
        }
        self.signals().divergence = Some(Divergence { index, expected: hash, actual });
        Reply::HashDiffers { actual }
    }

    pub(crate) fn mark_content_hash(&mut self) -> Reply {
        self.signals().content_hash_wanted = true;
        Reply::ContentHashMarked { index: self.meta().index }
    }
}
