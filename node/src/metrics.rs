//! Every metric of a node: its name, its help and the function that sets it. Rendered for Prometheus by `http`.
//!
//! No id is ever a label. Nothing here knows where a value comes from, save the memory of this process, which is read
//! when somebody asks.

mod jobs;
mod network;
mod queues;
mod requests;

use std::{
    fs,
    sync::{Arc, OnceLock},
    time::Duration,
};

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use quorla_client::Request;
use quorla_ledger::disk::DiskLevel;
use thiserror::Error;

pub use jobs::{job_ended, jobs_submitted, tasks_closed};
pub use network::{Carried, Losses, count_packets, record_round_trip, set_connections_open};
pub use queues::{QUEUES_NAMED_MAX, QueueTotals};

const RAFT_TERM: &str = "quorla_raft_term";
const RAFT_STATE: &str = "quorla_raft_state";
const RAFT_IS_LEADER: &str = "quorla_raft_is_leader";
const APPLIED_INDEX: &str = "quorla_applied_index";
const APPLY_LAG: &str = "quorla_apply_lag_entries";
const CLOCK_SKEW: &str = "quorla_clock_skew_seconds";
const FOLLOWER_LAG: &str = "quorla_follower_lag_entries";
const PROPOSALS_QUEUED: &str = "quorla_raft_proposals_queued";
const SLOTS: &str = "quorla_slots";
const SLOTS_USED: &str = "quorla_slots_used";
const JOBS_LIVE: &str = "quorla_jobs_live";
const MEMBERS_LIVE: &str = "quorla_gossip_members_live";
const CLIENTS: &str = "quorla_client_sessions_open";
const RESIDENT: &str = "quorla_resident_memory_bytes";
const DISK_GUARD: &str = "quorla_disk_guard_level";
const DISK_FREE: &str = "quorla_disk_free_bytes";
const REFUSED_FOR_DISK: &str = "quorla_submits_refused_for_disk_total";
const REQUESTS: &str = "quorla_client_requests_total";
const REFUSED: &str = "quorla_client_requests_refused_total";
const REQUEST_TIME: &str = "quorla_request_seconds";

/// Upper bounds of every histogram of times, in seconds: a job may take days, a request a tenth of a millisecond.
const SECONDS: &[f64] = &[
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0,
    3_600.0, 86_400.0,
];
/// Upper bounds of the histogram of commands in one entry.
const COMMANDS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];
/// The recorder keeps every time since the last look; this often it sorts them into their buckets.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Gauges and what they mean.
const GAUGES: &[(&str, &str)] = &[
    (RAFT_TERM, "Raft term of this node."),
    (RAFT_STATE, "1 for the state this node is in, 0 for the others."),
    (RAFT_IS_LEADER, "1 while this node leads."),
    (APPLIED_INDEX, "Index of the last entry applied here."),
    (APPLY_LAG, "Entries known to be committed or appended and not applied here."),
    (CLOCK_SKEW, "On the leader: the largest distance of a voter's wall clock from the cluster's; positive is ahead."),
    (FOLLOWER_LAG, "On the leader: entries that the member of this name is behind."),
    (PROPOSALS_QUEUED, "Commands that wait for an entry here."),
    (SLOTS, "Attempts that this node may run at once."),
    (SLOTS_USED, "Attempts that this node holds."),
    (JOBS_LIVE, "Jobs that have not ended, as this node knows."),
    (MEMBERS_LIVE, "Members that gossip shows as live, this one included."),
    (CLIENTS, "Client sessions served here."),
    (DISK_GUARD, "How full the disk of the node's data is: 0 fine, 1 low (no new attempts), 2 critical (no new jobs)."),
    (DISK_FREE, "Bytes that the node's user may still write, by the first part of the data on each file system."),
    (RESIDENT, "Resident memory of the node process, without its warden."),
];

/// Counters and what they mean.
const COUNTERS: &[(&str, &str)] = &[
    (REQUESTS, "Requests of clients answered here."),
    (REFUSED, "Requests of clients refused here."),
    (REFUSED_FOR_DISK, "Jobs, arrays and items refused here because disks are nearly full."),
];

/// What a node is, as Raft sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RaftState {
    /// Receives the log without a vote.
    Learner,
    /// Follows a leader.
    Follower,
    /// Stands for election.
    Candidate,
    /// Leads.
    Leader,
}

const STATES: [(RaftState, &str); 4] = [
    (RaftState::Learner, "learner"),
    (RaftState::Follower, "follower"),
    (RaftState::Candidate, "candidate"),
    (RaftState::Leader, "leader"),
];

/// The recorder could not be installed: another one was.
#[derive(Debug, Error)]
#[error("install the metrics recorder: {0}")]
pub struct MetricsError(#[from] metrics_exporter_prometheus::BuildError);

/// The installed recorder. Clones share it.
#[derive(Clone)]
pub struct Metrics {
    recorder: PrometheusHandle,
    queues: Arc<OnceLock<CountQueues>>,
}

/// Counts the jobs of queues as they are now.
type CountQueues = Box<dyn Fn() -> QueueTotals + Send + Sync>;

impl Metrics {
    /// Installs the recorder for the whole process. Once.
    pub fn install() -> Result<Self, MetricsError> {
        let recorder = builder()?.install_recorder()?;
        for (name, help) in GAUGES {
            describe_gauge!(*name, *help);
        }
        for (name, help) in COUNTERS {
            describe_counter!(*name, *help);
            counter!(*name).absolute(0);
        }
        describe_histogram!(
            REQUEST_TIME,
            Unit::Seconds,
            "From a client's request decoded to its reply encoded, by kind."
        );
        jobs::describe();
        network::describe();
        quorla_consensus::metrics::describe();
        quorla_actors::metrics::describe();
        Ok(Self { recorder, queues: Arc::default() })
    }

    /// Keeps the recorder small, however rarely somebody asks. Never returns.
    pub async fn keep_up(self) {
        let mut interval = tokio::time::interval(UPKEEP_INTERVAL);
        loop {
            interval.tick().await;
            self.recorder.run_upkeep();
        }
    }

    /// Renders another recorder; for tests, which share a process.
    #[cfg(test)]
    pub(crate) fn of(recorder: PrometheusHandle) -> Self {
        Self { recorder, queues: Arc::default() }
    }

    /// From now on, what this counts is rendered as well. Once.
    pub fn show_queues(&self, count: impl Fn() -> QueueTotals + Send + Sync + 'static) {
        let is_first = self.queues.set(Box::new(count)).is_ok();
        assert!(is_first, "one node counts the queues of a process");
    }

    /// All metrics in Prometheus' text format, memory read just now.
    pub fn render(&self) -> String {
        if let Some(bytes) = resident_bytes() {
            set(RESIDENT, bytes);
        }
        self.recorder.run_upkeep();
        let mut text = self.recorder.render();
        if let Some(count) = self.queues.get() {
            text.push_str(&count().render());
        }
        text
    }
}

fn builder() -> Result<PrometheusBuilder, metrics_exporter_prometheus::BuildError> {
    let commands = Matcher::Full(quorla_consensus::metrics::ENTRY_COMMANDS.to_owned());
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)?
        .set_buckets_for_metric(commands, COMMANDS)
}

/// Sets the Raft term.
pub fn set_raft_term(term: u64) {
    set(RAFT_TERM, term);
}

/// Sets the Raft state, and with it whether this node leads.
pub fn set_raft_state(state: RaftState) {
    for (each, label) in STATES {
        gauge!(RAFT_STATE, "state" => label).set(if each == state { 1.0 } else { 0.0 });
    }
    set(RAFT_IS_LEADER, u64::from(state == RaftState::Leader));
}

/// Sets the index of the last applied entry.
pub fn set_applied_index(index: u64) {
    set(APPLIED_INDEX, index);
}

/// Sets how many known entries are not applied yet.
pub fn set_apply_lag_entries(entries: u64) {
    set(APPLY_LAG, entries);
}

/// Sets how far the wall clock that is furthest off is from the cluster's, in milliseconds; positive is ahead.
pub fn set_clock_skew_ms(skew_ms: i64) {
    let whole = float(skew_ms.unsigned_abs()) / 1_000.0;
    gauge!(CLOCK_SKEW).set(if skew_ms < 0 { -whole } else { whole });
}

/// Sets how many entries the member of this name is behind this leader.
pub fn set_follower_lag_entries(name: String, entries: u64) {
    gauge!(FOLLOWER_LAG, "node" => name).set(float(entries));
}

/// Sets how many commands wait for an entry.
pub fn set_proposals_queued(commands: usize) {
    set(PROPOSALS_QUEUED, u64::try_from(commands).unwrap_or(u64::MAX));
}

/// Sets the slots of this node and how many are in use.
pub fn set_slots(slots: u32, used: u32) {
    gauge!(SLOTS).set(slots);
    gauge!(SLOTS_USED).set(used);
}

/// Sets the number of jobs that have not ended.
pub fn set_jobs_live(jobs: u64) {
    set(JOBS_LIVE, jobs);
}

/// Sets the number of live members, this node included.
pub fn set_members_live(members: usize) {
    set(MEMBERS_LIVE, u64::try_from(members).unwrap_or(u64::MAX));
}

/// Sets how full the disk is.
pub fn set_disk_guard(level: DiskLevel) {
    let number = match level {
        DiskLevel::Fine => 0,
        DiskLevel::Low => 1,
        DiskLevel::Critical => 2,
    };
    set(DISK_GUARD, number);
}

/// Sets what is free on the file system of this part of the data.
pub fn set_disk_free(part: &'static str, bytes: u64) {
    gauge!(DISK_FREE, "part" => part).set(float(bytes));
}

/// Counts what was refused because disks are nearly full.
pub fn count_refused_for_disk() {
    counter!(REFUSED_FOR_DISK).increment(1);
}

/// Counts a client session that began (`1`) or ended (`-1`).
pub fn add_client_sessions(change: i8) {
    gauge!(CLIENTS).increment(f64::from(change));
}

/// Counts a client's request, and whether it was refused.
pub fn count_request(refused: bool) {
    counter!(REQUESTS).increment(1);
    if refused {
        counter!(REFUSED).increment(1);
    }
}

/// Records how long a client's request took.
pub fn record_request_time(kind: &'static str, took: Duration) {
    histogram!(REQUEST_TIME, "kind" => kind).record(took);
}

/// What a request is called in [`record_request_time`].
pub const fn request_kind(request: &Request) -> &'static str {
    requests::kind(request)
}

/// Resident memory of this process.
pub fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1_024)
}

fn set(name: &'static str, value: u64) {
    gauge!(name).set(float(value));
}

/// Prometheus has floats only: beyond 2^53 the last digits are lost, which a graph does not show.
#[allow(clippy::cast_precision_loss)]
fn float(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::{
        APPLIED_INDEX, CLIENTS, COUNTERS, DISK_GUARD, GAUGES, JOBS_LIVE, MEMBERS_LIVE, PROPOSALS_QUEUED,
        RAFT_IS_LEADER, RAFT_STATE, RAFT_TERM, REQUEST_TIME, RaftState, SLOTS, SLOTS_USED, resident_bytes,
        set_clock_skew_ms, set_raft_state,
    };

    fn rendered(set: impl FnOnce()) -> String {
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, set);
        recorder.handle().render()
    }

    #[test]
    fn exactly_one_state_is_set() {
        let text = rendered(|| {
            set_raft_state(RaftState::Follower);
            set_raft_state(RaftState::Leader);
        });
        for line in [
            "quorla_raft_state{state=\"leader\"} 1",
            "quorla_raft_state{state=\"follower\"} 0",
            "quorla_raft_is_leader 1",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }

    #[test]
    fn skew_keeps_its_sign() {
        assert!(rendered(|| set_clock_skew_ms(-1_500)).contains("quorla_clock_skew_seconds -1.5"));
    }

    #[test]
    fn names_end_in_their_unit() {
        for (name, _) in COUNTERS {
            assert!(name.starts_with("quorla_") && name.ends_with("_total"), "{name}");
        }
        // What is counted in no unit says so by standing here.
        let counts = [
            RAFT_TERM,
            PROPOSALS_QUEUED,
            RAFT_STATE,
            RAFT_IS_LEADER,
            APPLIED_INDEX,
            SLOTS,
            SLOTS_USED,
            JOBS_LIVE,
            MEMBERS_LIVE,
            CLIENTS,
            DISK_GUARD,
        ];
        for (name, _) in GAUGES {
            let has_unit = ["_seconds", "_bytes", "_entries"].iter().any(|unit| name.ends_with(unit));
            assert!(name.starts_with("quorla_") && has_unit != counts.contains(name), "{name}");
        }
        assert!(REQUEST_TIME.starts_with("quorla_") && REQUEST_TIME.ends_with("_seconds"));
    }

    #[test]
    fn resident_memory_is_measured() {
        assert!(resident_bytes().unwrap() > 1 << 20);
    }
}
