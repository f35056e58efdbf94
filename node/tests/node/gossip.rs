//! Members find each other through one seed, see what each says of itself, and notice who left.

use std::collections::BTreeMap;
use std::time::Duration;

use quorla_node::endpoint::Endpoint;
use quorla_node::gossip::{ChitchatGossip, Gossip, GossipSettings, Member};

use crate::rig::{Rig, soon};

async fn member(endpoint: &Endpoint, seeds: &[String]) -> ChitchatGossip {
    let own = Member {
        key: endpoint.own().key,
        name: endpoint.own().name.clone(),
        address: endpoint.local_addr().unwrap().to_string(),
        version: "0.1.0".to_owned(),
        labels: BTreeMap::from([("zone".to_owned(), "a".to_owned())]),
    };
    let settings = GossipSettings {
        cluster: "test".to_owned(),
        own,
        started_ms: 1,
        seeds: seeds.to_vec(),
        interval: Duration::from_millis(50),
        suspect_after: Duration::from_millis(500),
    };
    ChitchatGossip::start(settings, endpoint.clone()).await.unwrap()
}

async fn wait_for(gossip: &ChitchatGossip, reached: impl FnMut(&std::sync::Arc<Vec<Member>>) -> bool) {
    soon(gossip.members().wait_for(reached)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn three_members_converge_and_one_that_leaves_is_missed() {
    let rig = Rig::new();
    let endpoints = [rig.endpoint(0), rig.endpoint(1), rig.endpoint(2)];
    let seeds = [endpoints[0].local_addr().unwrap().to_string()];
    let mut members = Vec::new();
    for endpoint in &endpoints {
        members.push(member(endpoint, &seeds).await);
    }
    for gossip in &members {
        wait_for(gossip, |seen| seen.len() == 3).await;
    }
    let seen = members[2].members().borrow().clone();
    let first = seen.iter().find(|member| member.key == rig.key(0)).unwrap();
    assert_eq!((first.name.as_str(), first.labels["zone"].as_str()), ("n1", "a"));
    members[0].stop().await;
    endpoints[0].close().await;
    for gossip in &members[1..] {
        wait_for(gossip, |seen| seen.len() == 2).await;
    }
}
