//! Without a majority nothing is promised: no write, no fresh read, no renewal, and a clear word instead.

use quorla_client::{Client, ErrorCode, JobRequest, NodeRole, ReadLevel};
use quorla_tests::children;
use quorla_tests::command::Shell;
use quorla_tests::eventually::eventually_holds;
use quorla_tests::gate::Gate;
use quorla_tests::trial::{Trial, settings, with_short_leases};

const NO_QUORUM: &str = ErrorCode::NoQuorum.as_str();

#[tokio::test]
async fn a_minority_refuses_writes_and_fresh_reads_and_answers_stale_ones() {
    let mut trial = Trial::start(settings(3)).await;
    let job = trial.client.submit(JobRequest::new(["true"])).await.unwrap().job_id;
    trial.ended(job).await;
    let leader = trial.leader().await;
    let left = (leader + 1) % 3;
    eventually_holds("the follower knows the job", async || knows(&trial.pinned(left).await, job).await).await;
    trial.node(leader).kill().await.unwrap();
    trial.node((leader + 2) % 3).freeze().unwrap();

    let client = trial.impatient(left).await;
    eventually_holds("it knows no leader", async || client.status().await.unwrap().leader.is_none()).await;
    let killed = trial.cluster.nodes()[leader].name.clone();
    eventually_holds("it knows whom gossip misses, whose lease nobody can end", async || {
        let seen = client.status().await.unwrap().nodes;
        let of = |name: &String| seen.iter().find(|node| node.name == *name).unwrap();
        let (own, missed) = (of(&trial.cluster.nodes()[left].name), of(&killed));
        own.reachable && !missed.reachable && missed.unreachable_ms.is_some() && missed.role != NodeRole::Gone
    })
    .await;
    let unwritten = client.draw_job_id();
    let write = client.submit_as(unwritten, JobRequest::new(["true"])).await.expect_err("no majority, no write");
    assert_eq!(write.code(), NO_QUORUM, "{write}");
    let read = client.info(job).await.expect_err("no majority, no linearizable read");
    assert_eq!(read.code(), NO_QUORUM, "{read}");
    let cancel = client.cancel(job).await.expect_err("no majority, no cancel");
    assert_eq!(cancel.code(), NO_QUORUM, "{cancel}");
    let wait = trial.client.wait(unwritten, Some(1)).await.expect_err("nobody can tell");
    assert_eq!(wait.code(), "wait_timed_out", "whoever said how long is not held longer: {wait}");
    assert_eq!(client.reading(ReadLevel::Stale).info(job).await.unwrap().id, job);

    trial.node((leader + 2) % 3).thaw().unwrap();
    let after = trial.client.submit(JobRequest::new(["true"])).await.unwrap().job_id;
    trial.all_have_one_result(&[job, after]).await;
    assert!(trial.knows_nothing_of(unwritten).await, "what was refused was not done");
    trial.cluster.restart(leader).await.unwrap();
    trial.replicas_agree().await;
    trial.stop().await;
}

#[tokio::test]
async fn the_command_line_says_that_there_is_no_quorum_and_exits_with_6() {
    let mut trial = Trial::start(settings(3)).await;
    let left = trial.leader().await;
    let shell = Shell::of_node(&trial, left);
    for other in [(left + 1) % 3, (left + 2) % 3] {
        trial.node(other).kill().await.unwrap();
    }
    let client = trial.impatient(left).await;
    eventually_holds("the leader knows that it is alone", async || client.status().await.unwrap().leader.is_none())
        .await;
    let commands: [&[&str]; 2] = [&["job", "list"], &["job", "submit", "--", "true"]];
    for refused in futures::future::join_all(commands.map(|command| shell.run(command).output())).await {
        let refused = refused.unwrap();
        let words = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(6), "{words}");
        assert!(words.contains(NO_QUORUM), "{words}");
    }
    let hurried = shell.run(&["job", "list", "--timeout", "1s"]).output().await.unwrap();
    assert_eq!(hurried.status.code(), Some(6), "who is in a hurry is told the same: {hurried:?}");
    trial.stop().await;
}

#[tokio::test]
async fn a_restarted_leader_acknowledges_nothing_before_it_has_a_quorum() {
    let mut trial = Trial::start(with_short_leases(settings(5))).await;
    let leader = trial.leader().await;
    let others: Vec<usize> = (1..5).map(|step| (leader + step) % 5).collect();
    let (witness, frozen) = (others[0], &others[1..]);
    // The witness stays up and runs an attempt, whose lease it can't renew.
    let gate = Gate::closed();
    let name = trial.cluster.nodes()[witness].name.clone();
    let held = loop {
        let job = trial.client.submit(gate.job()).await.unwrap().job_id;
        if trial.running(job).await.node.as_ref() == Some(&name) {
            break job;
        }
    };
    eventually_holds("its child runs", async || !children::of_attempt(held, 1).is_empty()).await;
    for position in frozen {
        trial.node(*position).freeze().unwrap();
    }
    trial.cluster.restart(leader).await.unwrap();

    let client = trial.impatient(leader).await;
    let job = client.draw_job_id();
    let refused = client.submit_as(job, JobRequest::new(["true"])).await.expect_err("two of five acknowledge nothing");
    assert_eq!(refused.code(), NO_QUORUM, "{refused}");
    eventually_holds("no renewal is acknowledged, so the warden kills", async || {
        children::of_attempt(held, 1).is_empty()
    })
    .await;
    assert!(trial.node(witness).runs(), "its node went on all the while");

    for position in frozen {
        trial.node(*position).thaw().unwrap();
    }
    gate.open();
    trial.all_have_one_result(&[held]).await;
    assert!(trial.knows_nothing_of(job).await, "what was refused was not done");
    trial.replicas_agree().await;
    trial.stop().await;
}

async fn knows(client: &Client, job: quorla_client::JobId) -> bool {
    client.reading(ReadLevel::Stale).info(job).await.is_ok()
}
