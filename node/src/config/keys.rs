//! Every key there is, what it drives, and its default. A key that nothing uses does not stand here.

/// One configuration key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key {
    /// Section and key: `node.name`.
    pub path: &'static str,
    /// The default as it would be written, or the rule that gives it in parentheses.
    pub default: &'static str,
    /// What it drives.
    pub drives: &'static str,
}

const fn key(path: &'static str, default: &'static str, drives: &'static str) -> Key {
    Key { path, default, drives }
}

/// All keys, in the order of the documented sample.
pub const KEYS: &[Key] = &[
    key("node.name", "(host name)", "the node's name in lists, logs, gossip and QUORLA_NODE"),
    key("node.data_dir", "/var/lib/quorla/data", "where log, state, snapshots and output are kept"),
    key("node.bind", "127.0.0.1:7710", "the UDP address of the QUIC endpoint"),
    key("node.advertise", "(node.bind)", "the address that gossip and the membership publish"),
    key("node.labels", "{}", "the labels registered in the ledger, which job constraints match"),
    key("cluster.name", "quorla", "keeps the gossip of two clusters apart"),
    key("cluster.seeds", "[]", "whom gossip asks first"),
    key("cluster.expect", "1", "the number of nodes at which learners are promoted to voters"),
    key("transport.cert", "(keys/node.crt beside data_dir)", "the certificate of the endpoint"),
    key("transport.key", "(keys/node.key beside data_dir)", "the private key of the endpoint"),
    key("transport.ca", "(keys/ca.crt beside data_dir)", "the CAs that peers and clients are checked against"),
    key("transport.idle_timeout", "10s", "the silence after which a connection counts as lost"),
    key("gossip.interval", "1s", "the pause between gossip rounds"),
    key("gossip.suspect_after", "5s", "the silence after which a member is not shown as live"),
    key("raft.heartbeat", "250ms", "the pause between the leader's heartbeats"),
    key("raft.election_timeout", "600ms", "the shortest silence before an election; the longest is twice that"),
    key("raft.snapshot_every", "64MiB", "the bytes of log after which a snapshot is built"),
    key("lease.ttl", "10s", "how long attempts go on without a renewed lease"),
    key("lease.skew", "1s", "the allowance for clocks of different speed when a lease lapses"),
    key("resources.cpu", "(cores of the machine)", "the CPU that jobs may reserve here"),
    key("resources.memory", "(three quarters of the machine's)", "the memory that jobs may reserve here"),
    key("resources.slots", "(4 per core)", "the attempts that run here at once"),
    key("resources.cgroup", "(the node's own)", "the cgroup below which jobs with limits get theirs"),
    key("resources.run_as", "(any but uid 0)", "the users that jobs may name to run as here"),
    key("http.bind", "127.0.0.1:7711", "the TCP address of health, readiness and metrics"),
    key("http.max_body", "1MiB", "the largest HTTP request body"),
    key("limits.client_connections", "256", "the client connections accepted at once"),
    key("limits.client_streams", "64", "the streams at once on one client connection"),
    key("limits.output_per_job", "64MiB", "the bytes of output kept here of one job; the newest stay"),
    key("limits.output_per_node", "4GiB", "the bytes of output kept here of all jobs; the newest stay"),
    key(
        "disk.low_percent",
        "10",
        "the free share of the disk below which no new attempts come here and output is not recorded",
    ),
    key("disk.low_bytes", "10GiB", "the free bytes that are enough whatever their share is"),
    key(
        "disk.critical_percent",
        "5",
        "the free share of the disk below which submits are refused where this node leads",
    ),
    key("disk.critical_bytes", "5GiB", "the free bytes that are enough for submits whatever their share is"),
    key("disk.ballast", "64MiB", "the size of a file that is freed when the disk is all but full"),
    key("disk.check_every", "2s", "the pause between two looks at the disk"),
    key("retention.hot", "7d", "the age at which the leader expires ended jobs and arrays"),
    key("retention.jobs", "1000000", "the ended jobs that the leader keeps"),
    key("retention.jobs_bytes", "4GiB", "the bytes of ended jobs that the leader keeps"),
    key("retention.arrays", "100000", "the ended arrays that the leader keeps"),
    key("retention.tasks", "4000000", "the tasks of ended arrays that the leader keeps"),
    key("retention.arrays_bytes", "4GiB", "the bytes of ended arrays that the leader keeps"),
    key("retention.events", "1d", "the age at which the leader expires events"),
    key("retention.events_bytes", "256MiB", "the bytes of events that the leader keeps"),
    key("retention.logs", "7d", "the age at which output is removed here"),
    key("metrics.path", "/metrics", "the HTTP path of the Prometheus metrics"),
    key("log.format", "text", "the form of log lines: text or json"),
    key("log.filter", "info", "which log lines are written"),
];

/// How different a known name may be and still be suggested (normalised, 1 is equal).
const SIMILARITY_MIN: f64 = 0.5;

/// Whether `path` is a key.
pub(super) fn known(path: &str) -> Option<&'static str> {
    KEYS.iter().map(|key| key.path).find(|known| *known == path)
}

/// Whether `name` is a section.
pub(super) fn is_section(name: &str) -> bool {
    sections().any(|section| section == name)
}

/// The known key that `path` was probably meant to be.
pub(super) fn nearest(path: &str) -> Option<&'static str> {
    nearest_of(path, KEYS.iter().map(|key| key.path))
}

/// The known section that `name` was probably meant to be.
pub(super) fn nearest_section(name: &str) -> Option<&'static str> {
    nearest_of(name, sections())
}

fn sections() -> impl Iterator<Item = &'static str> {
    KEYS.iter().filter_map(|key| key.path.split_once('.')).map(|(section, _)| section)
}

fn nearest_of(name: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    known
        .map(|known| (strsim::normalized_damerau_levenshtein(name, known), known))
        .filter(|(similarity, _)| *similarity >= SIMILARITY_MIN)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, known)| known)
}
