//! Who may open which plane, and that strangers do no harm.

use std::net::UdpSocket;

use quorla_node::endpoint::{DialError, PeerAddress, Refusal, Traffic};
use quorla_node::identity::Role;

use crate::rig::{Rig, Stranger, address, soon};

const NODE: &[u8] = b"quorla-node/1";
const CLIENT: &[u8] = b"quorla-client/1";

/// How `stranger` (made from the cluster it attacks and a foreign one) is refused.
async fn check(stranger: impl FnOnce(&Rig, &Rig) -> Stranger, expected: Refusal) {
    let (rig, foreign) = (Rig::new(), Rig::new());
    let endpoint = rig.endpoint(0);
    let to = endpoint.local_addr().unwrap();
    assert_eq!(stranger(&rig, &foreign).refusal(to).await, expected);
    endpoint.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn node_reaches_node_over_two_connections() {
    let rig = Rig::new();
    let (one, two) = (rig.endpoint(0), rig.endpoint(1));
    let control = soon(one.connect(&address(&two), Traffic::Control)).await.unwrap();
    let bulk = soon(one.connect(&address(&two), Traffic::Bulk)).await.unwrap();
    assert_ne!(control.stable_id(), bulk.stable_id());
    let again = soon(one.connect(&address(&two), Traffic::Bulk)).await.unwrap();
    assert_eq!(again.stable_id(), bulk.stable_id());
}

#[tokio::test(flavor = "multi_thread")]
async fn certificate_of_a_foreign_ca_is_refused() {
    for alpn in [NODE, CLIENT] {
        let stranger =
            |rig: &Rig, foreign: &Rig| Stranger { credentials: Some(foreign.node(0)), ca: rig.node(0).ca, alpn };
        check(stranger, Refusal::ForeignCa).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn peer_without_a_certificate_is_refused() {
    let stranger = |rig: &Rig, _: &Rig| Stranger { credentials: None, ca: rig.node(0).ca, alpn: NODE };
    check(stranger, Refusal::NoCertificate).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_protocol_is_refused() {
    let stranger = |rig: &Rig, _: &Rig| Stranger { credentials: Some(rig.client()), ca: rig.node(0).ca, alpn: b"h3" };
    check(stranger, Refusal::WrongAlpn).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn client_certificate_may_not_open_the_node_plane() {
    let stranger = |rig: &Rig, _: &Rig| Stranger { credentials: Some(rig.client()), ca: rig.node(0).ca, alpn: NODE };
    let said = Refusal::WrongRole { role: Role::Client }.to_string();
    check(stranger, Refusal::Other(said)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn node_certificate_may_not_open_the_client_plane() {
    let stranger = |rig: &Rig, _: &Rig| Stranger { credentials: Some(rig.node(1)), ca: rig.node(0).ca, alpn: CLIENT };
    let said = Refusal::WrongRole { role: Role::Node }.to_string();
    check(stranger, Refusal::Other(said)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn node_of_a_foreign_cluster_is_not_dialled() {
    let (rig, foreign) = (Rig::new(), Rig::new());
    let (one, other) = (rig.endpoint(0), foreign.endpoint(0));
    let dialled = soon(one.connect(&address(&other), Traffic::Bulk)).await;
    let Err(DialError::Refused { refusal, .. }) = dialled else { panic!("{dialled:?}") };
    assert_eq!(refusal, Refusal::ForeignCa);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_key_at_the_address_is_not_taken_for_the_peer() {
    let rig = Rig::new();
    let (one, two) = (rig.endpoint(0), rig.endpoint(1));
    let peer = PeerAddress { key: rig.key(2), address: address(&two).address };
    let error = soon(one.connect(&peer, Traffic::Bulk)).await.unwrap_err().to_string();
    assert!(error.contains(&rig.key(1).to_string()), "{error}");
    let again = soon(one.connect(&peer, Traffic::Bulk)).await;
    assert!(matches!(again, Err(DialError::BackingOff { .. })), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_answers_at_a_seed_is_learnt_by_key() {
    let rig = Rig::new();
    let (one, two) = (rig.endpoint(0), rig.endpoint(1));
    let seed = two.local_addr().unwrap();
    let found = soon(one.connect_any(seed)).await.unwrap();
    let known = soon(one.connect(&address(&two), Traffic::Bulk)).await.unwrap();
    assert_eq!(found.stable_id(), known.stable_id());
}

#[tokio::test(flavor = "multi_thread")]
async fn random_datagrams_do_no_harm() {
    let rig = Rig::new();
    let (one, two) = (rig.endpoint(0), rig.endpoint(1));
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for place in 0..2_000usize {
        let noise: [u8; 1_400] = rand::random();
        let bytes = 1 + (place * 7) % noise.len();
        socket.send_to(&noise[..bytes], two.local_addr().unwrap()).unwrap();
    }
    soon(one.connect(&address(&two), Traffic::Control)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn client_certificate_makes_no_node() {
    let rig = Rig::new();
    let settings = quorla_node::endpoint::EndpointSettings {
        bind: "127.0.0.1:0".parse().unwrap(),
        credentials: rig.client(),
        idle_timeout: std::time::Duration::from_secs(10),
        client_connections_max: 1,
        client_streams_max: 1,
    };
    let bound = quorla_node::endpoint::Endpoint::bind(settings, Default::default());
    assert!(bound.is_err_and(|error| error.to_string().contains("needs a node's")));
}
