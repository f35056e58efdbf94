//! The client: one value, cheap to clone, safe to share, that keeps one connection and repeats what may be repeated.
//!
//! Here live set-up and the loop around the pure retry step; the calls lie beside, sorted by what they are about.

mod arrays;
mod cluster;
mod follow;
mod jobs;
mod patience;
mod queues;
mod submit;

pub use cluster::DrainTerms;
pub use follow::{Follow, FollowFrom, Followed};
pub use queues::PauseTerms;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;

use crate::clock::{Stopwatch, wall_ms};
use crate::codec::encode_body;
use crate::connection::{Connection, Dialer, ExchangeError, Lane};
use crate::error::Error;
use crate::ids::{JobId, RequestId};
use crate::keeper::Keeper;
use crate::limits::RETRY_MS_MAX;
use crate::options::Options;
use crate::refusal::{ErrorBody, ErrorCode};
use crate::reply::{Reply, Response, Welcome};
use crate::request::{ReadLevel, Request};
use crate::retry::{GiveUp, RetryRules, Route, Step, Tries, TryOutcome};
use crate::stall::{STALLS_AFTER, Stall};

/// Beyond the time to try, so long for an answer that is on its way.
const LAST_ANSWER_MAX: Duration = Duration::from_millis(250);

/// A client of one cluster.
///
/// ```no_run
/// # async fn example() -> Result<(), quorla_client::Error> {
/// use quorla_client::{Client, JobRequest, Options};
///
/// let client = Client::connect(Options::from_env()?).await?;
/// let job = client.run(JobRequest::new(["echo", "hi"])).await?;
/// println!("{} {}", job.id, job.state);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    inner: Arc<Inner>,
    read: ReadLevel,
}

#[derive(Debug)]
struct Inner {
    keeper: Keeper,
    options: Options,
    applied_index: AtomicU64,
}

/// One request on its way, encoded once.
struct Call {
    body: Bytes,
    attempted: &'static str,
    lane: Lane,
    timeout: Duration,
    job: Option<JobId>,
}

/// What one try gave.
enum Tried {
    Answered(Response),
    /// With the error to give up with where the server does not want this client at all.
    NotAnswered {
        outcome: TryOutcome<String>,
        reason: String,
        rejected: Option<Error>,
    },
}

impl Client {
    /// Connects to any of the addresses and from there to the leader.
    ///
    /// # Errors
    /// [`Error::Setup`] when the options make no client, [`Error::HandshakeRefused`] when client and server do not
    /// trust each other, [`Error::Unavailable`] when no server answers in time.
    pub async fn connect(options: Options) -> Result<Self, Error> {
        let dialer = Dialer::new(&options.credentials, options.agent.clone())?;
        let keeper = Keeper::start(dialer, &options);
        let read = options.read;
        let rules = RetryRules { give_up_after_ms: options.connect_timeout_ms, ..options.rules };
        let client = Self { inner: Arc::new(Inner { keeper, options, applied_index: AtomicU64::new(0) }), read };
        client.first_connection(rules).await?;
        Ok(client)
    }

    /// The same client, whose reads are as fresh as this.
    #[must_use]
    pub fn reading(&self, read: ReadLevel) -> Self {
        Self { inner: Arc::clone(&self.inner), read }
    }

    /// The highest applied index that any reply carried (R13): a read `AtLeast` it sees what this client has seen.
    #[must_use]
    pub fn applied_index(&self) -> u64 {
        self.inner.applied_index.load(Ordering::Relaxed)
    }

    /// A fresh job id, by the server's clock.
    #[must_use]
    pub fn draw_job_id(&self) -> JobId {
        JobId::from_parts(self.server_ms(), rand::random())
    }

    /// So many fresh job ids that rise, so that jobs submitted together are listed in their order. All bear the same time:
    /// only their random parts are sorted, which are as far apart as ever.
    #[must_use]
    pub fn draw_job_ids(&self, count: usize) -> Vec<JobId> {
        let now_ms = self.server_ms();
        let mut ids: Vec<JobId> = (0..count).map(|_| JobId::from_parts(now_ms, rand::random())).collect();
        ids.sort_unstable_by_key(|id| id.as_u128());
        ids
    }

    /// A fresh id of an array, by the server's clock.
    #[must_use]
    pub fn draw_array_id(&self) -> JobId {
        JobId::array_from_parts(self.server_ms(), rand::random())
    }

    /// A fresh request id, by the server's clock.
    #[must_use]
    pub fn draw_request_id(&self) -> RequestId {
        RequestId::from_parts(self.server_ms(), rand::random())
    }

    /// The server's time in milliseconds since 1970, as far as this machine can tell.
    #[must_use]
    pub fn server_ms(&self) -> u64 {
        wall_ms().saturating_add_signed(self.inner.keeper.clock_offset_ms())
    }

    /// What the server that this client is connected to said of itself, connecting anew when needed.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::HandshakeRefused`].
    pub async fn welcome(&self) -> Result<Welcome, Error> {
        let rules = self.inner.options.rules;
        self.first_connection(rules).await.map(|connection| connection.welcome.clone())
    }

    async fn first_connection(&self, rules: RetryRules) -> Result<Arc<Connection>, Error> {
        let mut tries = Tries::new(rules, false);
        let since = Stopwatch::start();
        loop {
            let error = match self.inner.keeper.connection(None, Route::Same).await {
                Ok(connection) => return Ok(connection),
                Err(error) => error,
            };
            if let Some(error) = error.rejection() {
                return Err(error);
            }
            match tries.next(TryOutcome::<String>::NotSent, since.elapsed_ms(), rand::random()) {
                Step::Retry { after_ms, .. } => tokio::time::sleep(Duration::from_millis(after_ms)).await,
                _ => return Err(self.unavailable("connect", error.to_string())),
            }
        }
    }

    /// Sends a request until it is done, refused, or there is no more time.
    async fn call(&self, request: &Request, job: Option<JobId>) -> Result<Reply, Error> {
        let mut tries = Tries::new(self.rules(), request.is_mutating());
        self.call_with(request, job, &mut tries).await
    }

    /// The same; the tries show afterwards whether the outcome of one of them was unknown.
    async fn call_with(&self, request: &Request, job: Option<JobId>, tries: &mut Tries) -> Result<Reply, Error> {
        let body = encode_body(request).map_err(|error| {
            let message = format!("{}: {error}", request.describe());
            ErrorBody::new(ErrorCode::LimitExceeded, message).hint("Send less in one request.")
        })?;
        let (lane, extra_ms) = request.wait_ms().map_or((Lane::Prompt, 0), |wait_ms| (Lane::Waiting, wait_ms));
        let timeout = Duration::from_millis(self.inner.options.try_timeout_ms.saturating_add(extra_ms));
        self.repeat(&Call { body, attempted: request.describe(), lane, timeout, job }, tries).await
    }

    /// Tells, once, that a call stalls: a prompt one that has no answer, or one that keeps failing.
    async fn repeat(&self, call: &Call, tries: &mut Tries) -> Result<Reply, Error> {
        let Some(on_stall) = &self.inner.options.on_stall else {
            return self.try_until_done(call, tries, &|_| {}).await;
        };
        let told = AtomicBool::new(false);
        let give_up_after_ms = self.rules().give_up_after_ms;
        let tell = |elapsed_ms: u64| {
            if !told.swap(true, Ordering::Relaxed) {
                let tries_on_ms = give_up_after_ms.saturating_sub(elapsed_ms);
                on_stall.tell(Stall { attempted: call.attempted, tries_on_ms });
            }
        };
        let trying = self.try_until_done(call, tries, &tell);
        tokio::pin!(trying);
        tokio::select! {
            done = &mut trying => return done,
            () = tokio::time::sleep(STALLS_AFTER), if matches!(call.lane, Lane::Prompt) => {
                tell(u64::try_from(STALLS_AFTER.as_millis()).unwrap_or(u64::MAX));
            }
        }
        trying.await
    }

    async fn try_until_done(
        &self,
        call: &Call,
        tries: &mut Tries,
        stalls: &(dyn Fn(u64) + Sync),
    ) -> Result<Reply, Error> {
        let since = Stopwatch::start();
        let mut failing: Option<Stopwatch> = None;
        let mut last = None;
        let mut route = Route::Same;
        loop {
            let tried = self.try_once(call, &mut last, route, since.elapsed()).await;
            let (outcome, reason) = match tried {
                Tried::Answered(Response { outcome: Ok(reply), .. }) => return Ok(reply),
                Tried::Answered(Response { outcome: Err(body), .. }) => (self.outcome_of(&body), Ok(body)),
                Tried::NotAnswered { rejected: Some(error), .. } if !tries.was_unknown() => return Err(error),
                Tried::NotAnswered { outcome, reason, .. } => (outcome, Err(reason)),
            };
            match tries.next(outcome, since.elapsed_ms(), rand::random()) {
                Step::Retry { after_ms, to } => {
                    if failing.get_or_insert_with(Stopwatch::start).elapsed() > STALLS_AFTER {
                        stalls(since.elapsed_ms());
                    }
                    tokio::time::sleep(Duration::from_millis(after_ms)).await;
                    route = to;
                }
                Step::GiveUp(kind) => return Err(self.give_up(kind, call, reason)),
                Step::Finish => unreachable!("a try that is done returned its reply"),
            }
        }
    }

    async fn try_once(
        &self,
        call: &Call,
        last: &mut Option<Arc<Connection>>,
        route: Route<String>,
        elapsed: Duration,
    ) -> Tried {
        let connection = match self.inner.keeper.connection(last.clone(), route).await {
            Ok(connection) => connection,
            Err(error) => {
                let (reason, rejected) = (error.to_string(), error.rejection());
                return Tried::NotAnswered { outcome: TryOutcome::NotSent, reason, rejected };
            }
        };
        let timeout = match self.inner.options.cuts_last_try && matches!(call.lane, Lane::Prompt) {
            true => call.timeout.min(self.left(elapsed)),
            false => call.timeout,
        };
        let answer = connection.exchange(call.body.clone(), call.lane, timeout).await;
        *last = Some(connection);
        match answer {
            Ok(response) => {
                self.inner.applied_index.fetch_max(response.applied_index, Ordering::Relaxed);
                Tried::Answered(response)
            }
            Err(error) => {
                let outcome = match error {
                    ExchangeError::NotSent { .. } => TryOutcome::NotSent,
                    ExchangeError::Lost { .. } | ExchangeError::TimedOut { .. } => TryOutcome::Unknown,
                };
                Tried::NotAnswered { outcome, reason: error.to_string(), rejected: None }
            }
        }
    }

    fn outcome_of(&self, body: &ErrorBody) -> TryOutcome<String> {
        let outcome = body.outcome();
        match outcome {
            // A client that stays with one node does not follow.
            TryOutcome::NotLeader { .. } if !self.inner.options.follow_leader => {
                TryOutcome::NotNow { retry_after_ms: body.retry_after_ms }
            }
            outcome => outcome,
        }
    }

    fn give_up(&self, kind: GiveUp, call: &Call, reason: Result<ErrorBody, String>) -> Error {
        let attempted = call.attempted;
        match (kind, reason) {
            (GiveUp::Refused, Ok(body)) => body.into(),
            (GiveUp::Unknown, reason) => Error::OutcomeUnknown { attempted, reason: words(reason), job: call.job },
            (GiveUp::NotNow, Ok(body)) => Error::NotNow(Box::new(body)),
            (_, reason) => self.unavailable(attempted, words(reason)),
        }
    }

    fn unavailable(&self, attempted: &'static str, reason: String) -> Error {
        Error::Unavailable { attempted, addresses: self.inner.options.addresses.join(", "), reason }
    }

    /// What is left of the time to try, with the moment that the last answer may take.
    fn left(&self, elapsed: Duration) -> Duration {
        let whole = Duration::from_millis(self.rules().give_up_after_ms);
        whole.saturating_sub(elapsed) + LAST_ANSWER_MAX
    }

    fn rules(&self) -> RetryRules {
        let rules = self.inner.options.rules;
        RetryRules { give_up_after_ms: rules.give_up_after_ms.min(RETRY_MS_MAX), ..rules }
    }
}

fn words(reason: Result<ErrorBody, String>) -> String {
    reason.map_or_else(|text| text, |body| body.to_string())
}

fn foreign(request: &Request) -> Error {
    Error::ForeignReply { attempted: request.describe() }
}

/// Calls, and takes the one kind of reply that fits.
macro_rules! call_for {
    ($client:expr, $request:expr, $job:expr, $reply:path) => {{
        let request = $request;
        match $client.call(&request, $job).await? {
            $reply(value) => Ok(value),
            _ => Err($crate::client::foreign(&request)),
        }
    }};
}
use call_for;
