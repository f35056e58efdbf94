//! Any address is enough, and the leader is where submits go.

use quorla_client::{Client, ErrorBody, ErrorCode, JobRequest};

use crate::authority::Authority;
use crate::pipelining::accept_all;
use crate::server::{Act, Server, options};

#[tokio::test]
async fn a_client_moves_to_the_leader_that_the_greeting_names() {
    let authority = Authority::new();
    let leader = Server::start(&authority, accept_all);
    let follower = Server::start(&authority, accept_all);
    follower.follow(&leader);
    let client = Client::connect(options(&authority, &[&follower])).await.unwrap();
    client.submit(JobRequest::new(["true"])).await.unwrap();
    assert_eq!((leader.seen().len(), follower.seen().len()), (1, 0));
}

#[tokio::test]
async fn a_leader_hint_is_followed_under_the_same_id() {
    let authority = Authority::new();
    let leader = Server::start(&authority, accept_all);
    let hint = Some(leader.address.clone());
    let follower = Server::start(&authority, move |_| {
        Act::Refuse(ErrorBody::new(ErrorCode::NotLeader, "submit a job: this node follows").leader(hint.clone()))
    });
    let client = Client::connect(options(&authority, &[&follower])).await.unwrap();
    client.submit(JobRequest::new(["true"])).await.unwrap();
    assert_eq!(leader.seen(), follower.seen());
    client.submit(JobRequest::new(["true"])).await.unwrap();
    assert_eq!(follower.seen().len(), 1, "the second submit went straight to the leader");
}

#[tokio::test]
async fn an_address_where_nobody_answers_costs_only_time() {
    let authority = Authority::new();
    let gone = Server::start(&authority, accept_all);
    let alive = Server::start(&authority, accept_all);
    gone.stop();
    let client = Client::connect(options(&authority, &[&gone, &alive])).await.unwrap();
    client.submit(JobRequest::new(["true"])).await.unwrap();
    assert_eq!(alive.seen().len(), 1);
}

#[tokio::test]
async fn a_server_that_stops_is_left_for_another_one() {
    let authority = Authority::new();
    let first = Server::start(&authority, accept_all);
    let second = Server::start(&authority, accept_all);
    let mut options = options(&authority, &[&first, &second]);
    options.rules.give_up_after_ms = 10_000;
    let client = Client::connect(options).await.unwrap();
    first.stop();
    client.submit(JobRequest::new(["true"])).await.unwrap();
    assert_eq!(second.seen().len(), 1);
}

#[tokio::test]
async fn a_pinned_client_stays_where_it_is() {
    let authority = Authority::new();
    let leader = Server::start(&authority, accept_all);
    let follower = Server::start(&authority, accept_all);
    follower.follow(&leader);
    let options = options(&authority, &[&leader]).pinned_to(follower.address.clone());
    let client = Client::connect(options).await.unwrap();
    client.submit(JobRequest::new(["true"])).await.unwrap();
    assert_eq!((leader.seen().len(), follower.seen().len()), (0, 1));
}

#[tokio::test]
async fn a_node_without_a_quorum_is_left_for_one_that_has_it() {
    let authority = Authority::new();
    let majority = Server::start(&authority, accept_all);
    let cut_off = Server::start(&authority, |_| {
        Act::Refuse(ErrorBody::new(ErrorCode::NoQuorum, "submit a job: no majority answers"))
    });
    let client = Client::connect(options(&authority, &[&cut_off, &majority])).await.unwrap();
    client.submit(JobRequest::new(["true"])).await.unwrap();
    assert_eq!(majority.seen().len(), 1);
}
