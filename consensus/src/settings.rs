//! What a group is started with. Times in milliseconds, sizes in bytes.

use std::sync::Arc;

use quorla_ledger::defect::Defect;

use crate::keys::GroupId;
use crate::storage::Storage;

/// What a group is started with.
pub struct Settings {
    /// The open data directory, with an identity.
    pub storage: Arc<Storage>,
    /// The group; 0 as long as there is one.
    pub group: GroupId,
    /// The key that names this node.
    pub node_key: [u8; 32],
    /// Where others may find it; a hint.
    pub address: String,
    /// How fast and how much.
    pub tuning: Tuning,
    /// A planted bug, for tests.
    pub defect: Defect,
}

/// How fast and how much. The defaults fail over within 3 s at normal load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tuning {
    /// Between two heartbeats of a leader.
    pub heartbeat_ms: u64,
    /// A follower waits the larger of these, then between both, for a silent leader. See `openraft_config`.
    pub election_timeout_ms_min: u64,
    /// The leader's lease too.
    pub election_timeout_ms_max: u64,
    /// A snapshot is built after so many bytes of log.
    pub snapshot_log_bytes: u64,
    /// Entries that stay in the log below a snapshot, for followers that are a little behind.
    pub log_entries_kept: u64,
    /// Recent entries in memory.
    pub log_cache_bytes_max: usize,
    /// A proposal is given up, its outcome unknown, after so long.
    pub propose_timeout_ms: u64,
    /// Entries of this node's proposer that may be on their way; beyond 16 throughput falls.
    pub entries_in_flight_max: usize,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            heartbeat_ms: 250,
            election_timeout_ms_min: 600,
            election_timeout_ms_max: 1_200,
            snapshot_log_bytes: 64 << 20,
            log_entries_kept: 1_024,
            log_cache_bytes_max: 32 << 20,
            propose_timeout_ms: 10_000,
            entries_in_flight_max: 6,
        }
    }
}

impl Tuning {
    /// A leader without a word from a majority, and a follower without one from its leader, believe in no leadership any
    /// more after so long: several elections could have passed.
    pub(crate) const fn silence_ms_max(&self) -> u64 {
        4 * self.election_timeout_ms_max
    }

    /// The configuration of openraft (R6). `allow_log_reversion` is never set (R1).
    pub(crate) fn openraft_config(&self, group: GroupId) -> openraft::Config {
        openraft::Config {
            cluster_name: format!("group-{}", group.0),
            heartbeat_interval: self.heartbeat_ms,
            election_timeout_min: self.election_timeout_ms_min,
            election_timeout_max: self.election_timeout_ms_max,
            max_payload_entries: 1_024,
            snapshot_policy: openraft::SnapshotPolicy::Never,
            max_in_snapshot_log_to_keep: self.log_entries_kept,
            install_snapshot_timeout: 600_000,
            enable_pre_vote: Some(true),
            enable_leader_restore: Some(false),
            broadcast_submitted_on_append: Some(true),
            api_channel_size: Some(4_096),
            notification_channel_size: Some(16_384),
            backoff: "100ms 200ms ..1000ms".to_owned(),
            ..openraft::Config::default()
        }
    }
}
