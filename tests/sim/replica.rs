//! One replica: the real ledger over tables in memory, and the older tables that a crash leaves on its disk.

use quorla_ledger::{Batch, Defect, Entry, Ledger, ledger::Applied, memory::MemoryTables};

/// See the module.
#[derive(Debug)]
pub(super) struct Replica {
    pub(super) ledger: Ledger,
    pub(super) tables: MemoryTables,
    /// Entries of the log that it has taken in, blank ones included.
    pub(super) position: usize,
}

/// Tables as of an older position: state is written without a log of its own, so a crash loses its newest part (R4).
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    pub(super) tables: MemoryTables,
    pub(super) position: usize,
}

impl Replica {
    /// What a start finds: the hot state is rebuilt, the log is replayed by whoever knows it.
    pub(super) fn from_disk(disk: &Disk, defect: Defect) -> Self {
        let tables = disk.tables.clone();
        let ledger = Ledger::rebuild_with(&tables, defect).expect("what was written can be read");
        Self { ledger, tables, position: disk.position }
    }

    /// Takes one entry in; the caller absorbs the changes into the tables.
    pub(super) fn apply(&mut self, index: u64, payload: &[u8]) -> Applied {
        let batch = Batch::parse(payload).expect("a proposer seals whole batches");
        self.ledger.apply(&Entry { index, batch }, &self.tables)
    }

    /// R5: whether the hot state is what its tables say.
    pub(super) fn is_equal_to_rebuilt(&self, defect: Defect) -> bool {
        Ledger::rebuild_with(&self.tables, defect).is_ok_and(|rebuilt| rebuilt == self.ledger)
    }

    pub(super) fn disk(&self) -> Disk {
        Disk { tables: self.tables.clone(), position: self.position }
    }
}
