//! What holds for jobs of a cluster that nothing goes wrong in.

use quorla_client::JobRequest;
use quorla_tests::trial::{Trial, settings};

#[tokio::test]
async fn five_hundred_jobs_have_one_result_each() {
    let trial = Trial::start(settings(3)).await;
    let outcomes = trial.client.submit_many((0..500).map(|_| JobRequest::new(["/bin/true"]))).await;
    let jobs: Vec<_> = outcomes.into_iter().map(|outcome| outcome.unwrap().job_id).collect();
    assert_eq!(jobs.len(), 500);
    trial.all_have_one_result(&jobs).await;
    trial.replicas_agree().await;
    trial.stop().await;
}
