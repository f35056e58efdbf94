//! R9: refused, done or unknown; and unknown is repeated with the same ids only.

use quorla_client::{Client, Error, ErrorBody, ErrorCode, JobId, JobRequest, OnStall, Request};

use crate::authority::Authority;
use crate::pipelining::accept_all;
use crate::server::{Act, Server, options};

fn submitted_ids(server: &Server) -> Vec<JobId> {
    let id = |request: Request| match request {
        Request::Submit(submit) => submit.job_id,
        other => panic!("{other:?}"),
    };
    server.seen().into_iter().map(id).collect()
}

#[tokio::test]
async fn a_lost_connection_is_unknown_and_repeated_under_the_same_id() {
    let authority = Authority::new();
    let mut first = true;
    let server = Server::start(&authority, move |request| match std::mem::take(&mut first) {
        true => Act::Disconnect,
        false => accept_all(request),
    });
    let client = Client::connect(options(&authority, &[&server])).await.unwrap();
    let submitted = client.submit(JobRequest::new(["true"])).await.unwrap();
    assert_eq!(submitted_ids(&server), [submitted.job_id, submitted.job_id]);
}

#[tokio::test]
async fn silence_is_unknown_and_repeated_under_the_same_id() {
    let authority = Authority::new();
    let mut first = true;
    let server = Server::start(&authority, move |request| match std::mem::take(&mut first) {
        true => Act::Silence,
        false => accept_all(request),
    });
    let client = Client::connect(options(&authority, &[&server])).await.unwrap();
    let submitted = client.submit(JobRequest::new(["true"])).await.unwrap();
    assert_eq!(submitted_ids(&server), [submitted.job_id, submitted.job_id]);
}

#[tokio::test]
async fn what_stays_unknown_is_reported_as_unknown_with_the_jobs_id() {
    let authority = Authority::new();
    let server = Server::start(&authority, |_| Act::Disconnect);
    let client = Client::connect(options(&authority, &[&server])).await.unwrap();
    let job_id = client.draw_job_id();
    match client.submit_as(job_id, JobRequest::new(["true"])).await.unwrap_err() {
        Error::OutcomeUnknown { job, .. } => assert_eq!(job, Some(job_id)),
        other => panic!("{other:?}"),
    }
    let ids = submitted_ids(&server);
    assert!(ids.len() > 1 && ids.iter().all(|id| *id == job_id), "{ids:?}");
}

#[tokio::test]
async fn a_refusal_passes_through_and_is_not_repeated() {
    let authority = Authority::new();
    let refusal = ErrorBody::new(ErrorCode::LimitExceeded, "submit a job: it is too large").hint("Send less.");
    let given = refusal.clone();
    let server = Server::start(&authority, move |_| Act::Refuse(given.clone()));
    let client = Client::connect(options(&authority, &[&server])).await.unwrap();
    match client.submit(JobRequest::new(["true"])).await.unwrap_err() {
        Error::Refused(body) => assert_eq!(*body, refusal),
        other => panic!("{other:?}"),
    }
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_refusal_after_unknown_that_an_earlier_copy_may_have_escaped_stays_unknown() {
    let authority = Authority::new();
    let mut first = true;
    let server = Server::start(&authority, move |_| match std::mem::take(&mut first) {
        true => Act::Disconnect,
        false => Act::Refuse(ErrorBody::new(ErrorCode::SubmitIsTooOld, "submit a job: its id is too old")),
    });
    let client = Client::connect(options(&authority, &[&server])).await.unwrap();
    let error = client.submit(JobRequest::new(["true"])).await.unwrap_err();
    assert!(matches!(error, Error::OutcomeUnknown { .. }), "{error:?}");
}

#[tokio::test]
async fn overload_or_a_full_disk_that_lasts_is_not_now_and_never_failed() {
    for code in [ErrorCode::Overloaded, ErrorCode::DiskIsLow] {
        let authority = Authority::new();
        let server = Server::start(&authority, move |_| {
            Act::Refuse(ErrorBody::new(code, "submit a job: there is no room").retry_after_ms(300))
        });
        let client = Client::connect(options(&authority, &[&server])).await.unwrap();
        let error = client.submit(JobRequest::new(["true"])).await.unwrap_err();
        assert!(matches!(&error, Error::NotNow(body) if body.code == code), "{error:?}");
        assert!(server.seen().len() > 1, "it was asked again");
    }
}

#[tokio::test]
async fn what_exceeds_a_bound_is_refused_before_it_is_sent() {
    let authority = Authority::new();
    let server = Server::start(&authority, accept_all);
    let client = Client::connect(options(&authority, &[&server])).await.unwrap();
    let large = JobRequest::new(["cat"]).stdin(vec![0; quorla_client::limits::STDIN_BYTES_MAX + 1]);
    let error = client.submit(large).await.unwrap_err();
    assert_eq!(error.code(), "limit_exceeded");
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_call_that_gets_no_answer_is_told_once_while_it_goes_on() {
    let authority = Authority::new();
    let server = Server::start(&authority, |_| Act::Silence);
    let mut options = options(&authority, &[&server]);
    options.rules.give_up_after_ms = 60_000;
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    options.on_stall = Some(OnStall::new(move |stall| told.send(stall).unwrap()));
    let client = Client::connect(options).await.unwrap();
    let stall = tokio::select! {
        answered = client.nodes() => panic!("{answered:?}"),
        stall = heard.recv() => stall.unwrap(),
    };
    assert_eq!(stall.attempted, "list the nodes");
    assert!(stall.tries_on_ms > 0 && stall.tries_on_ms < 60_000, "{stall:?}");
    assert!(heard.try_recv().is_err(), "once for each call");
}
