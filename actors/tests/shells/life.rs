//! The life of a job through the actors of one node.

use quorla_actors::{holdings::KillHow, sessions::Conversation};
use quorla_ledger::{
    outcome::{Exit, Failure},
    record::JobState,
    units::Millis,
};
use tokio::sync::{mpsc, watch};

use crate::world::{DRAIN, World};

#[tokio::test]
async fn a_job_is_run_with_all_that_it_names_and_its_end_is_recorded() {
    let mut world = World::new();
    let node = world.node(1).await;
    let job = world.submit("program");
    let attempt = node.kind.until(|_| true).await;
    assert_eq!((attempt.start.order.job, attempt.start.number, attempt.node.as_str()), (job, 1, "node-1"));
    assert_eq!(attempt.start.work.command, ["program"]);
    assert_eq!(attempt.start.work.stdin, b"input");
    let record = world.until_job(job, |record| record.state.placed().is_some()).await;
    let assigned_at = record.state.placed().unwrap().at;
    assert_eq!(attempt.start.deadline, Some(assigned_at.after(Millis(3_600_000))));
    node.kind.finish(attempt.start.order.fence, Exit::Code(0));
    let record = world.until_job(job, |record| record.state.is_ended()).await;
    assert!(matches!(record.state, JobState::Succeeded { .. }));
    assert_eq!(record.attempts_made, 1);
}

#[tokio::test]
async fn one_slot_runs_many_jobs_one_after_the_other() {
    let mut world = World::new();
    let node = world.node(1).await;
    let jobs: Vec<_> = (0..20).map(|_| world.submit("program")).collect();
    for job in jobs {
        let attempt = node.kind.until(|seen| seen.start.order.job == job).await;
        node.kind.finish(attempt.start.order.fence, Exit::Code(0));
        let record = world.until_job(job, |record| record.state.is_ended()).await;
        assert_eq!(record.attempts_made, 1);
    }
}

#[tokio::test]
async fn a_failed_program_fails_its_job_with_its_own_code() {
    let mut world = World::new();
    let node = world.node(1).await;
    let job = world.submit("program");
    let attempt = node.kind.until(|_| true).await;
    node.kind.finish(attempt.start.order.fence, Exit::Code(7));
    let record = world.until_job(job, |record| record.state.is_ended()).await;
    let failure = Failure::Attempt(Exit::Code(7));
    assert!(matches!(record.state, JobState::Failed { failure: found, .. } if found == failure));
}

#[tokio::test]
async fn a_cancelled_job_is_killed_with_its_grace() {
    let mut world = World::new();
    let node = world.node(1).await;
    let job = world.submit("program");
    node.kind.until(|_| true).await;
    world.cancel(job);
    node.kind.until(|seen| seen.kills == [KillHow::WithGrace]).await;
    let record = world.until_job(job, |record| record.state.is_ended()).await;
    assert!(matches!(record.state, JobState::Cancelled { .. }));
}

#[tokio::test]
async fn a_node_that_stops_gives_its_attempts_up_and_leaves() {
    let mut world = World::new();
    let node = world.node(1).await;
    let job = world.submit("program");
    node.kind.until(|_| true).await;
    let actors = node.actors.lock().await.take().unwrap();
    actors.stop(DRAIN).await;
    world.until_up(0).await;
    let record = world.until_job(job, |_| true).await;
    assert!(matches!(record.state, JobState::Queued { .. }), "{:?}", record.state);
    assert_eq!(record.failures, 0, "given up, without a verdict");
    let attempt = node.kind.until(|_| true).await;
    assert_eq!(attempt.kills, [KillHow::WithGrace]);
}

/// A client that stays until it is asked to end, and says what happens.
struct Patient(mpsc::UnboundedSender<&'static str>);

impl Conversation for Patient {
    fn hold(self: Box<Self>, mut ending: watch::Receiver<bool>) -> futures::future::BoxFuture<'static, ()> {
        Box::pin(async move {
            self.0.send("begun").unwrap();
            ending.wait_for(|ending| *ending).await.unwrap();
            self.0.send("ended").unwrap();
        })
    }
}

#[tokio::test]
async fn a_stop_lets_clients_finish_first_and_takes_no_new_ones() {
    let mut world = World::new();
    let node = world.node(1).await;
    let actors = node.actors.lock().await.take().unwrap();
    let door = actors.door();
    let (sender, mut said) = mpsc::unbounded_channel();
    door.open_session(Box::new(Patient(sender.clone()))).unwrap();
    assert_eq!(said.recv().await, Some("begun"));
    actors.stop(DRAIN).await;
    assert_eq!(said.recv().await, Some("ended"));
    assert!(door.open_session(Box::new(Patient(sender))).is_err());
}
