//! Jobs, arrays and queues held and let go on, across the death of the leader; queues and jobs listed by what is said of them.

use quorla_client::{
    ArrayRequest, Client, JobId, JobRequest, JobState, ListOrder, ListQuery, PauseTerms, QueueView, TaskItems,
};
use quorla_tests::command::Shell;
use quorla_tests::eventually::{eventually, eventually_holds};
use quorla_tests::gate::Gate;
use quorla_tests::trial::{Trial, settings, with_short_leases};
use serde_json::Value;

fn in_queue(queue: &str) -> JobRequest {
    let mut job = JobRequest::new(["true"]);
    queue.clone_into(&mut job.queue);
    job
}

fn because(reason: &str) -> PauseTerms {
    PauseTerms { reason: Some(reason.to_owned()), idempotency_key: None }
}

async fn submit(client: &Client, job: JobRequest) -> JobId {
    client.submit(job).await.unwrap().job_id
}

async fn queue(client: &Client, name: &str) -> QueueView {
    client.queue(name).await.unwrap()
}

#[tokio::test]
async fn what_is_paused_stays_so_over_a_killed_leader_and_starts_when_resumed() {
    let mut trial = Trial::start(with_short_leases(settings(3))).await;
    let client = trial.client.clone();
    let paused = client.pause_queue("batch", because("the database is down")).await.unwrap();
    assert!(paused.paused.is_some(), "{paused:?}");
    let of_queue = submit(&client, in_queue("batch")).await;
    let mut later = in_queue("default");
    later.not_before_ms = Some(client.server_ms() + 3_600_000);
    let held = submit(&client, later).await;
    client.pause_job(held, because("not today")).await.unwrap();
    let tasks = ArrayRequest { job: in_queue("batch-2"), tasks: TaskItems::Range(0, 2), running_max: None };
    client.pause_queue("batch-2", PauseTerms::default()).await.unwrap();
    let array = client.submit_array(tasks).await.unwrap().job_id;
    client.pause_job(array, PauseTerms::default()).await.unwrap();
    client.resume_queue("batch-2", PauseTerms::default()).await.unwrap();

    let leader = trial.leader().await;
    trial.node(leader).kill().await.unwrap();
    let others = submit(&client, in_queue("quick")).await;
    trial.all_have_one_result(&[others]).await;
    trial.cluster.restart(leader).await.unwrap();

    assert_eq!(client.info(of_queue).await.unwrap().state, JobState::Queued);
    let why = client.explain(of_queue).await.unwrap();
    let pause = why.queue_paused.as_ref().expect("its queue is still paused");
    assert_eq!(pause.reason.as_deref(), Some("the database is down"));
    assert!(why.why.contains("its queue is paused by"), "{}", why.why);
    let view = queue(&client, "batch").await;
    assert_eq!((view.waiting, view.running, view.paused.is_some()), (1, 0, true), "{view:?}");
    let status = client.array_status(array).await.unwrap();
    assert_eq!((status.tasks.queued, status.paused.is_some()), (3, true), "{status:?}");
    assert_eq!(client.info(held).await.unwrap().paused.unwrap().reason.as_deref(), Some("not today"));

    client.resume_queue("batch", PauseTerms::default()).await.unwrap();
    client.resume_job(array, PauseTerms::default()).await.unwrap();
    trial.all_have_one_result(&[of_queue]).await;
    assert_eq!(client.wait(array, Some(60_000)).await.unwrap().state, JobState::Succeeded);
    client.cancel(held).await.unwrap();
    trial.replicas_agree().await;
    trial.stop().await;
}

#[tokio::test]
async fn a_running_job_is_held_after_its_attempt_and_its_history_says_so() {
    let trial = Trial::start(settings(1)).await;
    let (client, gate) = (&trial.client, Gate::closed());
    let mut fails = gate.job();
    fails.command = vec!["sh".into(), "-c".into(), format!("{}\nexit 3", fails.command[2])];
    fails.retry.attempts_max = 2;
    fails.retry.backoff = quorla_client::Backoff::Fixed { delay_ms: 0 };
    let job = submit(client, fails).await;
    trial.running(job).await;
    let paused = client.pause_job(job, because("look first")).await.unwrap();
    assert_eq!((paused.paused, paused.state), (true, JobState::Running));
    gate.open();
    let view = eventually("its attempt ends, and none follows", async || {
        client.info(job).await.ok().filter(|view| view.state == JobState::Queued)
    });
    let view = view.await;
    assert_eq!(view.attempts_total, 1, "{view:?}");
    assert!(view.reason.as_deref().is_some_and(|why| why.contains("look first")), "{view:?}");
    client.resume_job(job, PauseTerms::default()).await.unwrap();
    assert_eq!(trial.ended(job).await.attempts_total, 2);
    let history = client.history(job).await.unwrap();
    let kinds: Vec<&str> = history.events.iter().map(|event| event.kind.as_str()).collect();
    assert!(kinds.contains(&"job_paused") && kinds.contains(&"job_resumed"), "{kinds:?}");
    let refused = client.pause_job(job, PauseTerms::default()).await.unwrap_err();
    assert_eq!(refused.code(), "job_has_ended", "{refused}");
    trial.stop().await;
}

async fn told(shell: &Shell, words: &[&str], code: i32) -> Value {
    let output = shell.run(&[words, &["-o", "json"]].concat()).output().await.unwrap();
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn the_command_line_holds_lists_and_resumes() {
    let trial = Trial::start(settings(1)).await;
    let shell = Shell::of(&trial);
    let client = &trial.client;
    let would = told(&shell, &["queue", "pause", "batch", "--dry-run"], 0).await;
    assert!(would["paused"].is_null() && queue(client, "batch").await.paused.is_none(), "{would}");
    let paused = told(&shell, &["queue", "pause", "batch", "--reason", "a release"], 0).await;
    assert_eq!(paused["paused"]["reason"], "a release", "{paused}");
    let job = submit(client, in_queue("batch")).await;
    let listed = told(&shell, &["queue", "list"], 0).await;
    let row = &listed["queues"][0];
    assert_eq!((&row["name"], &row["waiting"]), (&Value::from("batch"), &Value::from(1)), "{listed}");
    assert!(row["oldest_waiting_ms"].as_u64() <= listed["now_ms"].as_u64() && row["oldest_waiting_ms"].is_u64());
    eventually_holds("the leader counts the submit", async || {
        queue(client, "batch").await.flow.is_some_and(|flow| flow.submitted == 1 && flow.since_leading)
    })
    .await;

    let id = job.to_string();
    let held = told(&shell, &["job", "pause", &id, "--reason", "me too"], 0).await;
    assert_eq!((&held["paused"], &held["state"]), (&Value::from(true), &Value::from("queued")), "{held}");
    let rows = shell.run(&["job", "list"]).output().await.unwrap();
    assert!(String::from_utf8(rows.stdout).unwrap().contains("queued, paused"));
    let view = queue(client, "batch").await;
    assert_eq!((view.waiting, view.held), (0, 1), "{view:?}");
    told(&shell, &["queue", "resume", "batch"], 0).await;
    assert_eq!(client.info(job).await.unwrap().state, JobState::Queued, "it is held itself");
    told(&shell, &["job", "resume", &id], 0).await;
    trial.all_have_one_result(&[job]).await;
    let task = shell.run(&["job", "pause", &format!("{}/0", array(client).await)]).output().await.unwrap();
    assert_eq!(task.status.code(), Some(2), "{task:?}");
    assert!(String::from_utf8(task.stderr).unwrap().contains("quorla array pause"));
    trial.stop().await;
}

async fn array(client: &Client) -> JobId {
    let tasks = ArrayRequest { job: in_queue("arrays"), tasks: TaskItems::Range(0, 0), running_max: None };
    client.submit_array(tasks).await.unwrap().job_id
}

#[tokio::test]
async fn jobs_are_listed_by_what_is_said_of_them() {
    let trial = Trial::start(settings(1)).await;
    let (client, shell) = (&trial.client, Shell::of(&trial));
    let mut jobs = Vec::new();
    for (queue, team) in [("a", "x"), ("b", "x"), ("a", "y"), ("a", "x")] {
        let mut job = in_queue(queue);
        job.labels.insert("team".into(), team.into());
        // Ids of one millisecond are in no order of their own.
        let later = jobs.last().map_or(0, |job: &JobId| job.time_ms() + 1);
        eventually_holds("time passes", async || client.server_ms() > later).await;
        jobs.push(submit(client, job).await);
    }
    trial.all_have_one_result(&jobs).await;
    let [first, second, third, fourth] = jobs[..] else { unreachable!("four were submitted") };
    let labels = [("team".to_owned(), "x".to_owned())].into();
    let a_of_x = ListQuery { queue: Some("a".into()), labels, ..ListQuery::default() };
    check(client, &a_of_x, &[fourth, first]).await;
    check(client, &ListQuery { order: ListOrder::Oldest, ..a_of_x.clone() }, &[first, fourth]).await;
    let between =
        ListQuery { since_ms: Some(second.time_ms()), until_ms: Some(fourth.time_ms()), ..ListQuery::default() };
    check(client, &between, &[third, second]).await;
    let node = Some(trial.cluster.nodes()[0].name.clone());
    let all = ListQuery { node, states: vec![JobState::Succeeded], ..ListQuery::default() };
    check(client, &all, &[fourth, third, second, first]).await;
    let stranger = ListQuery { node: Some("nobody".into()), ..ListQuery::default() };
    assert_eq!(client.list(stranger).await.unwrap_err().code(), "not_found");

    let pages = ListQuery { limit: Some(1), order: ListOrder::Oldest, ..ListQuery::default() };
    let one = client.list(pages.clone()).await.unwrap();
    let next = client.list(ListQuery { cursor: one.next.clone(), ..pages }).await.unwrap();
    assert_eq!([one.jobs[0].id, next.jobs[0].id], [first, second]);
    let words = ["job", "list", "--oldest", "--since", "1h", "--label", "team=x", "--limit", "2", "-o", "id"];
    let listed = shell.run(&words).output().await.unwrap();
    assert_eq!(String::from_utf8(listed.stdout).unwrap(), format!("{first}\n{second}\n"));
    trial.stop().await;
}

async fn check(client: &Client, query: &ListQuery, expected: &[JobId]) {
    let page = client.list(query.clone()).await.unwrap();
    assert_eq!(page.jobs.iter().map(|job| job.id).collect::<Vec<_>>(), expected, "{query:?}");
}
