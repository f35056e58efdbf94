//! Natural batching: commands queue while entries are in flight, and each entry takes what has gathered (no timer).
//!
//! On the leader entries go to raft, elsewhere the same batches go to the leader. A command that was surely not
//! appended is tried again until its deadline; one that may have been is reported as unknown (R9).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use openraft::errors::ClientWriteError;
use quorla_ledger::batch::BatchBuilder;
use quorla_ledger::limits::{BATCH_COMMANDS_MAX, COMMAND_BYTES_MAX};
use quorla_ledger::reply::Reply;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::Instant;

use crate::error::ProposeError;
use crate::ledger_time::LedgerTime;
use crate::metrics;
use crate::network::Links;
use crate::network::serve::Raft;
use crate::route::{Route, Router};
use crate::settings::Tuning;
use crate::transport::{Peer, TransportError, broken};
use crate::types::{Completion, LeaderId, Payload, WriteResult};

pub(crate) mod forward;
mod in_term;
mod queue;

use forward::{ForwardLink, Outcome};
pub(crate) use queue::{Item, Queue, Waiter};

/// Which queue a command waits in. Completions and renewals have their own, so that overload never costs a lease (R21).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Requests of clients.
    Client,
    /// What owners of attempts report: completions, registrations, planning.
    Owner,
}

/// An entry is sealed at about so many bytes.
const ENTRY_BYTES_MAX: usize = 128 << 10;
/// After a refusal by raft the next try waits so long: right after an election the lease is not there yet.
const PAUSE: Duration = Duration::from_millis(5);
/// How often deadlines of queued commands and streams with unanswered entries are looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// The proposer of a group, shared by its callers and its task.
pub(crate) struct Proposer {
    pub(crate) queue: Queue,
    wake: Notify,
    in_flight: AtomicUsize,
    in_flight_max: usize,
    paused: AtomicBool,
    timeout: Duration,
    /// What is in flight to a member that has not led for so long is given up: a dead leader answers nothing, and would
    /// keep the room that its successor's entries need.
    astray_max: Duration,
    /// Opening a stream to the leader, or sending on it, takes no longer than this.
    silence_max: Duration,
}

impl Proposer {
    pub(crate) fn new(tuning: &Tuning) -> Arc<Self> {
        Arc::new(Self {
            queue: Queue::default(),
            wake: Notify::new(),
            in_flight: AtomicUsize::new(0),
            in_flight_max: tuning.entries_in_flight_max,
            paused: AtomicBool::new(false),
            timeout: Duration::from_millis(tuning.propose_timeout_ms),
            astray_max: Duration::from_millis(tuning.election_timeout_ms_max),
            silence_max: Duration::from_millis(tuning.silence_ms_max()),
        })
    }

    pub(crate) async fn propose(&self, lane: Lane, command: Vec<u8>) -> Result<Reply, ProposeError> {
        check_size(command.len())?;
        let (sender, receiver) = oneshot::channel();
        let item = Item::one(lane, Bytes::from(command), Waiter::One(sender), Instant::now() + self.timeout);
        self.push(item)?;
        self.wait(receiver).await
    }

    pub(crate) async fn propose_many(&self, lane: Lane, commands: Vec<Vec<u8>>) -> Result<Vec<Reply>, ProposeError> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let (count, bytes) = (commands.len(), commands.iter().map(Vec::len).sum());
        check_size(bytes)?;
        if count > BATCH_COMMANDS_MAX {
            return Err(ProposeError::TooLarge { bytes, bytes_max: COMMAND_BYTES_MAX });
        }
        let commands = commands.into_iter().map(Bytes::from).collect();
        let (sender, receiver) = oneshot::channel();
        self.push(Item::many(lane, commands, Waiter::Many(sender), Instant::now() + self.timeout))?;
        self.wait(receiver).await
    }

    /// Queues commands that another member forwarded; whoever is told decides about trying again.
    pub(crate) fn push(&self, item: Item) -> Result<(), ProposeError> {
        self.queue.push(item).inspect_err(|_| metrics::proposal_refused())?;
        self.wake.notify_one();
        Ok(())
    }

    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    async fn wait<T>(&self, receiver: oneshot::Receiver<Result<T, ProposeError>>) -> Result<T, ProposeError> {
        // The task answers at the deadline; a little later nobody will.
        match tokio::time::timeout(self.timeout + Duration::from_millis(250), receiver).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) | Err(_) => Err(ProposeError::Unknown),
        }
    }

    fn has_room(&self) -> bool {
        self.in_flight.load(Ordering::Acquire) < self.in_flight_max
    }

    fn launch(&self) {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
    }

    /// An entry is done: answers its commands, or puts them back when they were surely not appended.
    fn land(&self, items: Vec<Item>, outcome: Outcome) {
        match outcome {
            Outcome::Done(replies) => queue::answer(items, replies),
            Outcome::Unknown => queue::fail(items, &ProposeError::Unknown),
            Outcome::Overloaded { retry_after_ms } => {
                queue::fail(items, &ProposeError::Overloaded { retry_after_ms });
            }
            Outcome::NotAppended => {
                self.paused.store(true, Ordering::Release);
                self.queue.put_back(items);
            }
        }
        self.in_flight.fetch_sub(1, Ordering::AcqRel);
        self.wake.notify_one();
    }
}

fn check_size(bytes: usize) -> Result<(), ProposeError> {
    if bytes > COMMAND_BYTES_MAX {
        return Err(ProposeError::TooLarge { bytes, bytes_max: COMMAND_BYTES_MAX });
    }
    Ok(())
}

/// The one task that takes from the queue.
pub(crate) struct Pump {
    pub(crate) proposer: Arc<Proposer>,
    pub(crate) raft: Raft,
    pub(crate) links: Arc<Links>,
    pub(crate) time: Arc<LedgerTime>,
    pub(crate) router: Router,
    pub(crate) link: Option<ForwardLink>,
    /// Streams to former leaders that may still answer.
    pub(crate) retired: Vec<ForwardLink>,
    /// The lane that was forwarded last, so that neither waits for ever.
    pub(crate) forwarded_lane: Lane,
    /// When deadlines and streams are looked at again.
    pub(crate) next_look: Instant,
}

impl Drop for Pump {
    /// However it ends, nobody waits for it afterwards.
    fn drop(&mut self) {
        let refusal = ProposeError::NotLeader { leader: self.router.leader() };
        queue::fail(self.proposer.queue.close(), &refusal);
    }
}

impl Pump {
    /// Runs until `closing`; what is queued then is refused, what is in flight is unknown.
    pub(crate) async fn run(mut self, mut closing: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                biased;
                _ = closing.wait_for(|closing| *closing) => break,
                () = self.step() => {}
            }
        }
    }

    async fn step(&mut self) {
        if self.next_look <= Instant::now() {
            self.look();
        }
        if self.proposer.queue.is_empty() || !self.proposer.has_room() {
            return self.rest().await;
        }
        if self.proposer.paused.swap(false, Ordering::AcqRel) {
            tokio::time::sleep(PAUSE).await;
            self.expire();
        }
        match self.router.route() {
            Route::Local(leader) => self.append(leader).await,
            Route::Remote(peer, leader) => self.forward(peer, leader).await,
            Route::Nowhere => {
                // Whether it changed or time passed, the next step looks again.
                let _ = tokio::time::timeout(LOOK_INTERVAL, self.router.changed()).await;
            }
        }
    }

    /// Waits until there is something to do: a command, room for one, or the next look.
    async fn rest(&mut self) {
        let wake = self.proposer.wake.notified();
        let awaits_nothing = self.retired.is_empty() && self.link.as_ref().is_none_or(ForwardLink::is_done);
        if self.proposer.queue.is_empty() && awaits_nothing {
            return wake.await;
        }
        // Both ends of the wait lead to the next step.
        let _ = tokio::time::timeout_at(self.next_look, wake).await;
    }

    /// What follows from time alone, however often commands come and go.
    fn look(&mut self) {
        self.next_look = Instant::now() + LOOK_INTERVAL;
        self.drop_dead_links();
        self.expire();
    }

    fn expire(&self) {
        let expired = self.proposer.queue.take_expired(Instant::now());
        if !expired.is_empty() {
            queue::fail(expired, &ProposeError::NotLeader { leader: self.router.leader() });
        }
    }

    /// Another leader: what is in flight to the former one may still be answered.
    fn retire(&mut self) {
        self.drop_dead_links();
        self.retired.extend(self.link.take());
    }

    /// What waits on a stream that will not answer any more becomes unknown, and makes room for others.
    fn drop_dead_links(&mut self) {
        let leader = self.router.leader().map(|leader| leader.raft_id);
        let (patience, astray_max) = (self.proposer.timeout, self.proposer.astray_max);
        let is_dead = |link: &mut ForwardLink| link.is_stuck(patience) || link.is_astray(leader, astray_max);
        self.retired.retain_mut(|link| !link.is_done() && !is_dead(link));
        self.link.take_if(is_dead);
    }

    async fn append(&mut self, leader: LeaderId) {
        if self.link.is_some() {
            self.retire();
        }
        let items = self.proposer.queue.take(BATCH_COMMANDS_MAX, ENTRY_BYTES_MAX);
        if items.is_empty() {
            return;
        }
        let mut builder = BatchBuilder::default();
        items.iter().flat_map(Item::commands).for_each(|command| builder.push(command));
        metrics::entry_proposed(builder.commands());
        let payload = Payload(Bytes::from(builder.seal(self.time.stamp())));
        self.proposer.launch();
        let (proposer, since) = (Arc::clone(&self.proposer), Instant::now());
        let completion = Completion::new(move |result| {
            metrics::entry_committed(since.elapsed());
            proposer.land(items, outcome(result));
        });
        // When raft is gone it drops the completion, which reports the outcome as unknown.
        let _ = self.raft.write(payload).with_leader(leader).responder(completion).await;
    }

    async fn forward(&mut self, peer: Peer, leader: LeaderId) {
        if self.link.as_ref().is_some_and(|link| !link.is_to(&peer)) {
            self.retire();
        }
        let silence_max = self.proposer.silence_max;
        let mut link = match self.link.take() {
            Some(link) => link,
            None => match self.open(&peer).await {
                Ok(link) => link,
                Err(error) => {
                    tracing::debug!(%error, leader = peer.raft_id, "the leader can't be reached");
                    return tokio::time::sleep(LOOK_INTERVAL).await;
                }
            },
        };
        let (lane, items) = self.proposer.queue.take_lane(self.forwarded_lane, BATCH_COMMANDS_MAX, ENTRY_BYTES_MAX);
        self.forwarded_lane = lane;
        if items.is_empty() {
            self.link = Some(link);
            return;
        }
        self.proposer.launch();
        let proposer = Arc::clone(&self.proposer);
        let commands = forward::flatten(&items);
        let proposing = link.propose(leader, lane, &commands, move |outcome| proposer.land(items, outcome));
        // A stream that fails is dropped, and says so to whoever waits on it.
        if in_time(silence_max, proposing).await.is_ok() {
            self.link = Some(link);
        }
    }

    /// A stream to the leader, unless another one leads before it is there.
    async fn open(&mut self, peer: &Peer) -> Result<ForwardLink, TransportError> {
        let opening = in_time(self.proposer.silence_max, ForwardLink::open(&self.links, peer));
        tokio::select! {
            opened = opening => opened,
            () = self.router.left(peer.raft_id) => Err(broken("it leads no more")),
        }
    }
}

async fn in_time<T>(
    patience: Duration,
    step: impl Future<Output = Result<T, TransportError>>,
) -> Result<T, TransportError> {
    tokio::time::timeout(patience, step).await.unwrap_or_else(|_| Err(broken("the leader is silent")))
}

fn outcome(result: Option<WriteResult>) -> Outcome {
    match result {
        Some(Ok(response)) => Outcome::Done(response.data.0),
        Some(Err(ClientWriteError::ForwardToLeader(_))) => Outcome::NotAppended,
        Some(Err(_)) | None => Outcome::Unknown,
    }
}
