//! The load: every kind of work that a cluster does in a day, each kind by a task of its own, side by side.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use hdrhistogram::Histogram;
use quorla_client::clock::Stopwatch;
use quorla_client::{
    ArrayRequest, Client, Error, FollowFrom, Followed, JobRequest, JobState, ListQuery, Options, OutputStream,
};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::fault::Fault;

const CHATTY_BYTES: usize = 256 * 1_024;
const ARRAY_ITEMS: usize = 100;
const LATENCY_US_MAX: u64 = 600_000_000;
const FAULTS_TOLD: usize = 5;

/// What one round of a kind of work must come to; an error in words.
type Round = for<'a> fn(&'a Context) -> BoxFuture<'a, Result<(), String>>;

/// Each kind of work, and the pause between two rounds of it.
const KINDS: &[(&str, Duration, Round)] = &[
    ("jobs", Duration::from_millis(25), |context| Box::pin(short_job(context))),
    ("jobs", Duration::from_millis(25), |context| Box::pin(short_job(context))),
    ("followed jobs", Duration::from_secs(2), |context| Box::pin(chatty_job(context))),
    ("arrays", Duration::from_secs(10), |context| Box::pin(array(context))),
    ("failing jobs", Duration::from_secs(3), |context| Box::pin(failing_job(context))),
    ("cancelled jobs", Duration::from_secs(3), |context| Box::pin(cancelled_job(context))),
    ("lists", Duration::from_secs(1), |context| Box::pin(list(context))),
    ("connections", Duration::from_secs(1), |context| Box::pin(connection(context))),
];

/// Load that goes on until it is stopped.
pub(super) struct Load {
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
    seen: Arc<Mutex<Told>>,
}

struct Context {
    client: Client,
    options: Options,
    seen: Arc<Mutex<Told>>,
    since: Stopwatch,
}

/// What the load saw.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    /// Rounds that came to what they must.
    pub(super) done: u64,
    pub(super) failed: u64,
    /// The first few faults, in words.
    pub(super) faults: Vec<String>,
    /// When each was taken since the load began, and how long an accepted submit and a whole short job took.
    pub(super) latencies: Vec<(u64, u32, u32)>,
}

impl Load {
    pub(super) async fn start(options: Options) -> Result<Self, Fault> {
        let (stop, stopped) = watch::channel(false);
        let seen = Arc::new(Mutex::new(Told::default()));
        let since = Stopwatch::start();
        let mut tasks = JoinSet::new();
        for &(name, pause, round) in KINDS {
            let client = Client::connect(options.clone()).await?;
            let context = Context { client, options: options.clone(), seen: Arc::clone(&seen), since };
            tasks.spawn(rounds(context, name, pause, round, stopped.clone()));
        }
        Ok(Self { tasks, stop, seen })
    }

    /// A line about what was seen so far.
    pub(super) fn told(&self) -> String {
        let seen = lock(&self.seen);
        format!("{} rounds done, {} failed", seen.done, seen.failed)
    }

    /// Lets every round that has begun come to its end.
    pub(super) async fn stop(mut self) -> Told {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
        lock(&self.seen).clone()
    }
}

async fn rounds(context: Context, name: &str, pause: Duration, round: Round, mut stopped: watch::Receiver<bool>) {
    while !*stopped.borrow() {
        let came = round(&context).await;
        lock(&context.seen).count(name, came);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stopped.changed() => {}
        }
    }
}

async fn short_job(context: &Context) -> Result<(), String> {
    let (client, since) = (&context.client, Stopwatch::start());
    let submitted = client.submit(JobRequest::new(["true"]).queue("soak")).await.map_err(words)?;
    let accepted_us = micros(since);
    let ended = client.wait(submitted.job_id, None).await.map_err(words)?;
    must_be(ended.state, JobState::Succeeded)?;
    lock(&context.seen).latencies.push((context.since.elapsed_ms(), accepted_us, micros(since)));
    Ok(())
}

/// Every byte that it prints must come.
async fn chatty_job(context: &Context) -> Result<(), String> {
    let script = format!("head -c {CHATTY_BYTES} /dev/zero | tr '\\0' x");
    let submitted = context.client.submit(JobRequest::new(["sh", "-c", &script])).await.map_err(words)?;
    let mut output = context.client.follow(submitted.job_id, FollowFrom::default());
    let mut bytes = 0;
    while let Some(told) = output.next().await {
        match told.map_err(words)? {
            Followed::Record(record) if record.stream == OutputStream::Stdout => bytes += record.bytes.as_bytes().len(),
            Followed::Ended(job) => must_be(job.state, JobState::Succeeded)?,
            _ => {}
        }
    }
    if bytes == CHATTY_BYTES { Ok(()) } else { Err(format!("{bytes} bytes came of {CHATTY_BYTES}")) }
}

async fn array(context: &Context) -> Result<(), String> {
    let items = (0..ARRAY_ITEMS).map(|number| format!("item {number}"));
    let request = ArrayRequest::items(JobRequest::new(["echo", "{}"]), items).running_max(4);
    let array = context.client.submit_array(request).await.map_err(words)?.job_id;
    context.client.wait(array, None).await.map_err(words)?;
    let tasks = context.client.array_status(array).await.map_err(words)?.tasks;
    match usize::try_from(tasks.succeeded) {
        Ok(ARRAY_ITEMS) => Ok(()),
        _ => Err(format!("of {ARRAY_ITEMS} tasks {} succeeded", tasks.succeeded)),
    }
}

async fn failing_job(context: &Context) -> Result<(), String> {
    let mut job = JobRequest::new(["sh", "-c", "exit 3"]);
    job.retry.attempts_max = 2;
    let submitted = context.client.submit(job).await.map_err(words)?;
    let ended = context.client.wait(submitted.job_id, None).await.map_err(words)?;
    must_be(ended.state, JobState::Failed)
}

async fn cancelled_job(context: &Context) -> Result<(), String> {
    let submitted = context.client.submit(JobRequest::new(["sleep", "3600"])).await.map_err(words)?;
    context.client.cancel(submitted.job_id).await.map_err(words)?;
    let ended = context.client.wait(submitted.job_id, None).await.map_err(words)?;
    must_be(ended.state, JobState::Cancelled)
}

async fn list(context: &Context) -> Result<(), String> {
    let page = context.client.list(ListQuery { limit: Some(100), ..ListQuery::default() }).await.map_err(words)?;
    if page.jobs.is_empty() { Err("the list is empty".to_owned()) } else { Ok(()) }
}

async fn connection(context: &Context) -> Result<(), String> {
    let client = Client::connect(context.options.clone()).await.map_err(words)?;
    client.status().await.map(drop).map_err(words)
}

fn must_be(state: JobState, expected: JobState) -> Result<(), String> {
    if state == expected { Ok(()) } else { Err(format!("it ended as {state}, not as {expected}")) }
}

fn words(error: Error) -> String {
    error.to_string()
}

fn micros(since: Stopwatch) -> u32 {
    u32::try_from(since.elapsed().as_micros()).unwrap_or(u32::MAX)
}

fn lock(seen: &Mutex<Told>) -> std::sync::MutexGuard<'_, Told> {
    seen.lock().expect("nothing panics while it holds this")
}

impl Told {
    fn count(&mut self, name: &str, came: Result<(), String>) {
        match came {
            Ok(()) => self.done += 1,
            Err(why) => {
                self.failed += 1;
                if self.faults.len() < FAULTS_TOLD {
                    self.faults.push(format!("{name}: {why}"));
                }
            }
        }
    }

    /// Microseconds that half and that 99 in a hundred of what was taken within these milliseconds stayed below: of accepted
    /// submits, and of whole short jobs.
    pub(super) fn latencies(&self, within_ms: std::ops::Range<u64>) -> [[u64; 2]; 2] {
        let (mut submits, mut wholes) = (histogram(), histogram());
        for (_, submit, whole) in self.latencies.iter().filter(|(at, ..)| within_ms.contains(at)) {
            submits.saturating_record(u64::from(*submit));
            wholes.saturating_record(u64::from(*whole));
        }
        [submits, wholes].map(|of| [of.value_at_quantile(0.5), of.value_at_quantile(0.99)])
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(LATENCY_US_MAX, 3)
        .expect("three digits up to ten minutes are within what a histogram can hold")
}
