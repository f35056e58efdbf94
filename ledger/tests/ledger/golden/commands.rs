//! Every command of version 1, with its version byte, and the layout of a batch.

use std::collections::{BTreeMap, BTreeSet};

use quorla_ledger::{
    batch::{Batch, BatchBuilder},
    codec::{self, Decoded},
    command::{
        AdmitStorage, Assign, Command, DrainNode, DrainOrder, EndAttempt, FoundCluster, LabelNode, PutItems,
        RegisterNode, Request, Submit, SubmitArray, Tasks,
    },
    disk::DiskLevel,
    ids::{BootId, ChainHash, ClusterId, Epoch, Fence, JobId, NodeId, NodeKey, Principal, StorageId},
    outcome::{AttemptEnd, Exit, StartFailure, Tail, Tails, Usage},
    spec::{Backoff, Constraint, Demand, JobSpec, Kill, LabelTest, Limits, Resources, RetryPolicy, Timeouts},
    units::{Bytes, MilliCpu, Millis},
};

use super::{ADVICE, Golden};

/// Adding a command breaks this match: give it a name, a value below, and a line in the file.
fn name(command: &Command) -> &'static str {
    match command {
        Command::FoundCluster(_) => "FoundCluster",
        Command::AdmitStorage(_) => "AdmitStorage",
        Command::RegisterNode(_) => "RegisterNode",
        Command::LapseNode { .. } => "LapseNode",
        Command::DrainNode(DrainNode { drain: Some(_), .. }) => "DrainNode",
        Command::DrainNode(_) => "UndrainNode",
        Command::Submit(_) => "Submit",
        Command::Retry { .. } => "Retry",
        Command::Cancel { .. } => "Cancel",
        Command::Assign(_) => "Assign",
        Command::EndAttempt(_) => "EndAttempt",
        Command::FireTimers { .. } => "FireTimers",
        Command::ExpireJobs { .. } => "ExpireJobs",
        Command::ExpireRequests { .. } => "ExpireRequests",
        Command::ExpireEvents { .. } => "ExpireEvents",
        Command::AssertHash { .. } => "AssertHash",
        Command::MarkContentHash => "MarkContentHash",
        Command::RetireNode { .. } => "RetireNode",
        Command::SubmitArray(SubmitArray { tasks: Tasks::Range { .. }, .. }) => "SubmitArray",
        Command::SubmitArray(_) => "SubmitArrayOfItems",
        Command::PutItems(_) => "PutItems",
        Command::StopTasks { .. } => "StopTasks",
        Command::ExpireArray { .. } => "ExpireArray",
        Command::ExpireUpload { .. } => "ExpireUpload",
        Command::PauseJob { .. } => "PauseJob",
        Command::PauseQueue { .. } => "PauseQueue",
        Command::GuardNode { .. } => "GuardNode",
        Command::StopDrained { .. } => "StopDrained",
        Command::LabelNode(_) => "LabelNode",
        Command::RemoveNode { .. } => "RemoveNode",
    }
}

pub(super) fn rich_spec() -> JobSpec {
    let text = |text: &str| text.to_owned();
    let constraint = |label: &str, test| Constraint { label: text(label), test };
    JobSpec {
        name: text("name"),
        queue: text("queue"),
        priority: 77,
        command: vec![text("sh"), text("-c"), text("exit 7")],
        env: BTreeMap::from([(text("A"), text("1")), (text("B"), text(""))]),
        working_dir: Some(text("/tmp")),
        stdin: vec![0, 255, 1],
        demand: Demand {
            resources: rich_resources(),
            constraints: vec![
                constraint("is", LabelTest::Is(text("a"))),
                constraint("not", LabelTest::IsNot(text("b"))),
                constraint("in", LabelTest::In(vec![text("c"), text("d")])),
                constraint("exists", LabelTest::Exists),
            ],
        },
        limits: Limits {
            cpu: Some(MilliCpu(1_500)),
            memory: Some(Bytes(1 << 30)),
            processes: Some(64),
            open_files: Some(256),
            file: Some(Bytes(1 << 20)),
            core: Some(Bytes(0)),
        },
        run_as: Some(text("web")),
        retry: RetryPolicy {
            attempts_max: 5,
            backoff: Backoff::Exponential { base: Millis(100), max: Millis(60_000) },
            jitter_percent: 20,
            exit_codes: vec![1, 255],
        },
        timeouts: Timeouts { queue: Some(Millis(1)), attempt: None, job: Some(Millis(300_000)) },
        not_before: Some(Millis(1_700_000_000_000)),
        kill: Kill { signal: 15, grace: Millis(5_000) },
        output_tail_max: Bytes(8_192),
        labels: BTreeMap::from([(text("team"), text("x"))]),
    }
}

pub(super) fn rich_resources() -> Resources {
    Resources { cpu: MilliCpu(1_500), memory: Bytes(1 << 33), slots: 2 }
}

pub(super) fn job() -> JobId {
    JobId::new(Millis(1_700_000_000_000), 0x0123_4567_89ab_cdef_0123)
}

fn request(key: Option<&str>) -> Request {
    Request { principal: Principal([0xaa; 32]), id: job(), key: key.map(Into::into) }
}

fn every() -> Vec<Command> {
    let end = AttemptEnd {
        exit: Exit::NotStarted { cause: StartFailure::WorkingDir, message: "no".into() },
        usage: Usage { wall: Millis(1), user: Millis(2), system: Millis(3), rss_max: Bytes(4) },
    };
    let tails = Tails { stdout: Tail { bytes: b"out".to_vec(), dropped: Bytes(300) }, stderr: Tail::default() };
    vec![
        Command::FoundCluster(FoundCluster {
            cluster: ClusterId(1 << 100),
            ca_certificate: vec![0x30, 0x82],
            node: NodeKey([1; 32]),
            storage: StorageId(2),
        }),
        Command::AdmitStorage(AdmitStorage { node: NodeKey([2; 32]), storage: StorageId(u128::MAX) }),
        Command::RegisterNode(RegisterNode {
            key: NodeKey([3; 32]),
            name: "node-3".into(),
            capacity: rich_resources(),
            labels: BTreeMap::from([("zone".into(), "eu".into())]),
            boot: BootId(9),
            command_version: 1,
        }),
        Command::LapseNode { node: NodeId(3), epoch: Epoch(300) },
        Command::DrainNode(DrainNode { request: request(None), node: NodeId(3), drain: Some(order()) }),
        Command::DrainNode(DrainNode { request: request(None), node: NodeId(3), drain: None }),
        Command::Submit(Submit { request: request(Some("key")), spec: rich_spec(), seed: u64::MAX }),
        Command::Retry { request: request(None), job: JobId(7), seed: 8 },
        Command::Cancel { request: request(None), job: job(), reason: Some("why".into()) },
        Command::Assign(Assign { job: job(), node: NodeId(3), epoch: Epoch(300) }),
        Command::EndAttempt(EndAttempt { job: job(), fence: Fence::new(1, 2), end, tails, refill: true }),
        Command::FireTimers { upto: Millis(1_700_000_000_000), max: 240 },
        Command::ExpireJobs { jobs: vec![job(), JobId(1)] },
        Command::ExpireRequests { requests: vec![job()] },
        Command::ExpireEvents { pages: vec![0, 300] },
        Command::AssertHash { index: 512, hash: ChainHash([4; 32]) },
        Command::MarkContentHash,
        Command::RetireNode { node: NodeId(3), epoch: Epoch(300) },
        Command::SubmitArray(array(Tasks::Range { first: 5, last: 300 }, Some(9))),
        Command::SubmitArray(array(Tasks::Items { count: 300, digest: [6; 16] }, None)),
        Command::PutItems(PutItems {
            principal: Principal([7; 32]),
            upload: job(),
            first: 256,
            items: vec!["one".into(), String::new()],
        }),
        Command::StopTasks { array: job() },
        Command::ExpireArray { array: job() },
        Command::ExpireUpload { upload: job() },
        Command::PauseJob { request: request(None), job: JobId(7), paused: true, reason: Some("why".into()) },
        Command::PauseQueue { request: request(Some("key")), queue: "queue".into(), paused: false, reason: None },
        Command::GuardNode { node: NodeId(3), epoch: Epoch(300), level: DiskLevel::Low },
        Command::StopDrained { node: NodeId(3) },
        Command::LabelNode(LabelNode {
            request: request(None),
            node: NodeId(3),
            set: BTreeMap::from([("zone".into(), "eu".into())]),
            remove: BTreeSet::from(["rack".into()]),
        }),
        Command::RemoveNode { node: NodeId(3) },
    ]
}

fn order() -> DrainOrder {
    DrainOrder { deadline: Some(Millis(600_000)), reason: Some("new disks".into()), leaves: true }
}

fn array(tasks: Tasks, running_max: Option<u32>) -> SubmitArray {
    SubmitArray { request: request(None), spec: rich_spec(), tasks, running_max, seed: 4 }
}

#[test]
fn commands_keep_their_bytes() {
    let mut golden = Golden::read("commands_v1.hex", include_str!("commands_v1.hex"));
    for command in every() {
        let name = name(&command);
        let bytes = golden.lines.get(name).cloned();
        golden.check_bytes(name, &codec::encode_command(&command));
        let Some(bytes) = bytes else { continue };
        assert_eq!(codec::decode_command(&bytes), Decoded::Command(Box::new(command)), "{name}: {ADVICE}");
    }
    golden.finish();
}

#[test]
fn a_batch_keeps_its_layout() {
    let mut builder = BatchBuilder::default();
    builder.push(&[1, 15]);
    builder.push(&[]);
    let payload = builder.seal(Millis(0x0102_0304_0506_0708));
    let mut golden = Golden::read("batch_v1.hex", include_str!("batch_v1.hex"));
    golden.check_bytes("two_commands", &payload);
    golden.finish();
    let batch = Batch::parse(&payload).unwrap();
    assert_eq!(batch.time(), Millis(0x0102_0304_0506_0708));
    assert_eq!(batch.commands().collect::<Vec<_>>(), [[1, 15].as_slice(), &[]]);
}
