//! One key, one job (I2), and one job however often a submit had to be repeated because its reply was lost (R9, R10).

use quorla_client::{Client, Error, ErrorCode, JobRequest, ListQuery, Options};
use quorla_tests::eventually::eventually_holds;
use quorla_tests::relay::Relay;
use quorla_tests::trial::{Trial, settings};

#[tokio::test]
async fn one_submit_is_one_job_whatever_becomes_of_its_reply() {
    let trial = Trial::start(settings(3)).await;
    the_same_key_gives_the_same_job_and_another_content_a_conflict(&trial).await;
    a_lost_reply_asked_for_again_gives_one_job(&trial).await;
    a_caller_that_was_lost_finds_its_job_by_the_key(&trial).await;
    trial.replicas_agree().await;
    trial.stop().await;
}

async fn the_same_key_gives_the_same_job_and_another_content_a_conflict(trial: &Trial) {
    let job = |word: &str| JobRequest::new(["echo", word]).name("keyed").idempotency_key("one");
    let first = trial.client.submit(job("a")).await.unwrap();
    let again = trial.client.submit(job("a")).await.unwrap();
    assert_eq!((again.job_id, first.existing, again.existing), (first.job_id, false, true));
    let conflict = trial.client.submit(job("b")).await.expect_err("another content under the key");
    assert!(matches!(conflict, Error::Refused(_)), "{conflict}");
    assert_eq!(conflict.code(), ErrorCode::IdempotencyConflict.as_str());
    assert_eq!(jobs_named(trial, "keyed").await, 1);
    trial.all_have_one_result(&[first.job_id]).await;
}

async fn a_lost_reply_asked_for_again_gives_one_job(trial: &Trial) {
    let (relay, options) = relayed(trial).await;
    let client = Client::connect(options).await.unwrap();
    let job = client.draw_job_id();
    relay.lose_replies(true);
    let submitted = tokio::spawn({
        let client = client.clone();
        async move { client.submit_as(job, JobRequest::new(["true"]).name("repeated")).await }
    });
    eventually_holds("the job is there, its reply is not", async || trial.client.info(job).await.is_ok()).await;
    assert!(relay.lost() > 0 && !submitted.is_finished());
    relay.lose_replies(false);
    assert_eq!(submitted.await.unwrap().unwrap().job_id, job);
    assert_eq!(jobs_named(trial, "repeated").await, 1);
    trial.all_have_one_result(&[job]).await;
}

async fn a_caller_that_was_lost_finds_its_job_by_the_key(trial: &Trial) {
    let (relay, mut options) = relayed(trial).await;
    options.rules.give_up_after_ms = 1;
    let client = Client::connect(options).await.unwrap();
    let wanted = JobRequest::new(["true"]).name("found").idempotency_key("two");
    relay.lose_replies(true);
    let job = client.draw_job_id();
    let unknown = client.submit_as(job, wanted.clone()).await.expect_err("no reply came back");
    assert!(matches!(&unknown, Error::OutcomeUnknown { job: Some(of), .. } if *of == job), "{unknown}");
    drop(client);
    eventually_holds("the job is there", async || trial.client.info(job).await.is_ok()).await;
    let found = trial.client.submit(wanted).await.unwrap();
    assert_eq!((found.job_id, found.existing), (job, true));
    assert_eq!(jobs_named(trial, "found").await, 1);
    trial.all_have_one_result(&[job]).await;
}

/// A relay to the leader, and options for a client behind it that soon takes a reply for lost.
async fn relayed(trial: &Trial) -> (Relay, Options) {
    let mut options = trial.options_of(trial.leader().await);
    let relay = Relay::to(&options.addresses[0]).await;
    options.addresses = vec![relay.address()];
    options.try_timeout_ms = 500;
    (relay, options)
}

async fn jobs_named(trial: &Trial, name: &str) -> usize {
    let query = ListQuery { name_prefix: Some(name.to_owned()), ..ListQuery::default() };
    trial.client.list(query).await.unwrap().jobs.len()
}
