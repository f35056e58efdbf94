//! From the configuration to what each part starts with: translation, and what is measured on the machine.

use std::{path::Path, sync::Arc, time::Duration};

use quorla_actors::{
    lease::LeaseTerms,
    output::{Bounds, OutputStore},
    planning::retention::Retention,
    process::{
        agent::{Abilities, ProcessAgent, SETTLE_MAX, Settings as ProcessSettings, WardenCommand},
        cgroup::CgroupSettings,
        users::Users,
    },
    root::{AgentSettings, RestartBudget, SchedulerSettings, Settings as ActorSettings},
};
use quorla_consensus::{Settings as GroupSettings, Storage, Tuning};
use quorla_ledger::{
    Defect,
    ids::{BootId, NodeKey},
    limits::{LEASE_RENEWAL, NODE_SLOTS_MAX},
    spec::Resources,
    units::{Bytes, MilliCpu, Millis},
};

use super::{GROUP, NodeError};
use crate::{
    abilities,
    clock::SystemClock,
    config::{Config, RetentionConfig},
    endpoint::{Endpoint, EndpointSettings},
    gossip::{GossipSettings, Member},
    guard::Guard,
    http::HttpSettings,
    identity::Credentials,
};

/// How long a stop waits for clients, and then for attempts: at least the longest grace that is to be honoured.
pub(super) const DRAIN: Duration = Duration::from_secs(5);
/// The same for a node that stops with its whole cluster: reports of attempts find no majority to record them.
pub(super) const DRAIN_WITH_CLUSTER: Duration = Duration::from_secs(1);
/// Bytes of a node's key that name its control groups: enough for the nodes of one machine.
const CGROUP_KEY_BYTES: usize = 8;
/// Slots for each core, where the configuration names no number.
const SLOTS_PER_CORE: u32 = 4;

pub(super) fn endpoint_settings(config: &Config, credentials: Credentials) -> EndpointSettings {
    EndpointSettings {
        bind: config.node.bind,
        credentials,
        idle_timeout: config.transport.idle_timeout,
        client_connections_max: config.limits.client_connections,
        client_streams_max: config.limits.client_streams,
    }
}

pub(super) const fn http_settings(config: &Config) -> HttpSettings {
    HttpSettings { bind: config.http.bind, body_bytes_max: config.http.body_bytes_max }
}

/// What this node says of itself: the bound address where the configuration names none to advertise.
pub(super) fn own_member(config: &Config, endpoint: &Endpoint) -> Result<Member, NodeError> {
    let bound = endpoint.local_addr()?;
    Ok(Member {
        key: endpoint.own().key,
        name: config.node.name.clone(),
        address: config.node.advertise.clone().unwrap_or_else(|| bound.to_string()),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        labels: config.node.labels.clone(),
    })
}

pub(super) fn gossip_settings(config: &Config, own: Member) -> GossipSettings {
    GossipSettings {
        cluster: config.cluster.name.clone(),
        own,
        started_ms: SystemClock.wall_ms(),
        seeds: config.cluster.seeds.clone(),
        interval: config.gossip.interval,
        suspect_after: config.gossip.suspect_after,
    }
}

pub(super) fn group_settings(config: &Config, storage: Arc<Storage>, own: &Member) -> GroupSettings {
    let election = millis(config.raft.election_timeout);
    let tuning = Tuning {
        heartbeat_ms: millis(config.raft.heartbeat),
        election_timeout_ms_min: election,
        election_timeout_ms_max: 2 * election,
        snapshot_log_bytes: config.raft.snapshot_every_bytes,
        ..Tuning::default()
    };
    let (node_key, address) = (own.key.0, own.address.clone());
    GroupSettings { storage, group: GROUP, node_key, address, tuning, defect: Defect::None }
}

pub(super) fn actor_settings(config: &Config, own: &Member, abilities: &Abilities, guard: &Guard) -> ActorSettings {
    let ttl = Millis(millis(config.lease.ttl));
    let lease =
        LeaseTerms { ttl, renewal: Millis(LEASE_RENEWAL.0.min(ttl.0 / 3)), skew: Millis(millis(config.lease.skew)) };
    let retention = retention(&config.retention);
    ActorSettings {
        agent: AgentSettings {
            key: NodeKey(own.key.0),
            name: own.name.clone(),
            capacity: capacity(config),
            labels: own.labels.clone().into_iter().chain(abilities::labels(abilities)).collect(),
            lease,
            disk: guard.level(),
            draw_boot_id: Arc::new(draw_boot_id),
        },
        scheduler: SchedulerSettings { lease, retention, defect: Defect::None },
        voters_expected: usize::try_from(config.cluster.expect).expect("a few nodes"),
        restarts: RestartBudget::default(),
    }
}

fn retention(config: &RetentionConfig) -> Retention {
    Retention {
        jobs_age_max: Millis(millis(config.hot)),
        jobs_max: config.jobs.into(),
        jobs_bytes_max: Bytes(config.jobs_bytes),
        arrays_max: config.arrays.into(),
        tasks_max: config.tasks.into(),
        arrays_bytes_max: Bytes(config.arrays_bytes),
        events_age_max: Millis(millis(config.events)),
        events_bytes_max: Bytes(config.events_bytes),
    }
}

/// By time first, so that boot ids rise; a clock that was set back costs one refusal.
fn draw_boot_id() -> BootId {
    BootId((u128::from(SystemClock.wall_ms()) << 64) | u128::from(rand::random::<u64>()))
}

pub(super) async fn process_agent(
    config: &Config,
    own: &Member,
    warden: WardenCommand,
) -> Result<Arc<ProcessAgent>, NodeError> {
    let beside = config.node.data_dir.parent().unwrap_or(Path::new("."));
    let slots = capacity(config).slots;
    let node: String = own.key.0.iter().take(CGROUP_KEY_BYTES).map(|byte| format!("{byte:02x}")).collect();
    let cgroups = CgroupSettings { parent: config.resources.cgroup.clone(), node };
    let settings = ProcessSettings {
        directories: beside.join("work"),
        attempts_max: 2 * slots.max(1),
        cgroups,
        users: config.resources.run_as.clone().map_or(Users::AnyButRoot, Users::Listed),
        settle_max: SETTLE_MAX,
    };
    let agent = ProcessAgent::start(warden, settings).await;
    Ok(Arc::new(agent.map_err(|error| NodeError::Actors { reason: error.to_string() })?))
}

/// The guard of the data's disks, which has looked once: a disk that is full to the brim has room to open what is there.
pub(super) async fn guard(config: &Config) -> Guard {
    let (data_dir, disk) = (config.node.data_dir.clone(), config.disk.clone());
    tokio::task::spawn_blocking(move || Guard::start(data_dir, &disk)).await.expect("a look at the disk does not panic")
}

/// The output that is kept here, as an earlier process left it.
pub(super) async fn output_store(config: &Config) -> Result<Arc<OutputStore>, NodeError> {
    let directory = config.node.data_dir.join("output");
    let bounds = Bounds {
        job_bytes_max: config.limits.output_per_job_bytes,
        node_bytes_max: config.limits.output_per_node_bytes,
        age_max: Millis(millis(config.retention.logs)),
    };
    let open = move || OutputStore::open(&directory, bounds, Arc::new(SystemClock));
    let opened = tokio::task::spawn_blocking(open).await.expect("opening a directory does not panic");
    opened.map(Arc::new).map_err(|source| NodeError::Output { source })
}

/// What jobs may reserve here: as configured, or as the machine has it.
fn capacity(config: &Config) -> Resources {
    let cores = std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX));
    let slots_max = u32::try_from(NODE_SLOTS_MAX).expect("a node's slots fit");
    Resources {
        cpu: MilliCpu(config.resources.cpu_milli.unwrap_or_else(|| 1_000 * u64::from(cores))),
        memory: Bytes(config.resources.memory_bytes.unwrap_or_else(memory_to_give)),
        slots: config.resources.slots.unwrap_or_else(|| cores.saturating_mul(SLOTS_PER_CORE)).min(slots_max),
    }
}

/// Three quarters of the machine's memory.
fn memory_to_give() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kibibytes = total.and_then(|total| total.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kibibytes.unwrap_or(0).saturating_mul(1_024) / 4 * 3
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
