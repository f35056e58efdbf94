//! What a client asks, done: requests become commands or reads, replies and refusals become answers.
//!
//! One typed dispatch for every encoding. Owns nothing but the wiring: the ledger decides, the consensus orders. Upholds
//! R9 (three outcomes) and R13 (how fresh a read is).

mod array;
mod cluster;
pub mod convert;
mod drain;
mod ended;
mod explain;
mod flow;
mod follow;
mod inspections;
mod job;
mod list;
mod measured;
mod node;
mod pause;
mod queues;
mod reading;
pub mod refuse;
mod sightings;
mod submit;
mod told;
mod view;
mod waiting;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use quorla_client::{ErrorBody, ErrorCode, ReadLevel, Reply, Request, Response};
use quorla_consensus::{Consensus, ProposeError, ReadError};
use quorla_ledger::ids::Principal;
use tokio::{
    sync::{Semaphore, watch},
    time::Instant,
};

use crate::{gossip::Members, guard::SubmitGate, identity::KeyId, link::ClusterLink, metrics, output::Output};

use ended::Ended;
use flow::Flows;
use inspections::Inspections;
use reading::Reading;
use sightings::Sightings;

/// Long looks at the state at once: each occupies a thread.
const LOOKS_MAX: usize = 8;

/// Why nothing is read or changed without a leader, and what to do then.
const NO_LEADER: &str = "no leader that a majority follows could be reached";
const NO_LEADER_HINT: &str =
    "See which nodes answer: quorla cluster status. Without a majority of them nothing goes on.";

/// Answers requests of clients. Clones share it.
#[derive(Clone)]
pub struct Dispatch {
    consensus: Consensus,
    members: watch::Receiver<Members>,
    inspections: Arc<Inspections>,
    sightings: Arc<Sightings>,
    output: Output,
    about: Arc<About>,
    ended: Arc<Ended>,
    flows: Arc<Flows>,
    looks: Arc<Semaphore>,
    room: SubmitGate,
    closing: Arc<AtomicBool>,
}

/// What the answering node says of itself.
#[derive(Clone, Debug)]
pub struct About {
    /// The cluster's id as text.
    pub cluster_id: String,
    /// The cluster's name.
    pub cluster_name: String,
    /// This node's key: its identity, which a name is not.
    pub key: KeyId,
    /// This node's name.
    pub node: String,
    /// Where clients reach it.
    pub address: String,
    /// Where its HTTP server is.
    pub http_address: String,
}

impl Dispatch {
    /// A dispatch over a running consensus.
    pub fn new(
        consensus: Consensus,
        members: watch::Receiver<Members>,
        link: ClusterLink,
        output: Output,
        room: SubmitGate,
        about: About,
    ) -> Self {
        let ended = Arc::new(Ended::default());
        let inspections = Arc::new(Inspections::new(about.key, link, members.clone()));
        let (looks, sightings) = (Arc::new(Semaphore::new(LOOKS_MAX)), Arc::default());
        let (about, closing, flows) = (Arc::new(about), Arc::default(), Arc::default());
        Self { consensus, members, inspections, sightings, output, about, ended, flows, looks, room, closing }
    }

    /// Wakes those who wait for jobs, measures what becomes of jobs, and notes which members go; runs until the consensus stops.
    pub async fn follow(self) {
        let noting = async {
            self.sightings.follow(self.members.clone()).await;
            // Without gossip there is nobody to note, and still somebody to wake.
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = self.ended.follow(&self.consensus) => {}
            () = measured::follow(&self.consensus, &self.flows) => {}
            () = noting => {}
        }
    }

    /// Refuses everything from now on.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
        // Whoever follows output is told to go elsewhere.
        self.ended.ring_all();
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    /// Answers one request in the caller's encoding, which belongs to the time that it takes.
    pub async fn answer<T>(&self, principal: Principal, request: Request, encode: impl FnOnce(Response) -> T) -> T {
        let (kind, since) = (metrics::request_kind(&request), Instant::now());
        let answer = encode(self.respond(principal, request).await);
        metrics::record_request_time(kind, since.elapsed());
        answer
    }

    async fn respond(&self, principal: Principal, request: Request) -> Response {
        let attempt = request.describe();
        let outcome = match self.is_closing() {
            true => Err(self.shutting_down(attempt)),
            false => self.do_request(principal, request).await,
        };
        metrics::count_request(outcome.is_err());
        match outcome {
            Ok((applied_index, reply)) => Response { applied_index, outcome: Ok(reply) },
            Err(error) => Response { applied_index: *self.consensus.applied().borrow(), outcome: Err(error) },
        }
    }

    async fn do_request(&self, principal: Principal, request: Request) -> Result<(u64, Reply), ErrorBody> {
        match request {
            Request::Hello(hello) => self.welcome(principal, &hello),
            Request::Submit(submit) => self.submit(principal, *submit).await,
            Request::SubmitMany(submits) => self.submit_many(principal, submits).await,
            Request::Wait(wait) => self.wait(wait).await,
            Request::Info(query) => self.info(query).await,
            Request::List(query) => self.list(query).await,
            Request::ResolvePrefix(query) => self.resolve(query).await,
            Request::Cancel(cancel) => self.cancel(principal, cancel).await,
            Request::Retry(retry) => self.retry(principal, retry).await,
            Request::History(query) => self.history(query).await,
            Request::Logs(query) => self.logs(query).await,
            Request::Nodes(level) => self.nodes(level).await,
            Request::Status => self.status().await,
            Request::MarkContentHash(_) => self.mark_content_hash().await,
            Request::ContentHash(query) => self.content_hash(query).await,
            Request::Explain(query) => self.explain(query).await,
            Request::DrainNode(asked) => self.drain(principal, asked).await,
            Request::WaitForNode(wait) => self.wait_for_node(wait).await,
            Request::Follow(query) => self.follow_output(query).await,
            Request::SubmitArray(submit) => self.submit_array(principal, *submit).await,
            Request::PutItems(put) => self.put_items(principal, put).await,
            Request::ArrayStatus(query) => self.array_status(query).await,
            Request::PauseJob(asked) => self.pause_job(principal, asked).await,
            Request::PauseQueue(asked) => self.pause_queue(principal, asked).await,
            Request::Queues(query) => self.queues(query).await,
            Request::NodeInfo(query) => self.node_info(query).await,
            Request::LabelNode(asked) => self.label(principal, asked).await,
        }
    }

    async fn read(&self, attempt: &str, level: ReadLevel) -> Result<Reading, ErrorBody> {
        let level = match level {
            ReadLevel::Linearizable => quorla_consensus::ReadLevel::Linearizable,
            ReadLevel::AtLeast(index) => quorla_consensus::ReadLevel::AtLeast(index),
            ReadLevel::Stale => quorla_consensus::ReadLevel::Stale,
        };
        match self.consensus.read(level).await {
            Ok(view) => Ok(Reading::new(view)),
            Err(error) => Err(self.not_read(attempt, &error)),
        }
    }

    /// Looks through much of a view, on a thread that may block; a few at a time, the others wait.
    async fn look<T: Send + 'static>(&self, look: impl FnOnce(&Self) -> T + Send + 'static) -> T {
        let _turn = self.looks.acquire().await.expect("the turns are never closed");
        let dispatch = self.clone();
        tokio::task::spawn_blocking(move || look(&dispatch)).await.expect("a look at the state does not panic")
    }

    fn not_read(&self, attempt: &str, error: &ReadError) -> ErrorBody {
        ErrorBody::new(ErrorCode::NoQuorum, format!("{attempt}: {NO_LEADER}: {error}"))
            .hint(NO_LEADER_HINT)
            .leader(self.leader_address())
    }

    fn not_proposed(&self, attempt: &str, error: &ProposeError) -> ErrorBody {
        match error {
            ProposeError::Overloaded { retry_after_ms } => {
                ErrorBody::new(ErrorCode::Overloaded, format!("{attempt}: {error}"))
                    .retry_after_ms(*retry_after_ms)
                    .hint("Slow down; the cluster has as much in flight as it takes.")
            }
            ProposeError::NotLeader { .. } => ErrorBody::new(ErrorCode::NoQuorum, format!("{attempt}: {NO_LEADER}"))
                .hint(NO_LEADER_HINT)
                .leader(self.leader_address()),
            ProposeError::TooLarge { .. } => ErrorBody::new(ErrorCode::LimitExceeded, format!("{attempt}: {error}"))
                .hint("Send less standard input, environment or arguments."),
            ProposeError::Unknown => ErrorBody::new(
                ErrorCode::OutcomeUnknown,
                format!("{attempt}: whether it was done is not known, for the leader changed or did not answer"),
            )
            .hint("Ask again with the same ids; the cluster remembers them for a day."),
        }
    }

    fn shutting_down(&self, attempt: &str) -> ErrorBody {
        ErrorBody::new(ErrorCode::ShuttingDown, format!("{attempt}: this node is stopping"))
            .hint("Ask another node.")
            .leader(self.leader_address())
    }
}
