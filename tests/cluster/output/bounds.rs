//! Output beyond its bounds, and output that can't be written: the oldest goes, or the attempt does, never the node.

use std::path::Path;

use futures::StreamExt as _;
use quorla_client::{AttemptOutcome, Client, FollowFrom, Followed, GapReason, JobId, JobRequest, JobState, OutputGap};
use quorla_tests::trial::{Trial, settings, with};

const PER_JOB_BYTES: u64 = 1 << 20;

fn kept_bytes(trial: &Trial) -> u64 {
    let directory = trial.cluster.nodes()[0].data_dir.join("output");
    let files = std::fs::read_dir(directory).unwrap().flatten();
    files.map(|file| file.metadata().unwrap().len()).sum()
}

/// Every byte that a job's output has, and the gaps in it.
async fn output(client: &Client, job: JobId) -> (Vec<u8>, Vec<OutputGap>) {
    let (mut bytes, mut gaps) = (Vec::new(), Vec::new());
    let mut following = client.follow(job, FollowFrom::default());
    while let Some(followed) = following.next().await {
        match followed.unwrap() {
            Followed::Record(record) => bytes.extend(record.bytes.as_bytes()),
            Followed::Gap(gap) => gaps.push(gap),
            Followed::AttemptEnded { .. } | Followed::CaughtUp | Followed::Ended(_) => {}
        }
    }
    (bytes, gaps)
}

async fn run(trial: &Trial, script: &str) -> JobId {
    let job = trial.client.submit(JobRequest::new(["sh", "-c", script])).await.unwrap().job_id;
    trial.ended(job).await;
    job
}

#[tokio::test]
async fn a_job_that_prints_a_gibibyte_keeps_the_newest_and_succeeds() {
    let trial = Trial::start(with(settings(1), "QUORLA__LIMITS__OUTPUT_PER_JOB", "1MiB")).await;
    let job = run(&trial, "head -c 1073741824 /dev/zero; printf %s end").await;
    assert_eq!(trial.client.info(job).await.unwrap().state, JobState::Succeeded);
    assert!(kept_bytes(&trial) <= PER_JOB_BYTES, "{}", kept_bytes(&trial));
    let (bytes, gaps) = output(&trial.client, job).await;
    let [gap] = gaps.as_slice() else { panic!("{gaps:?}") };
    assert!(matches!(gap, OutputGap { from: 1, until: Some(_), reason: GapReason::Expired, .. }), "{gap:?}");
    assert!(bytes.ends_with(b"\0end") && bytes.len() > (PER_JOB_BYTES / 2).try_into().unwrap(), "{}", bytes.len());
    trial.stop().await;
}

#[tokio::test]
async fn a_line_of_a_hundred_megabytes_is_output_as_any_other() {
    let trial = Trial::start(with(settings(1), "QUORLA__LIMITS__OUTPUT_PER_JOB", "200MiB")).await;
    let job = run(&trial, "head -c 100000000 /dev/zero | tr '\\0' x; echo").await;
    let (bytes, gaps) = output(&trial.client, job).await;
    assert_eq!((bytes.len(), gaps.len()), (100_000_001, 0));
    assert!(bytes[..100_000_000].iter().all(|byte| *byte == b'x') && bytes.ends_with(b"\n"));
    trial.stop().await;
}

#[tokio::test]
async fn a_reader_that_reads_nothing_holds_up_neither_its_job_nor_another_reader() {
    let trial = Trial::start(settings(1)).await;
    let script = "head -c 20000000 /dev/zero";
    let job = trial.client.submit(JobRequest::new(["sh", "-c", script])).await.unwrap().job_id;
    let mut idle = trial.client.follow(job, FollowFrom::default());
    idle.next().await.unwrap().unwrap();
    trial.ended(job).await;
    let (bytes, gaps) = output(&trial.client, job).await;
    assert_eq!((bytes.len(), gaps.len()), (20_000_000, 0));
    drop(idle);
    trial.stop().await;
}

#[tokio::test]
async fn output_that_cannot_be_written_ends_its_attempt_with_that_reason_and_not_the_node() {
    let mut trial = Trial::start(with(settings(1), "QUORLA_FAILPOINTS", "output.write=error@3")).await;
    let endless = JobRequest::new(["sh", "-c", "while :; do echo again; sleep 0.01; done"]);
    let job = trial.client.submit(endless).await.unwrap().job_id;
    let view = trial.ended(job).await;
    assert_eq!((view.state, view.attempts[0].outcome), (JobState::Failed, AttemptOutcome::OutputFailed), "{view:?}");
    let reason = view.reason.unwrap();
    assert_eq!(reason, "its node could not write its output: failpoint output.write");
    assert!(trial.node(0).runs());
    let (bytes, gaps) = output(&trial.client, job).await;
    assert_eq!(bytes, b"again\nagain\n", "what was written before is kept");
    assert!(
        matches!(gaps.as_slice(), [OutputGap { from: 3, until: None, reason: GapReason::EndUnknown, .. }]),
        "{gaps:?}"
    );
    let later = run(&trial, "echo fine").await;
    assert_eq!(output(&trial.client, later).await, (b"fine\n".to_vec(), Vec::new()));
    trial.stop().await;
}

#[tokio::test]
async fn jobs_that_print_nothing_leave_nothing() {
    let trial = Trial::start(settings(1)).await;
    for _ in 0..5 {
        run(&trial, "true").await;
    }
    let files = |path: &Path| std::fs::read_dir(path).unwrap().count();
    assert_eq!(files(&trial.cluster.nodes()[0].data_dir.join("output")), 0);
    trial.stop().await;
}
