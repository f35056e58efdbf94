//! Many requests share one stream, and answers come in any order.

use futures::future::join_all;
use quorla_client::limits::WAITS_IN_FLIGHT_MAX;
use quorla_client::{Client, Error, ErrorBody, ErrorCode, JobId, JobRequest, Reply, Request, Submit, Submitted};

use crate::authority::Authority;
use crate::server::{APPLIED_INDEX, Act, Server, options};

pub(crate) fn accept(submit: &Submit) -> Submitted {
    Submitted { job_id: submit.job_id, existing: false }
}

pub(crate) fn accept_all(request: Request) -> Act {
    match request {
        Request::Submit(submit) => Act::Reply(Reply::Submitted(accept(&submit))),
        Request::SubmitMany(submits) => {
            Act::Reply(Reply::SubmittedMany(submits.iter().map(|s| Ok(accept(s))).collect()))
        }
        _ => Act::Refuse(ErrorBody::new(ErrorCode::InvalidRequest, "only submits")),
    }
}

#[tokio::test]
async fn each_of_many_concurrent_submits_gets_its_own_answer() {
    let authority = Authority::new();
    let server = Server::start(&authority, accept_all);
    let client = Client::connect(options(&authority, &[&server])).await.unwrap();
    let ids: Vec<JobId> = (0..500).map(|_| client.draw_job_id()).collect();
    let submits = ids.iter().map(|id| client.submit_as(*id, JobRequest::new(["true"])));
    for (id, outcome) in ids.iter().zip(join_all(submits).await) {
        assert_eq!(outcome.unwrap().job_id, *id);
    }
    assert_eq!(client.applied_index(), APPLIED_INDEX);
}

#[tokio::test]
async fn the_ids_of_jobs_submitted_together_rise_in_their_order() {
    let authority = Authority::new();
    let server = Server::start(&authority, accept_all);
    let client = Client::connect(options(&authority, &[&server])).await.unwrap();
    // More than one request takes.
    let outcomes = client.submit_many((0..600).map(|_| JobRequest::new(["true"]))).await;
    let ids: Vec<u128> = outcomes.into_iter().map(|outcome| outcome.unwrap().job_id.as_u128()).collect();
    assert!(ids.is_sorted_by(|one, next| one < next), "{ids:?}");
    let mut prefixes: Vec<String> = ids.iter().map(|id| JobId::from_u128(*id).short()).collect();
    prefixes.dedup();
    assert_eq!(prefixes.len(), ids.len(), "short ids still tell them apart");
}

#[tokio::test]
async fn answers_in_another_order_reach_their_callers() {
    let authority = Authority::new();
    let mut held = false;
    let server = Server::start(&authority, move |request| match accept_all(request) {
        Act::Reply(reply) if !held => {
            held = true;
            Act::Swap(reply)
        }
        act => act,
    });
    let client = Client::connect(options(&authority, &[&server])).await.unwrap();
    let (first, second) = (client.draw_job_id(), client.draw_job_id());
    let job = || JobRequest::new(["true"]);
    let (one, two) = tokio::join!(client.submit_as(first, job()), client.submit_as(second, job()));
    assert_eq!(one.unwrap().job_id, first);
    assert_eq!(two.unwrap().job_id, second);
}

#[tokio::test]
async fn many_jobs_keep_their_order_and_one_refusal_is_only_its_own() {
    let authority = Authority::new();
    let server = Server::start(&authority, |request| match request {
        Request::SubmitMany(submits) => {
            let refuse = || ErrorBody::new(ErrorCode::IdempotencyConflict, "another content under this key");
            let reply = |s: &Submit| {
                if s.job.name.is_some() { Err(refuse()) } else { Ok(accept(s)) }
            };
            Act::Reply(Reply::SubmittedMany(submits.iter().map(reply).collect()))
        }
        _ => Act::Silence,
    });
    let client = Client::connect(options(&authority, &[&server])).await.unwrap();
    let jobs = (0..1_000).map(|n| match n {
        400 => JobRequest::new(["true"]).name("refused"),
        700 => JobRequest::new(["true"]).priority(101),
        _ => JobRequest::new(["true"]),
    });
    let outcomes = client.submit_many(jobs).await;
    let refused: Vec<usize> = outcomes.iter().enumerate().filter(|(_, o)| o.is_err()).map(|(n, _)| n).collect();
    assert_eq!((outcomes.len(), refused), (1_000, vec![400, 700]));
}

#[tokio::test]
async fn what_was_not_done_of_a_batch_is_sent_again_under_the_same_ids() {
    let authority = Authority::new();
    let mut first = true;
    let server = Server::start(&authority, move |request| match request {
        Request::SubmitMany(submits) if std::mem::take(&mut first) => {
            let later = || ErrorBody::new(ErrorCode::Overloaded, "the queue is full").retry_after_ms(1);
            let reply = |(n, s)| {
                if n % 2 == 0 { Ok(accept(s)) } else { Err(later()) }
            };
            Act::Reply(Reply::SubmittedMany(submits.iter().enumerate().map(reply).collect()))
        }
        request => accept_all(request),
    });
    let client = Client::connect(options(&authority, &[&server])).await.unwrap();
    let outcomes = client.submit_many((0..10).map(|_| JobRequest::new(["true"]))).await;
    assert!(outcomes.iter().all(Result::is_ok));
    let seen = server.seen();
    let (Request::SubmitMany(all), Request::SubmitMany(rest)) = (&seen[0], &seen[1]) else { panic!("{seen:?}") };
    let odd: Vec<JobId> = all.iter().skip(1).step_by(2).map(|s| s.job_id).collect();
    assert_eq!(rest.iter().map(|s| s.job_id).collect::<Vec<_>>(), odd);
}

#[tokio::test]
async fn ids_are_drawn_by_the_servers_clock() {
    let authority = Authority::new();
    let server = Server::start(&authority, accept_all);
    let client = Client::connect(options(&authority, &[&server])).await.unwrap();
    let drawn_ms = client.draw_job_id().time_ms();
    assert!((1_000_000_000..1_000_600_000).contains(&drawn_ms), "{drawn_ms} is not near the server's clock");
}

#[tokio::test]
async fn a_job_of_a_batch_that_was_once_unknown_is_never_said_to_be_not_done() {
    let authority = Authority::new();
    let mut first = true;
    let server = Server::start(&authority, move |_| {
        let later = || ErrorBody::new(ErrorCode::Overloaded, "the queue is full").retry_after_ms(1);
        let unknown = ErrorBody::new(ErrorCode::OutcomeUnknown, "the leader changed");
        match std::mem::take(&mut first) {
            true => Act::Reply(Reply::SubmittedMany(vec![Err(unknown), Err(later())])),
            false => Act::Refuse(later()),
        }
    });
    let client = Client::connect(options(&authority, &[&server])).await.unwrap();
    let ids = [client.draw_job_id(), client.draw_job_id()];
    let submits = ids.map(|job_id| Submit { job_id, job: JobRequest::new(["true"]) });
    let outcomes = client.submit_many_as(submits).await;
    assert!(matches!(outcomes[0], Err(Error::OutcomeUnknown { job: Some(job), .. }) if job == ids[0]), "{outcomes:?}");
    assert!(matches!(outcomes[1], Err(Error::NotNow(_))), "{outcomes:?}");
}

#[tokio::test]
async fn a_batch_that_was_lost_makes_later_refusals_of_its_jobs_unknown() {
    let authority = Authority::new();
    let mut first = true;
    let server = Server::start(&authority, move |request| match request {
        Request::SubmitMany(_) if std::mem::take(&mut first) => Act::Disconnect,
        Request::SubmitMany(submits) => {
            let refuse = |code| Err(ErrorBody::new(code, "submit a job: refused"));
            assert_eq!(submits.len(), 2);
            let replies = [ErrorCode::SubmitIsTooOld, ErrorCode::IdempotencyConflict].map(refuse);
            Act::Reply(Reply::SubmittedMany(replies.into()))
        }
        _ => Act::Silence,
    });
    let client = Client::connect(options(&authority, &[&server])).await.unwrap();
    let outcomes = client.submit_many((0..2).map(|_| JobRequest::new(["true"]))).await;
    assert!(matches!(outcomes[0], Err(Error::OutcomeUnknown { .. })), "{outcomes:?}");
    assert!(matches!(outcomes[1], Err(Error::Refused(_))), "such a refusal holds for every copy: {outcomes:?}");
}

#[tokio::test]
async fn what_finds_no_room_on_its_connection_in_time_was_not_sent() {
    let authority = Authority::new();
    let server = Server::start(&authority, |_| Act::Silence);
    let mut once = options(&authority, &[&server]);
    once.rules.give_up_after_ms = 1;
    let client = Client::connect(once).await.unwrap();
    let job = client.draw_job_id();
    let waits: Vec<_> = (0..WAITS_IN_FLIGHT_MAX)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.wait(job, None).await })
        })
        .collect();
    while server.seen_count() < WAITS_IN_FLIGHT_MAX {
        tokio::task::yield_now().await;
    }
    let error = client.content_hash(1, 0).await.unwrap_err();
    assert!(matches!(&error, Error::Unavailable { reason, .. } if reason.contains("not sent")), "{error:?}");
    waits.iter().for_each(tokio::task::JoinHandle::abort);
    assert!(!server.seen().iter().any(|request| matches!(request, Request::ContentHash(_))));
}
