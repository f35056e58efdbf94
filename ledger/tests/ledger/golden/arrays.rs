//! The records of arrays in their version envelope, each enum inside them in every variant.

use quorla_ledger::{
    array::{
        ArrayProgress, ArrayRecord, ArrayState, Closed, ExpiryStep, TaskCounts, TaskPage, TaskRecord, UploadRecord,
    },
    ids::{JobId, NodeId, Principal},
    outcome::Deadline,
    record::{JobState, Stored},
    spec::{Backoff, RetryPolicy, Timeouts},
    units::{Bytes, Millis},
};

use super::{
    Golden,
    commands::{job, rich_spec},
    records::{PLACED, attempts, pause},
};

fn record() -> ArrayRecord {
    ArrayRecord {
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
        first_event: 6,
        retry_of: Some(JobId(7)),
        first: 8,
        last: 300,
        tasks: 9,
        running_max: Some(10),
        items_of: Some(JobId(11)),
        item_bytes_max: 12,
    }
}

fn progress(state: ArrayState) -> ArrayProgress {
    ArrayProgress {
        id: job(),
        state,
        next: 300,
        holed: true,
        counts: TaskCounts {
            waiting: 1,
            queued: 2,
            running: 3,
            stopping: 4,
            backing_off: 5,
            succeeded: 6,
            failed: 7,
            cancelled: 8,
            deadline_exceeded: 9,
        },
        closed: Some(Closed { at: Millis(10), deadline: Some(Deadline::Queue) }),
        cancelled: true,
        stop_from: Some(11),
        cancel_reason: Some("why".into()),
        overtaken: 12,
        reserved: Some(NodeId(13)),
        kept_bytes: Bytes(14),
        tail_bytes: Bytes(15),
        borrowers: 16,
        paused: Some(pause()),
    }
}

/// Adding a state breaks this match: give it a value below and a line in the file.
const fn name(state: ArrayState) -> &'static str {
    match state {
        ArrayState::Delayed { .. } => "ProgressDelayed",
        ArrayState::Open { .. } => "ProgressOpen",
        ArrayState::Ended { .. } => "ProgressEnded",
        ArrayState::Expiring { step: ExpiryStep::Tasks(_), .. } => "ProgressExpiringTasks",
        ArrayState::Expiring { step: ExpiryStep::Items(_), .. } => "ProgressExpiringItems",
        ArrayState::Expiring { step: ExpiryStep::Rest, .. } => "ProgressExpiringRest",
    }
}

#[test]
fn records_of_arrays_keep_their_bytes() {
    let mut golden = Golden::read("arrays_v1.hex", include_str!("arrays_v1.hex"));
    golden.check("Array", &Stored::V1(record()));
    let at = Millis(9);
    for state in [
        ArrayState::Delayed { until: at },
        ArrayState::Open { since: at },
        ArrayState::Ended { at },
        ArrayState::Expiring { at, step: ExpiryStep::Tasks(300) },
        ArrayState::Expiring { at, step: ExpiryStep::Items(2) },
        ArrayState::Expiring { at, step: ExpiryStep::Rest },
    ] {
        golden.check(name(state), &Stored::V1(progress(state)));
    }
    golden.check(
        "Task",
        &Stored::V1(TaskRecord {
            state: JobState::Running(PLACED),
            first_event: 300,
            attempts: attempts(),
            attempts_made: 1,
            failures: 2,
            losses: 3,
            cancel_reason: Some("why".into()),
            kept_bytes: Bytes(4),
        }),
    );
    let mut page = TaskPage::default();
    page.mark(9);
    golden.check("Page", &Stored::V1(page));
    golden.check("Items", &Stored::V1(vec!["one".to_owned(), String::new()]));
    golden.check(
        "Upload",
        &Stored::V1(UploadRecord {
            id: job(),
            principal: Principal([1; 32]),
            items: 300,
            bytes: Bytes(2),
            item_bytes_max: 3,
            digest: [4; 16],
            latest: (5, [6; 16]),
            touched_at: Millis(7),
            expiring: true,
        }),
    );
    golden.finish();
}
