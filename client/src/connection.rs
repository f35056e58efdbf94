//! One connection to one server: a single stream that carries every request, answered in any order.
//!
//! Owns credit (requests and bytes in flight), the correlation ids and the two tasks that write and read. Knows nothing
//! of retries: an exchange ends with an answer, was never sent, or is lost, and only the caller decides what follows.

mod dial;
mod read;
mod write;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc, oneshot};
use tokio::task::JoinHandle;

pub(crate) use dial::{ConnectError, Dialer};

use crate::limits::{REQUEST_BYTES_IN_FLIGHT_MAX, REQUESTS_IN_FLIGHT_MAX, WAITS_IN_FLIGHT_MAX};
use crate::reply::{Response, Welcome};

/// Requests differ in how long they hold their credit, so the long ones have their own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lane {
    /// Answered as soon as the server can.
    Prompt,
    /// Answered when a job ends.
    Waiting,
}

/// An exchange without an answer.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    /// No byte of it reached the connection's writer.
    #[error("the request was not sent to {address}: {reason}")]
    NotSent { address: String, reason: String },
    /// It may have reached the server.
    #[error("the connection to {address} was lost before the answer came: {reason}")]
    Lost { address: String, reason: String },
    /// It may have reached the server, which did not answer in time.
    #[error("{address} did not answer within {timeout_ms} ms")]
    TimedOut { address: String, timeout_ms: u64 },
}

/// A live connection whose server has said welcome.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) address: String,
    pub(crate) welcome: Welcome,
    link: Link,
}

/// The stream and its tasks, before and after the welcome.
#[derive(Debug)]
struct Link {
    address: String,
    quic: quinn::Connection,
    pending: Arc<Pending>,
    outgoing: mpsc::Sender<Outgoing>,
    next_id: AtomicU64,
    prompt: Semaphore,
    waiting: Semaphore,
    bytes: Semaphore,
    tasks: [JoinHandle<()>; 2],
}

#[derive(Debug)]
struct Outgoing {
    id: u64,
    body: Bytes,
}

type Answer = oneshot::Sender<Response>;

/// The exchanges that wait for an answer; closed for good once the stream is.
#[derive(Debug, Default)]
struct Pending {
    state: Mutex<PendingState>,
}

#[derive(Debug, Default)]
struct PendingState {
    answers: HashMap<u64, Answer>,
    closed: Option<String>,
}

/// What one exchange takes of a connection until it is over, and its place in the writer's queue.
struct Room<'a> {
    _request: SemaphorePermit<'a>,
    _bytes: SemaphorePermit<'a>,
    place: mpsc::Permit<'a, Outgoing>,
}

/// Forgets an exchange whose caller has gone away.
struct Forget<'a> {
    pending: &'a Pending,
    id: u64,
}

impl Connection {
    /// Whether requests can still be sent.
    pub(crate) fn is_open(&self) -> bool {
        self.link.pending.closed().is_none()
    }

    /// Sends a body and waits for its answer.
    pub(crate) async fn exchange(&self, body: Bytes, lane: Lane, timeout: Duration) -> Result<Response, ExchangeError> {
        self.link.exchange(body, lane, timeout).await
    }
}

impl Link {
    fn start(address: String, quic: quinn::Connection, streams: (quinn::SendStream, quinn::RecvStream)) -> Self {
        let (outgoing, queue) = mpsc::channel(write::QUEUED_FRAMES_MAX);
        let pending = Arc::new(Pending::default());
        let writer = tokio::spawn(write::run(streams.0, queue, Arc::clone(&pending)));
        let reader = tokio::spawn(read::run(streams.1, Arc::clone(&pending)));
        Self {
            address,
            quic,
            pending,
            outgoing,
            next_id: AtomicU64::new(1),
            prompt: Semaphore::new(REQUESTS_IN_FLIGHT_MAX),
            waiting: Semaphore::new(WAITS_IN_FLIGHT_MAX),
            bytes: Semaphore::new(REQUEST_BYTES_IN_FLIGHT_MAX),
            tasks: [writer, reader],
        }
    }

    /// One deadline for all of it: what found no room until then was not sent, what was sent may have arrived.
    async fn exchange(&self, body: Bytes, lane: Lane, timeout: Duration) -> Result<Response, ExchangeError> {
        let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        let deadline = tokio::time::sleep(timeout);
        tokio::pin!(deadline);
        let room = tokio::select! {
            biased;
            () = &mut deadline => Err(self.not_sent(format!("there was no room for it within {timeout_ms} ms"))),
            room = self.room(body.len(), lane) => room,
        }?;
        let (answer, answered) = oneshot::channel();
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        self.pending.insert(id, answer).map_err(|reason| self.not_sent(reason))?;
        let _forget = Forget { pending: &self.pending, id };
        let Room { _request, _bytes, place } = room;
        place.send(Outgoing { id, body });
        tokio::select! {
            biased;
            answered = answered => answered
                .map_err(|_| ExchangeError::Lost { address: self.address.clone(), reason: self.pending.reason() }),
            () = &mut deadline => Err(ExchangeError::TimedOut { address: self.address.clone(), timeout_ms }),
        }
    }

    async fn room(&self, body_bytes: usize, lane: Lane) -> Result<Room<'_>, ExchangeError> {
        let credit = match lane {
            Lane::Prompt => &self.prompt,
            Lane::Waiting => &self.waiting,
        };
        let weight = u32::try_from(body_bytes).unwrap_or(u32::MAX);
        let request = credit.acquire().await.expect("the credit of a connection is never closed");
        let bytes = self.bytes.acquire_many(weight).await.expect("the credit of a connection is never closed");
        let place = self.outgoing.reserve().await.map_err(|_| self.not_sent(self.pending.reason()))?;
        Ok(Room { _request: request, _bytes: bytes, place })
    }

    fn not_sent(&self, reason: String) -> ExchangeError {
        ExchangeError::NotSent { address: self.address.clone(), reason }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.quic.close(0_u32.into(), b"done");
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Pending {
    fn insert(&self, id: u64, answer: Answer) -> Result<(), String> {
        let mut state = self.lock();
        if let Some(reason) = &state.closed {
            return Err(reason.clone());
        }
        state.answers.insert(id, answer);
        Ok(())
    }

    fn answer(&self, id: u64, response: Response) {
        // Nobody waits any more for an answer that came after its caller's timeout.
        if let Some(answer) = self.lock().answers.remove(&id) {
            answer.send(response).ok();
        }
    }

    /// The first reason stays; every exchange in flight learns that it is lost.
    fn close(&self, reason: impl std::fmt::Display) {
        let mut state = self.lock();
        state.closed.get_or_insert_with(|| reason.to_string());
        state.answers.clear();
    }

    fn closed(&self) -> Option<String> {
        self.lock().closed.clone()
    }

    fn reason(&self) -> String {
        self.closed().unwrap_or_else(|| "it was closed".to_owned())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, PendingState> {
        // The state is valid after each statement, so that a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.pending.lock().answers.remove(&self.id);
    }
}
