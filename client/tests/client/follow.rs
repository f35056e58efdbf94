//! Following output over lost connections: every record once, in order, and the bytes of the wire.

use std::collections::BTreeMap;

use futures::StreamExt as _;
use quorla_client::codec::{decode_body, encode_body};
use quorla_client::{
    Client, ErrorBody, ErrorCode, FollowFrom, FollowQuery, Followed, GapReason, JobId, JobState, JobView, OutputGap,
    OutputPage, OutputPiece, OutputPlace, OutputRecord, OutputStream, ReadLevel, Reply, Request, Response,
};

use crate::authority::Authority;
use crate::server::{Act, Server, options};

const JOB: JobId = JobId::from_u128(7);

fn record(sequence: u64) -> OutputPiece {
    let bytes = format!("line {sequence}\n").as_str().into();
    OutputPiece::Record(OutputRecord { attempt: 1, fence: 9, sequence, at_ms: 5, stream: OutputStream::Stdout, bytes })
}

fn gap(from: u64, until: Option<u64>) -> OutputPiece {
    OutputPiece::Gap(OutputGap { attempt: 1, from, until, reason: GapReason::Expired })
}

fn page(pieces: Vec<OutputPiece>, next: u64, caught_up: bool) -> OutputPage {
    OutputPage { pieces, next: OutputPlace { attempt: 1, sequence: next }, caught_up, ended: None }
}

fn ended() -> Box<JobView> {
    Box::new(JobView {
        id: JOB,
        name: "job".into(),
        command: vec!["true".into()],
        state: JobState::Succeeded,
        until_ms: None,
        reason: None,
        queue: "default".into(),
        priority: 50,
        labels: BTreeMap::new(),
        terms: None,
        retry_of: None,
        submitted_ms: 1,
        started_ms: None,
        ended_ms: Some(2),
        node: None,
        attempts_total: 1,
        attempts: Vec::new(),
        tasks: None,
        paused: None,
    })
}

/// The output of a job that printed six lines and was asked for too late for the third and fourth; every other question
/// is lost on its way.
fn unreliable() -> impl FnMut(Request) -> Act + Send + 'static {
    let mut questions = 0;
    move |request| {
        questions += 1;
        let Request::Follow(FollowQuery { job: JOB, from, .. }) = request else { panic!("{request:?}") };
        if questions % 2 == 0 {
            return Act::Disconnect;
        }
        Act::Reply(Reply::Output(match from.sequence {
            1 => page(vec![record(1), record(2)], 3, false),
            3 => page(vec![gap(3, Some(5)), record(5)], 6, true),
            6 => page(vec![record(6), OutputPiece::AttemptEnded { attempt: 1 }], 7, true),
            7 => OutputPage { ended: Some(ended()), ..page(vec![], 7, true) },
            _ => panic!("nobody was told to go on at {from:?}"),
        }))
    }
}

#[tokio::test]
async fn every_record_comes_once_whatever_connections_are_lost() {
    let authority = Authority::new();
    let server = Server::start(&authority, unreliable());
    let client = Client::connect(options(&authority, &[&server])).await.unwrap();
    let mut following = client.follow(JOB, FollowFrom::default());
    let (mut told, mut places) = (Vec::new(), Vec::new());
    while let Some(followed) = following.next().await {
        told.push(followed.unwrap());
        places.push(following.place().sequence);
    }
    let sequence = |followed: &Followed| match followed {
        Followed::Record(record) => record.sequence.to_string(),
        Followed::Gap(gap) => format!("gap {} {:?}", gap.from, gap.until),
        Followed::AttemptEnded { .. } => "over".to_owned(),
        Followed::CaughtUp => "now".to_owned(),
        Followed::Ended(view) => view.state.to_string(),
    };
    let told: Vec<String> = told.iter().map(sequence).collect();
    assert_eq!(told, ["1", "2", "gap 3 Some(5)", "5", "now", "6", "over", "now", "succeeded"]);
    assert_eq!(places, [2, 3, 5, 6, 6, 7, 1, 7, 7], "whoever stops anywhere can go on there");
}

#[tokio::test]
async fn an_outage_is_told_and_the_follower_goes_on_after_it() {
    let authority = Authority::new();
    let mut refusals = 0;
    let server = Server::start(&authority, move |_| {
        refusals += 1;
        match refusals {
            1 => Act::Reply(Reply::Output(page(vec![record(1)], 2, true))),
            // As long as this client has patience.
            2..500 => Act::Refuse(ErrorBody::new(ErrorCode::Overloaded, "not now").retry_after_ms(10)),
            _ => Act::Reply(Reply::Output(OutputPage { ended: Some(ended()), ..page(vec![record(2)], 3, true) })),
        }
    });
    let mut options = options(&authority, &[&server]);
    options.rules.give_up_after_ms = 50;
    let client = Client::connect(options).await.unwrap();
    let told: Vec<_> = client.follow(JOB, FollowFrom::default()).collect().await;
    assert!(told.iter().any(Result::is_err), "an outage is told");
    let sequences = told.iter().filter_map(|told| match told {
        Ok(Followed::Record(record)) => Some(record.sequence),
        _ => None,
    });
    assert_eq!(sequences.collect::<Vec<_>>(), [1, 2]);
    assert!(matches!(told.last(), Some(Ok(Followed::Ended(_)))));
}

#[tokio::test]
async fn a_refusal_ends_the_stream() {
    let authority = Authority::new();
    let server = Server::start(&authority, |_| Act::Refuse(ErrorBody::new(ErrorCode::NotFound, "no such job")));
    let client = Client::connect(options(&authority, &[&server])).await.unwrap();
    let told: Vec<_> = client.follow(JOB, FollowFrom::default()).collect().await;
    assert!(matches!(told.as_slice(), [Err(quorla_client::Error::Refused(_))]), "{told:?}");
}

fn query() -> FollowQuery {
    FollowQuery {
        job: JOB,
        from: OutputPlace { attempt: 2, sequence: 300 },
        attempt: Some(2),
        stream: Some(OutputStream::Stderr),
        since_ms: 4,
        timeout_ms: 10_000,
        read: ReadLevel::AtLeast(5),
    }
}

/// What the first version puts on the wire, in hexadecimal digits.
#[test]
fn the_bytes_of_the_wire_are_settled() {
    let pieces = vec![record(1), gap(2, Some(4)), gap(4, None), OutputPiece::AttemptEnded { attempt: 1 }];
    let response = Response { applied_index: 3, outcome: Ok(Reply::Output(page(pieces, 4, true))) };
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let (asked, answered) = (encode_body(&Request::Follow(query())).unwrap(), encode_body(&response).unwrap());
    assert_eq!([hex(&asked), hex(&answered)], GOLDEN);
    assert_eq!(decode_body::<Request>(&asked).unwrap(), Request::Follow(query()));
    assert_eq!(decode_body::<Response>(&answered).unwrap(), response);
}

const GOLDEN: [&str; 2] =
    ["120702fb2c010102010104fb10270105", "03001004000109010500076c696e6520310a0101020104000101040000020101040100"];

#[test]
fn the_json_of_a_piece_is_settled() {
    let json = |piece| serde_json::to_string(&piece).unwrap();
    let expected = r#"{"record":{"attempt":1,"fence":9,"sequence":1,"at_ms":5,"stream":"stdout","bytes":"line 1\n"}}"#;
    assert_eq!(json(record(1)), expected);
    assert_eq!(json(gap(2, None)), r#"{"gap":{"attempt":1,"from":2,"until":null,"reason":"expired"}}"#);
    assert_eq!(json(OutputPiece::AttemptEnded { attempt: 1 }), r#"{"attempt_ended":{"attempt":1}}"#);
}
