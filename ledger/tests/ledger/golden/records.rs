//! Every stored record kind in its version envelope, each enum inside it in every variant.

use std::collections::BTreeMap;

use quorla_ledger::{
    disk::DiskLevel,
    event::{Event, EventPage},
    ids::{BootId, ChainHash, ClusterId, Epoch, Fence, JobId, NodeId, NodeKey, Principal, RaftId, StorageId},
    outcome::{AttemptEnd, Deadline, Exit, Failure, StartFailure, StopCause, Tail, Tails, Usage},
    record::{
        AttemptRecord, ClusterRecord, Course, Drain, JobRecord, JobState, MetaRecord, NodeRecord, Pause, Placed,
        QueueRecord, RequestRecord, StorageRecord, Stored,
    },
    reply::Reply,
    spec::{Backoff, RetryPolicy, Timeouts},
    units::{Bytes, Millis},
};

use super::{
    Golden,
    commands::{job, rich_resources, rich_spec},
};

pub(super) const PLACED: Placed =
    Placed { fence: Fence(0x0001_0000_0000_0002), node: NodeId(3), epoch: Epoch(4), at: Millis(5) };

fn golden() -> Golden {
    Golden::read("records_v1.hex", include_str!("records_v1.hex"))
}

#[test]
fn records_keep_their_bytes() {
    let mut golden = golden();
    golden.check("Meta", &Stored::V1(meta()));
    golden.check(
        "Cluster",
        &Stored::V1(ClusterRecord { cluster: ClusterId(1), ca_certificate: vec![0x30], founded_at: Millis(2) }),
    );
    golden.check("Node", &Stored::V1(node()));
    golden.check(
        "Storage",
        &Stored::V1(StorageRecord { storage: StorageId(1), node: NodeKey([2; 32]), raft: RaftId(300) }),
    );
    golden.check("Queue", &Stored::V1(QueueRecord { name: "queue".into(), pause: pause() }));
    golden.check("Spec", &Stored::V1(rich_spec()));
    let mut fixed = rich_spec();
    fixed.retry.backoff = Backoff::Fixed(Millis(7));
    (fixed.working_dir, fixed.not_before) = (None, None);
    golden.check("SpecFixed", &Stored::V1(fixed));
    golden.check(
        "Tails",
        &Stored::V1(Tails {
            stdout: Tail { bytes: vec![0, 255], dropped: Bytes(300) },
            stderr: Tail { bytes: vec![], dropped: Bytes(0) },
        }),
    );
    golden.check("Key", &Stored::V1(job()));
    for (name, reply) in [
        ("RequestSubmitted", Reply::Submitted { job: job() }),
        ("RequestCancelled", Reply::Cancelled),
        ("RequestDrained", Reply::NodeDrained),
    ] {
        let key = matches!(reply, Reply::Cancelled).then_some([7; 16]);
        let record = RequestRecord { principal: Principal([5; 32]), digest: [6; 16], key, reply };
        golden.check(name, &Stored::V1(record));
    }
    let exit = Exit::OutputFailed { message: "no".into() };
    let usage = Usage { wall: Millis(1), user: Millis(2), system: Millis(3), rss_max: Bytes(4) };
    let course = Course::Ended { at: Millis(6), end: AttemptEnd { exit, usage }, stopped: None };
    golden.check("AttemptOutputFailed", &Stored::V1(AttemptRecord { number: 1, placed: PLACED, course }));
    golden.check("EventPage", &Stored::V1(EventPage { first: 300, at: Millis(9), events: events() }));
    for state in states() {
        golden.check(state_name(&state), &Stored::V1(job_record(state)));
    }
    golden.finish();
}

fn meta() -> MetaRecord {
    MetaRecord {
        clock: Millis(1_700_000_000_000),
        index: 2,
        generation: 3,
        fence_sequence: 4,
        order: 5,
        epoch: 6,
        node: 7,
        storages: 8,
        event_next: 9,
        event_first: 10,
        event_bytes: Bytes(11),
        request_horizon: Some(JobId(12)),
        requests: 13,
        live_bytes: Bytes(14),
        ended_jobs: 15,
        ended_bytes: Bytes(16),
        ended_arrays: 20,
        ended_tasks: 21,
        ended_array_bytes: Bytes(22),
        kept_link: (17, ChainHash([18; 32])),
        chain: ChainHash([19; 32]),
    }
}

fn node() -> NodeRecord {
    NodeRecord {
        id: NodeId(1),
        key: NodeKey([2; 32]),
        name: "node".into(),
        capacity: rich_resources(),
        labels: BTreeMap::from([("zone".into(), "eu".into())]),
        epoch: Epoch(3),
        boot: BootId(4),
        up: true,
        drain: Some(Drain { since: Millis(6), until: Some(Millis(7)), reason: Some("new disks".into()), leaves: true }),
        retiring: false,
        command_version: 1,
        registered_at: Millis(5),
        disk: DiskLevel::Low,
        operator_labels: BTreeMap::from([("rack".into(), "7".into())]),
    }
}

fn job_record(state: JobState) -> JobRecord {
    JobRecord {
        id: job(),
        principal: Principal([1; 32]),
        name: "name".into(),
        queue: "queue".into(),
        priority: 50,
        order: 300,
        demand: rich_spec().demand,
        retry: RetryPolicy {
            attempts_max: 3,
            backoff: Backoff::Fixed(Millis(1)),
            jitter_percent: 0,
            exit_codes: vec![],
        },
        timeouts: Timeouts { queue: None, attempt: Some(Millis(2)), job: None },
        seed: 4,
        submitted_at: Millis(5),
        first_event: 13,
        retry_of: Some(JobId(6)),
        state,
        attempts: attempts(),
        attempts_made: 7,
        failures: 8,
        losses: 9,
        overtaken: 10,
        reserved: Some(NodeId(11)),
        cancel_reason: Some("why".into()),
        kept_bytes: Bytes(12),
        paused: Some(pause()),
    }
}

pub(super) fn pause() -> Pause {
    Pause { by: Principal([14; 32]), since: Millis(15), reason: Some("why".into()) }
}

pub(super) fn attempts() -> Vec<AttemptRecord> {
    let start = |cause| Exit::NotStarted { cause, message: "no".into() };
    let exits = [
        Exit::Code(7),
        Exit::Signal(9),
        start(StartFailure::NotFound),
        start(StartFailure::NotExecutable),
        start(StartFailure::WorkingDir),
        start(StartFailure::Machine),
        Exit::GivenUp,
        start(StartFailure::Limit),
        start(StartFailure::User),
        Exit::OutOfMemory,
    ];
    let usage = Usage { wall: Millis(1), user: Millis(2), system: Millis(3), rss_max: Bytes(4) };
    let ended = exits.map(|exit| Course::Ended { at: Millis(6), end: AttemptEnd { exit, usage }, stopped: None });
    let causes = [StopCause::Cancel, StopCause::AttemptTimeout, StopCause::JobTimeout, StopCause::Drain];
    let end = AttemptEnd { exit: Exit::Code(0), usage };
    let stopped = causes.map(|cause| Course::Ended { at: Millis(6), end: end.clone(), stopped: Some(cause) });
    let courses = ended.into_iter().chain(stopped).chain([Course::Lost { at: Millis(7) }, Course::Open]);
    (1..).zip(courses).map(|(number, course)| AttemptRecord { number, placed: PLACED, course }).collect()
}

fn states() -> Vec<JobState> {
    let at = Millis(9);
    vec![
        JobState::Delayed { until: at },
        JobState::Queued { since: at },
        JobState::Running(PLACED),
        JobState::Stopping { placed: PLACED, cause: StopCause::Cancel, since: at },
        JobState::BackingOff { until: at },
        JobState::Succeeded { at },
        JobState::Failed { at, failure: Failure::Attempt(Exit::Code(1)) },
        JobState::Failed { at, failure: Failure::LostTooOften },
        JobState::Failed { at, failure: Failure::Tasks { failed: 2 } },
        JobState::Cancelled { at },
        JobState::DeadlineExceeded { at, deadline: Deadline::Queue },
        JobState::DeadlineExceeded { at, deadline: Deadline::Attempt },
        JobState::DeadlineExceeded { at, deadline: Deadline::Job },
    ]
}

/// Adding a state breaks this match: give it a value above and a line in the file.
const fn state_name(state: &JobState) -> &'static str {
    match state {
        JobState::Delayed { .. } => "JobDelayed",
        JobState::Queued { .. } => "JobQueued",
        JobState::Running(_) => "JobRunning",
        JobState::Stopping { .. } => "JobStopping",
        JobState::BackingOff { .. } => "JobBackingOff",
        JobState::Succeeded { .. } => "JobSucceeded",
        JobState::Failed { failure: Failure::Attempt(_), .. } => "JobFailed",
        JobState::Failed { failure: Failure::LostTooOften, .. } => "JobFailedByLosses",
        JobState::Failed { failure: Failure::Tasks { .. }, .. } => "JobFailedByTasks",
        JobState::Cancelled { .. } => "JobCancelled",
        JobState::DeadlineExceeded { deadline: Deadline::Queue, .. } => "JobQueueDeadline",
        JobState::DeadlineExceeded { deadline: Deadline::Attempt, .. } => "JobAttemptDeadline",
        JobState::DeadlineExceeded { deadline: Deadline::Job, .. } => "JobDeadline",
    }
}

fn events() -> Vec<Event> {
    let (job, node, epoch, fence) = (JobId(1), NodeId(2), Epoch(3), Fence(4));
    let every = vec![
        Event::JobSubmitted(job),
        Event::JobQueued(job),
        Event::AttemptAssigned { job, fence, node },
        Event::AttemptStopping { job, fence, cause: StopCause::JobTimeout },
        Event::AttemptEnded { job, fence },
        Event::AttemptLost { job, fence },
        Event::JobBackedOff { job, until: Millis(5) },
        Event::NodeReserved { job, node },
        Event::JobEnded(job),
        Event::NodeRegistered { node, epoch },
        Event::NodeLapsed { node, epoch },
        Event::NodeDrained { node, draining: true },
        Event::TasksClosed { array: job, tasks: 300, deadline: Some(Deadline::Job) },
        Event::JobPaused { job, paused: true },
        Event::QueuePaused { queue: "queue".into(), paused: false },
        Event::NodeGuarded { node, level: DiskLevel::Critical },
        Event::NodeLabelled(node),
        Event::NodeRemoved(node),
    ];
    every.iter().for_each(known);
    every
}

/// Adding an event breaks this match: give it a value above.
const fn known(event: &Event) {
    match event {
        Event::JobSubmitted(_) | Event::JobQueued(_) | Event::JobEnded(_) => {}
        Event::AttemptAssigned { .. } | Event::AttemptStopping { .. } => {}
        Event::AttemptEnded { .. } | Event::AttemptLost { .. } => {}
        Event::JobBackedOff { .. } | Event::NodeReserved { .. } => {}
        Event::NodeRegistered { .. } | Event::NodeLapsed { .. } | Event::NodeDrained { .. } => {}
        Event::TasksClosed { .. }
        | Event::JobPaused { .. }
        | Event::QueuePaused { .. }
        | Event::NodeGuarded { .. }
        | Event::NodeLabelled(_)
        | Event::NodeRemoved(_) => {}
    }
}
