//! What the nodes hold at one moment: memory, open files, disk. The largest node counts.

use std::fmt;

use crate::fault::Fault;
use crate::local::{Cluster, usage};

const MIB: u64 = 1 << 20;

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sample {
    /// Since the load began.
    pub(super) at_ms: u64,
    /// Resident, of a node process and its warden.
    pub(super) rss_bytes: u64,
    /// Of a node process.
    pub(super) open_files: u64,
    /// All that lies in a data directory.
    pub(super) disk_bytes: u64,
}

impl Sample {
    pub(super) fn of(cluster: &Cluster, at_ms: u64) -> Result<Self, Fault> {
        let mut largest = Self { at_ms, ..Self::default() };
        for node in cluster.nodes() {
            let Some(pid) = node.pid() else {
                return Err(Fault::other("soak", format!("the node {} has ended", node.name))
                    .hint(format!("Read its log: {}", node.log.display())));
            };
            let failed = |error| Fault::other(format!("look at the node {}", node.name), error);
            largest.rss_bytes = largest.rss_bytes.max(usage::resident_bytes(pid).map_err(failed)?);
            largest.open_files = largest.open_files.max(usage::open_files(pid).map_err(failed)?);
            largest.disk_bytes = largest.disk_bytes.max(usage::disk_bytes(&node.data_dir).map_err(failed)?);
        }
        Ok(largest)
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rss, disk) = (self.rss_bytes / MIB, self.disk_bytes / MIB);
        write!(f, "{rss} MiB of memory, {} files open, {disk} MiB on disk", self.open_files)
    }
}
