//! Turns a draft into a [`Config`]: types, ranges, and what must hold between values. Collects every problem.

mod storage;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Component, PathBuf};
use std::time::Duration;

use quorla_actors::sessions::SESSIONS_MAX;
use quorla_ledger::limits::{Limit, NODE_SLOTS_MAX};

use super::problem::{ProblemCode, Problems};
use super::value::{self, Draft, Expected, Raw};
use super::{
    ClusterConfig, Config, GossipConfig, HttpConfig, LeaseConfig, LimitsConfig, LogConfig, LogFormat, MetricsConfig,
    NodeConfig, RaftConfig, ResourcesConfig, TransportConfig,
};
use crate::abilities;
use crate::identity::KeyFiles;

const SEEDS_MAX: usize = 64;
/// Names of users that jobs may run as.
const RUN_AS_MAX: usize = 64;

/// Builds the configuration. What could not be read has its default in the result, and a problem beside it.
pub(super) fn build(draft: &Draft, problems: &mut Problems) -> Config {
    let mut reader = Reader { draft, problems };
    let node = reader.node();
    let config = Config {
        cluster: reader.cluster(),
        transport: reader.transport(&node),
        gossip: reader.gossip(),
        raft: reader.raft(),
        lease: reader.lease(),
        resources: reader.resources(),
        http: reader.http(),
        limits: reader.limits(),
        disk: reader.disk(),
        retention: reader.retention(),
        metrics: reader.metrics(),
        log: reader.log(),
        node,
    };
    reader.contradictions(&config);
    config
}

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

struct Reader<'a> {
    draft: &'a Draft,
    problems: &'a mut Problems,
}

impl Reader<'_> {
    fn node(&mut self) -> NodeConfig {
        let name = self.optional("node.name", value::text).unwrap_or_else(host_name);
        self.check_name("node.name", &name);
        let labels = self.optional("node.labels", value::table).unwrap_or_default();
        self.check_labels(&labels);
        NodeConfig {
            name,
            data_dir: PathBuf::from(self.text("node.data_dir", "/var/lib/quorla/data")),
            bind: self.address("node.bind", "127.0.0.1:7710"),
            advertise: self.host_and_port("node.advertise"),
            labels,
        }
    }

    fn cluster(&mut self) -> ClusterConfig {
        let seeds = self.optional("cluster.seeds", value::list).unwrap_or_default();
        for seed in seeds.iter().filter(|seed| !is_host_and_port(seed)) {
            self.invalid("cluster.seeds", format!("the seed {seed:?} is not of the form host:port"));
        }
        self.check_range("cluster.seeds", seeds.len(), 0..=SEEDS_MAX);
        let name = self.text("cluster.name", "quorla");
        self.check_name("cluster.name", &name);
        ClusterConfig { name, seeds, expect: self.count("cluster.expect", 1, 1..=7) }
    }

    fn transport(&mut self, node: &NodeConfig) -> TransportConfig {
        let mut files = KeyFiles::within(&KeyFiles::directory_beside(&node.data_dir), "node");
        for (key, file) in [
            ("transport.cert", &mut files.certificate),
            ("transport.key", &mut files.key),
            ("transport.ca", &mut files.ca),
        ] {
            if let Some(path) = self.optional(key, value::text) {
                *file = PathBuf::from(path);
            }
        }
        let idle_timeout = self.duration("transport.idle_timeout", "10s", SECOND * 4..=MINUTE * 10);
        TransportConfig { files, idle_timeout }
    }

    fn gossip(&mut self) -> GossipConfig {
        GossipConfig {
            interval: self.duration("gossip.interval", "1s", MS * 20..=MINUTE),
            suspect_after: self.duration("gossip.suspect_after", "5s", MS * 100..=MINUTE * 10),
        }
    }

    fn raft(&mut self) -> RaftConfig {
        RaftConfig {
            heartbeat: self.duration("raft.heartbeat", "250ms", MS * 20..=SECOND * 10),
            election_timeout: self.duration("raft.election_timeout", "600ms", MS * 100..=MINUTE),
            snapshot_every_bytes: self.bytes("raft.snapshot_every", "64MiB", 1 << 20..=1 << 40),
        }
    }

    fn lease(&mut self) -> LeaseConfig {
        LeaseConfig {
            ttl: self.duration("lease.ttl", "10s", SECOND..=MINUTE * 60),
            skew: self.duration("lease.skew", "1s", MS..=MINUTE),
        }
    }

    fn resources(&mut self) -> ResourcesConfig {
        let resources = ResourcesConfig {
            cpu_milli: self.optional("resources.cpu", value::cpu_milli),
            memory_bytes: self.optional("resources.memory", value::bytes),
            slots: self.optional("resources.slots", value::count),
            cgroup: self.optional("resources.cgroup", cgroup),
            run_as: self.optional("resources.run_as", value::list),
        };
        let users = resources.run_as.as_deref().unwrap_or_default();
        self.check_range("resources.run_as", users.len(), 0..=RUN_AS_MAX);
        if users.iter().any(String::is_empty) {
            self.invalid("resources.run_as", "an empty text is no user".to_owned());
        }
        if let Some(slots) = resources.slots {
            self.check_range("resources.slots", u64::from(slots), 0..=NODE_SLOTS_MAX);
        }
        resources
    }

    fn http(&mut self) -> HttpConfig {
        let bind = self.address("http.bind", "127.0.0.1:7711");
        if !bind.ip().is_loopback() {
            let message = format!("{bind} is not a loopback address; http serves this machine only");
            self.problem(ProblemCode::OutOfRange, "http.bind", message);
        }
        HttpConfig { bind, body_bytes_max: self.bytes("http.max_body", "1MiB", 1 << 10..=1 << 26) }
    }

    fn limits(&mut self) -> LimitsConfig {
        LimitsConfig {
            client_connections: self.count("limits.client_connections", 256, 1..=SESSIONS_MAX),
            client_streams: self.count("limits.client_streams", 64, 1..=1_024),
            output_per_job_bytes: self.bytes("limits.output_per_job", "64MiB", 1 << 20..=1 << 40),
            output_per_node_bytes: self.bytes("limits.output_per_node", "4GiB", 1 << 20..=1 << 50),
        }
    }

    fn metrics(&mut self) -> MetricsConfig {
        let path = self.text("metrics.path", "/metrics");
        let plain = path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte));
        if !path.starts_with('/') || path.len() < 2 || !plain {
            let message = format!("{path:?} is not a path such as \"/metrics\"");
            self.invalid("metrics.path", message);
        } else if ["/healthz", "/readyz"].contains(&path.as_str()) {
            let message = format!("{path} is taken");
            self.problem(ProblemCode::Conflict, "metrics.path", message);
        }
        MetricsConfig { path }
    }

    fn log(&mut self) -> LogConfig {
        let format = self.read("log.format", "text", |raw| match value::text(raw)?.as_str() {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            _ => Err("\"text\" or \"json\""),
        });
        let filter = self.read("log.filter", "info", |raw| {
            let filter = value::text(raw)?;
            match filter.parse::<tracing_subscriber::filter::Targets>() {
                Ok(_) => Ok(filter),
                Err(_) => Err("directives such as \"info,quorla_node=debug\""),
            }
        });
        LogConfig { format, filter }
    }

    /// What only shows when values are seen together.
    fn contradictions(&mut self, config: &Config) {
        if config.node.bind.ip().is_unspecified() && config.node.advertise.is_none() {
            let message = format!("node.advertise must be set: others can't dial {}", config.node.bind);
            self.problem(ProblemCode::Conflict, "node.bind", message);
        }
        let raft = &config.raft;
        if raft.election_timeout < raft.heartbeat * 2 {
            let message = format!(
                "raft.election_timeout ({:?}) must be at least two heartbeats ({:?} each)",
                raft.election_timeout, raft.heartbeat
            );
            self.problem(ProblemCode::Conflict, "raft.election_timeout", message);
        }
        if config.lease.ttl < config.lease.skew * 4 {
            let message = format!(
                "lease.ttl ({:?}) must be at least four times lease.skew ({:?})",
                config.lease.ttl, config.lease.skew
            );
            self.problem(ProblemCode::Conflict, "lease.ttl", message);
        }
        let limits = &config.limits;
        if limits.output_per_node_bytes < limits.output_per_job_bytes {
            let message = format!(
                "limits.output_per_node ({} bytes) must be at least limits.output_per_job ({} bytes)",
                limits.output_per_node_bytes, limits.output_per_job_bytes
            );
            self.problem(ProblemCode::Conflict, "limits.output_per_node", message);
        }
        if config.gossip.suspect_after < config.gossip.interval * 2 {
            let message = format!(
                "gossip.suspect_after ({:?}) must be at least two gossip.interval ({:?})",
                config.gossip.suspect_after, config.gossip.interval
            );
            self.problem(ProblemCode::Conflict, "gossip.suspect_after", message);
        }
    }

    fn read<T>(&mut self, key: &'static str, default: &str, read: impl Fn(&Raw) -> Result<T, Expected>) -> T {
        let found = self.optional(key, &read);
        let default = || read(&Raw::Text(default.to_owned()));
        found.unwrap_or_else(|| default().expect("every default has the form of its key"))
    }

    fn optional<T>(&mut self, key: &'static str, read: impl Fn(&Raw) -> Result<T, Expected>) -> Option<T> {
        let setting = self.draft.settings.get(key)?;
        match read(&setting.raw) {
            Ok(value) => Some(value),
            Err(expected) => {
                let message = format!("{key} must be {expected}, not {}", written(&setting.raw));
                self.problem(ProblemCode::InvalidValue, key, message);
                None
            }
        }
    }

    fn text(&mut self, key: &'static str, default: &str) -> String {
        self.read(key, default, |raw| match value::text(raw) {
            Ok(text) if text.is_empty() => Err("a string that is not empty"),
            other => other,
        })
    }

    fn count(&mut self, key: &'static str, default: u32, range: RangeInclusive<u32>) -> u32 {
        let count = self.optional(key, value::count).unwrap_or(default);
        self.check_range(key, count, range);
        count
    }

    fn bytes(&mut self, key: &'static str, default: &str, range: RangeInclusive<u64>) -> u64 {
        let bytes = self.read(key, default, value::bytes);
        self.check_range(key, bytes, range);
        bytes
    }

    fn duration(&mut self, key: &'static str, default: &str, range: RangeInclusive<Duration>) -> Duration {
        let duration = self.read(key, default, value::duration);
        if !range.contains(&duration) {
            let (least, most) = range.into_inner();
            let message = format!("{key} must be from {least:?} to {most:?}, not {duration:?}");
            self.problem(ProblemCode::OutOfRange, key, message);
        }
        duration
    }

    fn address(&mut self, key: &'static str, default: &str) -> SocketAddr {
        self.read(key, default, |raw| value::text(raw)?.parse().map_err(|_| "an address such as \"127.0.0.1:7710\""))
    }

    fn host_and_port(&mut self, key: &'static str) -> Option<String> {
        self.optional(key, |raw| match value::text(raw) {
            Ok(text) if is_host_and_port(&text) => Ok(text),
            _ => Err("of the form host:port"),
        })
    }

    fn check_name(&mut self, key: &'static str, name: &str) {
        let usable = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.is_empty() || name.len() > 63 || !name.bytes().all(usable) {
            let message = format!("{key} must be 1 to 63 letters, digits, '-', '_' or '.', not {name:?}");
            self.invalid(key, message);
        }
    }

    fn check_labels(&mut self, labels: &BTreeMap<String, String>) {
        let most = |limit: Limit| usize::try_from(limit.max()).expect("a bound fits memory");
        self.check_range("node.labels", labels.len(), 0..=most(Limit::Labels) - abilities::LABELS_MAX);
        let bytes_max = most(Limit::LabelBytes);
        for (name, value) in labels {
            if name.is_empty() || name.len() > bytes_max || value.len() > bytes_max {
                let message =
                    format!("the label {name:?} must have 1 to {bytes_max} bytes, its value at most {bytes_max}");
                self.problem(ProblemCode::OutOfRange, "node.labels", message);
            } else if name.starts_with(abilities::PREFIX) {
                let message = format!("the label {name:?} begins with {:?}, as the node's own do", abilities::PREFIX);
                self.invalid("node.labels", message);
            } else if name.contains(['=', '\0']) || value.contains('\0') {
                let message = format!("the label {name:?} must not contain '=', and neither part of it NUL");
                self.invalid("node.labels", message);
            }
        }
    }

    fn check_range<T: PartialOrd + Display>(&mut self, key: &'static str, value: T, range: RangeInclusive<T>) {
        if !range.contains(&value) {
            let (least, most) = range.into_inner();
            let message = format!("{key} must be from {least} to {most}, not {value}");
            self.problem(ProblemCode::OutOfRange, key, message);
        }
    }

    fn invalid(&mut self, key: &'static str, message: String) {
        self.problem(ProblemCode::InvalidValue, key, message);
    }

    fn problem(&mut self, code: ProblemCode, key: &'static str, message: String) {
        self.problems.add(code, &self.draft.origin(key), Some(key), message);
    }
}

/// A path from the root of a hierarchy that does not climb out of it.
fn cgroup(raw: &Raw) -> Result<PathBuf, Expected> {
    let expected = "an absolute path such as \"/quorla\", without \"..\"";
    let path = PathBuf::from(value::text(raw)?);
    let plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if plain && path.is_absolute() && path.components().count() > 1 { Ok(path) } else { Err(expected) }
}

fn is_host_and_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let plain = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:[]".contains(&byte));
    !host.is_empty() && plain && port.parse::<u16>().is_ok_and(|port| port > 0)
}

/// The machine's name, cut to what a node name may contain.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let usable = |letter: &char| letter.is_ascii_alphanumeric() || "-_.".contains(*letter);
    let name: String = name.chars().filter(usable).take(63).collect();
    if name.is_empty() { "node".to_owned() } else { name }
}

fn written(raw: &Raw) -> String {
    match raw {
        Raw::Text(text) => format!("{text:?}"),
        Raw::Integer(number) => number.to_string(),
        Raw::Float(number) => number.to_string(),
        Raw::List(_) => "a list".to_owned(),
        Raw::Table(_) => "a table".to_owned(),
    }
}
