//! The bytes of the client plane, version 1: a client of one release speaks with servers of the next. A line that differs
//! here is answered with a new variant at the end of its list, never with new bytes for an old one.
//!
//! Each line of a file is a name, the bytes, and the value as JSON.

use std::fmt::Debug;

use quorla_client::codec::{decode_body, encode_body};
use quorla_client::{
    AttemptOutcome, ErrorBody, ErrorCode, GapReason, JobState, JobTimeout, KillSignal, ListOrder, NodeDisk, NodeRole,
    NodeState, OutputStream, RejectionReason, Reply, Request, Response, ScarceResource, TaskSet,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

const REQUESTS: &str = include_str!("golden/requests_v1.txt");
const REPLIES: &str = include_str!("golden/replies_v1.txt");
const WORDS: &str = include_str!("golden/words_v1.txt");

/// Checks one line; gives it as this build would write it where it differs.
fn check<T: Serialize + DeserializeOwned + PartialEq + Debug>(line: &str) -> Option<String> {
    let (name, rest) = line.split_once(' ').expect("a line begins with a name");
    let (expected, json) = rest.split_once(' ').expect("bytes and a value follow");
    let value: T = serde_json::from_str(json).unwrap_or_else(|error| panic!("{name}: {error}"));
    let bytes = encode_body(&value).unwrap();
    assert_eq!(decode_body::<T>(&bytes).unwrap(), value, "{name}");
    let found: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    (found != expected).then(|| format!("{name} {found} {json}"))
}

/// How many variants a list has, as its decoder says to a variant that there is not.
fn variants<T: DeserializeOwned + Debug>() -> usize {
    let refused = decode_body::<T>(&[250; 64]).unwrap_err().to_string();
    let (_, count) = refused.rsplit_once("< ").unwrap_or_else(|| panic!("{refused}"));
    let digits = count.trim_end_matches(|end: char| !end.is_ascii_digit());
    digits.parse().unwrap_or_else(|_| panic!("{refused}"))
}

fn same(differing: &[String]) {
    assert!(differing.is_empty(), "what is on the wire never changes, it is added to:\n{}", differing.join("\n"));
}

#[test]
fn requests_keep_their_bytes() {
    same(&REQUESTS.lines().filter_map(check::<Request>).collect::<Vec<_>>());
    assert_eq!(REQUESTS.lines().count(), variants::<Request>(), "a new request has its bytes here");
}

#[test]
fn replies_keep_their_bytes() {
    same(&REPLIES.lines().filter_map(check::<Reply>).collect::<Vec<_>>());
    assert_eq!(REPLIES.lines().count(), variants::<Reply>(), "a new reply has its bytes here");
    let refused = Response { applied_index: 300, outcome: Err(ErrorBody::new(ErrorCode::Denied, "no").hint("h")) };
    let bytes: &[u8] = &[251, 44, 1, 1, 10, 2, b'n', b'o', 1, 1, b'h', 0, 0];
    assert_eq!(encode_body(&refused).unwrap(), bytes);
}

#[test]
fn words_inside_of_them_keep_their_bytes() {
    let check = |line: &str| match line.split_once(' ').expect("a name").0 {
        "ErrorCode" => list::<ErrorCode>(line),
        "JobState" => list::<JobState>(line),
        "AttemptOutcome" => list::<AttemptOutcome>(line),
        "GapReason" => list::<GapReason>(line),
        "NodeRole" => list::<NodeRole>(line),
        "RejectionReason" => list::<RejectionReason>(line),
        "ScarceResource" => list::<ScarceResource>(line),
        "JobTimeout" => list::<JobTimeout>(line),
        "OutputStream" => list::<OutputStream>(line),
        "KillSignal" => list::<KillSignal>(line),
        "NodeState" => list::<NodeState>(line),
        "NodeDisk" => list::<NodeDisk>(line),
        "ListOrder" => list::<ListOrder>(line),
        "TaskSet" => list::<TaskSet>(line),
        other => panic!("nothing checks {other}"),
    };
    same(&WORDS.lines().filter_map(check).collect::<Vec<_>>());
}

/// A line with every variant of a list.
fn list<T: Serialize + DeserializeOwned + PartialEq + Debug>(line: &str) -> Option<String> {
    let json = line.splitn(3, ' ').nth(2).expect("a line ends with its value");
    let every: Vec<T> = serde_json::from_str(json).unwrap();
    assert_eq!(every.len(), variants::<T>(), "every variant has its bytes here: {line}");
    check::<Vec<T>>(line)
}
