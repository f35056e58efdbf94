//! The client's check of a job accepts and refuses what the ledger's does, so that what is submitted from a file is
//! submitted whole or not at all.

use std::collections::BTreeMap;

use quorla_client::{Backoff, Constraint, ErrorCode, JobId, JobRequest, LabelRule, limits};
use quorla_ledger::command::{Command, Request, Submit};
use quorla_ledger::ids::{self, Principal};
use quorla_ledger::ledger::check_stateless;
use quorla_ledger::limits::Limit;
use quorla_node::dispatch::{convert, refuse};

/// A change to a job that is acceptable without it.
type Change = Box<dyn Fn(&mut JobRequest)>;

fn with(change: impl Fn(&mut JobRequest) + 'static) -> Change {
    Box::new(change)
}

/// Both sides give the same verdict, with the same code; gives it.
fn verdict(what: &str, change: &Change) -> Option<ErrorCode> {
    let mut job = JobRequest::new(["true"]);
    change(&mut job);
    let of_client = job.check().err().map(|refusal| refusal.code);
    let request = Request {
        principal: Principal([0; 32]),
        id: ids::JobId(JobId::from_parts(1, 1).as_u128()),
        key: job.idempotency_key.take(),
    };
    let command = Command::Submit(Submit { request, spec: convert::spec(job), seed: 0 });
    let of_ledger = check_stateless(&command).err().map(|refusal| refuse::refused(what, &refusal));
    assert_eq!(of_client, of_ledger.as_ref().map(|refusal| refusal.code), "{what}: the ledger says {of_ledger:?}");
    of_client
}

/// The bound itself is accepted, one more is refused.
fn check_bound(what: &str, bound: impl TryInto<usize>, change: fn(&mut JobRequest, usize)) {
    let bound: usize = bound.try_into().unwrap_or_else(|_| panic!("{what} fits"));
    assert_eq!(verdict(what, &with(move |job| change(job, bound))), None, "{what} at its bound");
    let beyond = verdict(what, &with(move |job| change(job, bound + 1)));
    assert_eq!(beyond, Some(ErrorCode::LimitExceeded), "{what} beyond its bound");
}

fn text(bytes: usize) -> String {
    "x".repeat(bytes)
}

fn many(count: usize) -> BTreeMap<String, String> {
    (0..count).map(|number| (format!("k{number}"), String::new())).collect()
}

fn constraint(label: impl Into<String>, rule: LabelRule) -> Constraint {
    Constraint { label: label.into(), rule }
}

fn narrow<N: TryFrom<usize>>(number: usize) -> N {
    N::try_from(number).unwrap_or_else(|_| panic!("{number} fits"))
}

#[test]
fn sizes_are_bounded_alike() {
    check_bound("name", limits::NAME_BYTES_MAX, |job, n| job.name = Some(text(n)));
    check_bound("queue", limits::QUEUE_BYTES_MAX, |job, n| job.queue = text(n));
    check_bound("words", limits::COMMAND_WORDS_MAX, |job, n| job.command = vec!["x".into(); n]);
    check_bound("one word", limits::COMMAND_BYTES_MAX, |job, n| job.command = vec![text(n - 1)]);
    check_bound("two words", limits::COMMAND_BYTES_MAX, |job, n| job.command = vec!["x".into(), text(n - 3)]);
    check_bound("variables", limits::ENV_COUNT_MAX, |job, n| job.env = many(n));
    check_bound("environment", limits::ENV_BYTES_MAX, |job, n| drop(job.env.insert("K".into(), text(n - 3))));
    check_bound("directory", limits::WORKING_DIRECTORY_BYTES_MAX, |job, n| {
        job.working_directory = Some(format!("/{}", text(n - 1)));
    });
    check_bound("stdin", limits::STDIN_BYTES_MAX, |job, n| job.stdin = vec![0; n].into());
    check_bound("labels", limits::LABELS_MAX, |job, n| job.labels = many(n));
    check_bound("label name", limits::LABEL_NAME_BYTES_MAX, |job, n| drop(job.labels.insert(text(n), String::new())));
    check_bound("label value", limits::LABEL_VALUE_BYTES_MAX, |job, n| drop(job.labels.insert("k".into(), text(n))));
    check_bound("key", limits::IDEMPOTENCY_KEY_BYTES_MAX, |job, n| job.idempotency_key = Some(text(n)));
}

#[test]
fn constraints_are_bounded_alike() {
    check_bound("constraints", limits::CONSTRAINTS_MAX, |job, n| {
        job.constraints = vec![constraint("k", LabelRule::Exists); n];
    });
    check_bound("values", limits::CONSTRAINT_VALUES_MAX, |job, n| {
        job.constraints = vec![constraint("k", LabelRule::In(vec!["x".into(); n]))];
    });
    check_bound("constraint value", limits::LABEL_VALUE_BYTES_MAX, |job, n| {
        job.constraints = vec![constraint("k", LabelRule::NotEquals(text(n)))];
    });
    check_bound("constraint label", limits::LABEL_NAME_BYTES_MAX, |job, n| {
        job.constraints = vec![constraint(text(n), LabelRule::Exists)];
    });
    check_bound("constraint bytes", limits::CONSTRAINT_BYTES_MAX, |job, n| {
        let values = (0..16).map(|part| text(if part == 0 { n - 16 - 15 * 255 } else { 255 }));
        job.constraints = values.map(|value| constraint("k", LabelRule::Equals(value))).collect();
    });
}

#[test]
fn numbers_are_bounded_alike() {
    check_bound("priority", limits::PRIORITY_MAX, |job, n| job.priority = narrow(n));
    check_bound("slots", limits::SLOTS_MAX, |job, n| job.resources.slots = narrow(n));
    check_bound("attempts", limits::ATTEMPTS_MAX, |job, n| job.retry.attempts_max = narrow(n));
    check_bound("jitter", limits::JITTER_PERCENT_MAX, |job, n| job.retry.jitter_percent = narrow(n));
    check_bound("codes", limits::RETRYABLE_EXIT_CODES_MAX, |job, n| job.retry.retryable_exit_codes = vec![1; n]);
    check_bound("tail", limits::OUTPUT_TAIL_BYTES_MAX, |job, n| job.output_tail_bytes = narrow(n));
    check_bound("grace", limits::SPAN_MS_MAX, |job, n| job.kill_grace_ms = narrow(n));
    check_bound("fixed", limits::SPAN_MS_MAX, |job, n| job.retry.backoff = Backoff::Fixed { delay_ms: narrow(n) });
    check_bound("base", limits::SPAN_MS_MAX, |job, n| {
        job.retry.backoff = Backoff::Exponential { base_ms: narrow(n), delay_ms_max: 1 };
    });
    check_bound("longest", limits::SPAN_MS_MAX, |job, n| {
        job.retry.backoff = Backoff::Exponential { base_ms: 1, delay_ms_max: narrow(n) };
    });
    check_bound("queue timeout", limits::SPAN_MS_MAX, |job, n| job.timeouts.queue_ms = Some(narrow(n)));
    check_bound("attempt timeout", limits::SPAN_MS_MAX, |job, n| job.timeouts.attempt_ms = Some(narrow(n)));
    check_bound("job timeout", limits::SPAN_MS_MAX, |job, n| job.timeouts.job_ms = Some(narrow(n)));
}

#[test]
fn what_can_never_be_is_refused_alike() {
    let rows: Vec<(&str, Change)> = vec![
        ("no command", with(|job| job.command.clear())),
        ("an empty program", with(|job| job.command = vec![String::new()])),
        ("a NUL in the command", with(|job| job.command.push("a\0".into()))),
        ("no slots", with(|job| job.resources.slots = 0)),
        ("no attempts", with(|job| job.retry.attempts_max = 0)),
        ("a relative directory", with(|job| job.working_directory = Some("here".into()))),
        ("a NUL in the directory", with(|job| job.working_directory = Some("/a\0".into()))),
        ("a reserved variable", with(|job| drop(job.env.insert("QUORLA_FENCE".into(), "1".into())))),
        ("a reserved prefix", with(|job| drop(job.env.insert("QUORLAX".into(), "1".into())))),
        ("a NUL in a variable", with(|job| drop(job.env.insert("K".into(), "\0".into())))),
        ("a NUL in a label", with(|job| drop(job.labels.insert("k".into(), "\0".into())))),
    ];
    for (what, change) in rows {
        assert_eq!(verdict(what, &change), Some(ErrorCode::InvalidRequest), "{what}");
    }
    for key in ["", "=", "a=b", "a\0b"] {
        let invalid = Some(ErrorCode::InvalidRequest);
        assert_eq!(verdict(key, &with(move |job| drop(job.env.insert(key.into(), String::new())))), invalid);
        assert_eq!(verdict(key, &with(move |job| drop(job.labels.insert(key.into(), String::new())))), invalid);
        let unusable = with(move |job| job.constraints = vec![constraint(key, LabelRule::Exists)]);
        assert_eq!(verdict(key, &unusable), invalid);
    }
}

#[test]
fn names_are_made_of_the_same_characters() {
    let named =
        (0..=0x2ff_u32).filter_map(char::from_u32).chain(['\u{3b1}', '\u{4e2d}', '\u{1f600}', '\u{a0}', '\u{2028}']);
    for c in named {
        let what = format!("{c:?} in a name");
        let of_name = verdict(&what, &with(move |job| job.name = Some(c.into())));
        assert_eq!(of_name, verdict(&what, &with(move |job| job.queue = c.into())), "{what}");
    }
    assert_eq!(verdict("no name", &with(|job| job.name = Some(String::new()))), Some(ErrorCode::InvalidRequest));
    assert_eq!(verdict("no queue", &with(|job| job.queue.clear())), Some(ErrorCode::InvalidRequest));
}

#[test]
fn bounds_of_a_cancellation_are_the_same() {
    let max = |limit: Limit| usize::try_from(limit.max()).unwrap();
    assert_eq!(limits::REASON_BYTES_MAX, max(Limit::ReasonBytes));
    assert_eq!(limits::IDEMPOTENCY_KEY_BYTES_MAX, max(Limit::IdempotencyKeyBytes));
}
