//! A node's configuration: `cluster.toml`, then environment variables, then flags, validated as a whole.
//!
//! [`Config::load`] either returns typed values that are safe to start with, or *every* problem at once, each with a
//! stable code and the line it comes from. Unknown keys are refused. The table of keys, what each drives and its
//! default stand in `config/keys.rs`; this module opens no socket and creates no directory.

mod keys;
mod problem;
mod sources;
mod validate;
mod value;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::identity::KeyFiles;

pub use keys::{KEYS, Key};
pub use problem::{Origin, Problem, ProblemCode, Problems};

/// Where configuration comes from, weakest first: file, environment, flags.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The `cluster.toml` to read; `None` starts from the defaults alone.
    pub file: Option<PathBuf>,
    /// Environment variables; only names of the form `QUORLA__SECTION__KEY` are looked at.
    pub environment: Vec<(String, String)>,
    /// Flags, as pairs of a path such as `node.name` and a value.
    pub overrides: Vec<(String, String)>,
}

impl Sources {
    /// The file, this process's environment, and `overrides`.
    pub fn of_process(file: Option<PathBuf>, overrides: Vec<(String, String)>) -> Self {
        // Variables that are not UTF-8 can't be ours: every name and value of ours is text.
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self { file, environment, overrides }
    }
}

/// The whole configuration of one node.
#[derive(Clone, PartialEq, Debug)]
pub struct Config {
    /// `[node]`
    pub node: NodeConfig,
    /// `[cluster]`
    pub cluster: ClusterConfig,
    /// `[transport]`
    pub transport: TransportConfig,
    /// `[gossip]`
    pub gossip: GossipConfig,
    /// `[raft]`
    pub raft: RaftConfig,
    /// `[lease]`
    pub lease: LeaseConfig,
    /// `[resources]`
    pub resources: ResourcesConfig,
    /// `[http]`
    pub http: HttpConfig,
    /// `[limits]`
    pub limits: LimitsConfig,
    /// `[disk]`
    pub disk: DiskConfig,
    /// `[retention]`
    pub retention: RetentionConfig,
    /// `[metrics]`
    pub metrics: MetricsConfig,
    /// `[log]`
    pub log: LogConfig,
}

impl Config {
    /// Reads all sources and validates the result as a whole.
    pub fn load(sources: &Sources) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let draft = sources::collect(sources, &mut problems);
        let config = validate::build(&draft, &mut problems);
        problems.or(config)
    }

    /// The same for text in memory, named `path` in messages; for tests and `config validate -`.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let mut draft = value::Draft::default();
        sources::read_text(text, path, &mut draft, &mut problems);
        let config = validate::build(&draft, &mut problems);
        problems.or(config)
    }
}

/// `[node]`: what this node is called, where it keeps its state and where it is reached.
#[derive(Clone, PartialEq, Debug)]
pub struct NodeConfig {
    /// Name in certificates, logs, lists and `QUORLA_NODE`.
    pub name: String,
    /// Directory of log, state and snapshots.
    pub data_dir: PathBuf,
    /// UDP address of the QUIC endpoint.
    pub bind: SocketAddr,
    /// Address that others use; the bound one when absent.
    pub advertise: Option<String>,
    /// Labels that job constraints match.
    pub labels: BTreeMap<String, String>,
}

/// `[cluster]`: which cluster, and how it is found.
#[derive(Clone, PartialEq, Debug)]
pub struct ClusterConfig {
    /// Name for people; also keeps the gossip of two clusters apart.
    pub name: String,
    /// Addresses of other nodes, `host:port`.
    pub seeds: Vec<String>,
    /// Number of nodes at which learners are promoted to voters (R25: it only delays promotion).
    pub expect: u32,
}

/// `[transport]`: keys and QUIC timing.
#[derive(Clone, PartialEq, Debug)]
pub struct TransportConfig {
    /// Certificate, private key and trusted CAs.
    pub files: KeyFiles,
    /// Silence after which a connection counts as lost.
    pub idle_timeout: Duration,
}

/// `[gossip]`: pace of the hints between nodes.
#[derive(Clone, PartialEq, Debug)]
pub struct GossipConfig {
    /// Pause between rounds.
    pub interval: Duration,
    /// Usual silence after which a member is no longer shown as live.
    pub suspect_after: Duration,
}

/// `[raft]`: consensus timing and snapshot pace.
#[derive(Clone, PartialEq, Debug)]
pub struct RaftConfig {
    /// Pause between the leader's heartbeats.
    pub heartbeat: Duration,
    /// Shortest silence after which a follower stands for election; the longest is twice that.
    pub election_timeout: Duration,
    /// Bytes of log after which a snapshot is built (R6).
    pub snapshot_every_bytes: u64,
}

/// `[lease]`: how long a node owns its attempts without renewal.
#[derive(Clone, PartialEq, Debug)]
pub struct LeaseConfig {
    /// Life of a lease, counted by the agent from when it sent the renewal (R16).
    pub ttl: Duration,
    /// Allowance for clocks that run at different speeds.
    pub skew: Duration,
}

/// `[resources]`: what jobs may use on this node; `None` means: measure the machine.
#[derive(Clone, PartialEq, Debug)]
pub struct ResourcesConfig {
    /// CPU in thousandths of a core.
    pub cpu_milli: Option<u64>,
    /// Memory in bytes.
    pub memory_bytes: Option<u64>,
    /// Attempts at once.
    pub slots: Option<u32>,
    /// The cgroup below which jobs with limits get theirs; `None`: the node's own.
    pub cgroup: Option<PathBuf>,
    /// Users that jobs may name to run as; `None`: any whose uid is not 0.
    pub run_as: Option<Vec<String>>,
}

/// `[http]`: the loopback port of health, readiness and metrics.
#[derive(Clone, PartialEq, Debug)]
pub struct HttpConfig {
    /// TCP address; loopback only.
    pub bind: SocketAddr,
    /// Largest request body.
    pub body_bytes_max: u64,
}

/// `[limits]`: bounds that belong to this node.
#[derive(Clone, PartialEq, Debug)]
pub struct LimitsConfig {
    /// Client connections at once.
    pub client_connections: u32,
    /// Streams at once on one client connection.
    pub client_streams: u32,
    /// Output kept of one job.
    pub output_per_job_bytes: u64,
    /// Output kept of all jobs.
    pub output_per_node_bytes: u64,
}

/// `[disk]`: what must stay free (R22). Of a percentage and bytes the smaller amount counts; 0 turns a threshold off.
#[derive(Clone, PartialEq, Debug)]
pub struct DiskConfig {
    /// Below it no new attempts come here, and output is not recorded.
    pub low_percent: u32,
    /// The same in bytes.
    pub low_bytes: u64,
    /// Below it submits are refused where this node leads.
    pub critical_percent: u32,
    /// The same in bytes.
    pub critical_bytes: u64,
    /// Size of the file that is freed last; at most a hundredth of the file system is used.
    pub ballast_bytes: u64,
    /// Pause between two looks.
    pub check_every: Duration,
}

/// `[retention]`: how long what has ended is kept. Of the ledger's history the configuration of whoever leads counts.
#[derive(Clone, PartialEq, Debug)]
pub struct RetentionConfig {
    /// Age at which records of ended jobs and arrays expire.
    pub hot: Duration,
    /// Ended jobs.
    pub jobs: u32,
    /// Bytes of their records, specifications and recorded output.
    pub jobs_bytes: u64,
    /// Ended arrays.
    pub arrays: u32,
    /// Their tasks.
    pub tasks: u32,
    /// Bytes of all that is stored of them.
    pub arrays_bytes: u64,
    /// Age at which events expire.
    pub events: Duration,
    /// Bytes of events.
    pub events_bytes: u64,
    /// Age at which output is removed from this node.
    pub logs: Duration,
}

/// `[metrics]`
#[derive(Clone, PartialEq, Debug)]
pub struct MetricsConfig {
    /// Path on the HTTP port.
    pub path: String,
}

/// How log lines look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object per line.
    Json,
}

/// `[log]`
#[derive(Clone, PartialEq, Debug)]
pub struct LogConfig {
    /// Text or JSON.
    pub format: LogFormat,
    /// Directives of tracing's filter, for example `info,quorla_node=debug`.
    pub filter: String,
}

#[cfg(test)]
mod tests;
