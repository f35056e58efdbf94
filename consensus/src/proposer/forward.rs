//! Commands and reads on their way to the leader: numbered requests on one stream, answers in any order.
//!
//! Each request names the leader that it expects. A stream that breaks leaves its commands unknown (R9).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Buf, Bytes};
use quorla_ledger::limits::{BATCH_COMMANDS_MAX, COMMAND_BYTES_MAX};
use quorla_ledger::reply::Reply;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{Item, Lane};
use crate::codec;
use crate::error::ProposeError;
use crate::network::Links;
use crate::network::envelope::Kind;
use crate::transport::{Channel, Duplex, FrameSink, FrameSource, Peer, TransportError, broken};
use crate::types::LeaderId;

/// What became of an entry.
pub(crate) enum Outcome {
    Done(Vec<Reply>),
    NotAppended,
    Overloaded { retry_after_ms: u64 },
    Unknown,
}

/// A request to the leader; commands follow behind it, each with its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) number: u64,
    pub(crate) leader: LeaderId,
    pub(crate) wish: Wish,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Wish {
    ProposeForClient,
    ProposeForOwner,
    ReadIndex,
}

/// The leader's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) number: u64,
    pub(crate) result: AnswerResult,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum AnswerResult {
    Replies(Vec<Reply>),
    ReadIndex(u64),
    NotLeader,
    Overloaded { retry_after_ms: u64 },
    Unknown,
}

/// Where the leader's side of a stream collects answers. Bounded by what the queue lets in.
pub(crate) type Answers = mpsc::UnboundedSender<Answer>;

/// Tells another member what became of its commands.
pub(crate) fn tell(answers: &Answers, number: u64, result: Result<Vec<Reply>, ProposeError>) {
    let result = match result {
        Ok(replies) => AnswerResult::Replies(replies),
        Err(ProposeError::NotLeader { .. }) => AnswerResult::NotLeader,
        Err(ProposeError::Overloaded { retry_after_ms }) => AnswerResult::Overloaded { retry_after_ms },
        Err(ProposeError::Unknown | ProposeError::TooLarge { .. }) => AnswerResult::Unknown,
    };
    // A stream that is gone has told its side already.
    let _ = answers.send(Answer { number, result });
}

impl From<AnswerResult> for Outcome {
    fn from(result: AnswerResult) -> Self {
        match result {
            AnswerResult::Replies(replies) => Self::Done(replies),
            AnswerResult::NotLeader => Self::NotAppended,
            AnswerResult::Overloaded { retry_after_ms } => Self::Overloaded { retry_after_ms },
            AnswerResult::Unknown | AnswerResult::ReadIndex(_) => Self::Unknown,
        }
    }
}

pub(super) fn flatten(items: &[Item]) -> Vec<Bytes> {
    items.iter().flat_map(Item::commands).cloned().collect()
}

/// `request bytes u32 | request | ( command bytes u32 | command )*`
fn encode(request: &Request, commands: &[Bytes]) -> Result<Vec<u8>, TransportError> {
    let head = codec::encode(request).map_err(broken)?;
    let commands_bytes: usize = commands.iter().map(|command| 4 + command.len()).sum();
    let mut bytes = Vec::with_capacity(4 + head.len() + commands_bytes);
    for part in std::iter::once(head.as_slice()).chain(commands.iter().map(AsRef::as_ref)) {
        let length = u32::try_from(part.len()).expect("commands are bounded far below 4 GiB");
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(part);
    }
    Ok(bytes)
}

/// Reads a request; its commands fit one entry, whoever sent them.
pub(crate) fn decode(mut bytes: Bytes) -> Result<(Request, Vec<Bytes>), TransportError> {
    let head = next_part(&mut bytes)?.ok_or_else(|| broken("an empty request"))?;
    let request = codec::decode(&head).map_err(broken)?;
    let mut commands = Vec::new();
    let mut commands_bytes = 0;
    while let Some(command) = next_part(&mut bytes)? {
        commands_bytes += command.len();
        commands.push(command);
        // What is more than one entry may hold would end the leader, not only this stream.
        if commands.len() > BATCH_COMMANDS_MAX || commands_bytes > COMMAND_BYTES_MAX {
            return Err(broken("a request is larger than an entry may be"));
        }
    }
    Ok((request, commands))
}

fn next_part(bytes: &mut Bytes) -> Result<Option<Bytes>, TransportError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    if bytes.len() < 4 {
        return Err(broken("a request is cut short"));
    }
    let length = usize::try_from(bytes.get_u32_le()).map_err(broken)?;
    if bytes.len() < length {
        return Err(broken("a request is cut short"));
    }
    Ok(Some(bytes.split_to(length)))
}

type OnAnswer = Box<dyn FnOnce(Option<AnswerResult>) + Send>;

/// Requests by number, which is the order in which they were sent, and whether the stream is over.
#[derive(Default)]
struct Requests {
    waiting: BTreeMap<u64, (Instant, OnAnswer)>,
    closed: bool,
}

/// Requests without an answer yet. Whoever is left when it is dropped is told so.
#[derive(Default)]
struct Pending {
    requests: Mutex<Requests>,
}

impl Pending {
    fn lock(&self) -> MutexGuard<'_, Requests> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn insert(&self, number: u64, on_answer: OnAnswer) {
        let mut requests = self.lock();
        if requests.closed {
            drop(requests);
            return on_answer(None);
        }
        requests.waiting.insert(number, (Instant::now(), on_answer));
    }

    fn complete(&self, answer: Answer) {
        let on_answer = self.lock().waiting.remove(&answer.number);
        if let Some((_, on_answer)) = on_answer {
            on_answer(Some(answer.result));
        }
    }

    fn close(&self) {
        let left = {
            let mut requests = self.lock();
            requests.closed = true;
            std::mem::take(&mut requests.waiting)
        };
        for (_, on_answer) in left.into_values() {
            on_answer(None);
        }
    }
}

/// A stream to the leader.
pub(crate) struct ForwardLink {
    links: Arc<Links>,
    peer: Peer,
    sink: Box<dyn FrameSink>,
    pending: Arc<Pending>,
    reader: JoinHandle<()>,
    next_number: u64,
    /// Since when its peer was not seen to lead.
    astray_since: Option<Instant>,
}

impl Drop for ForwardLink {
    fn drop(&mut self) {
        self.reader.abort();
        self.pending.close();
    }
}

impl ForwardLink {
    pub(crate) async fn open(links: &Arc<Links>, peer: &Peer) -> Result<Self, TransportError> {
        let Duplex { sink, source } = links.open(peer, Channel::FORWARD).await?;
        let pending = Arc::new(Pending::default());
        let reader = tokio::spawn(read(Arc::clone(links), peer.raft_id, source, Arc::clone(&pending)));
        Ok(Self {
            links: Arc::clone(links),
            peer: peer.clone(),
            sink,
            pending,
            reader,
            next_number: 1,
            astray_since: None,
        })
    }

    /// Whether this leads to `peer` and still works.
    pub(crate) fn is_to(&self, peer: &Peer) -> bool {
        self.peer == *peer && !self.reader.is_finished()
    }

    /// Whether nothing is waited for on it.
    pub(crate) fn is_done(&self) -> bool {
        self.reader.is_finished() || self.pending.lock().waiting.is_empty()
    }

    /// Whether a request has waited so long that nobody waits for its answer any more.
    pub(crate) fn is_stuck(&self, patience: Duration) -> bool {
        self.pending.lock().waiting.values().next().is_some_and(|(sent, _)| sent.elapsed() > patience)
    }

    /// Whether its peer was not the leader at any look for longer than `max`.
    pub(crate) fn is_astray(&mut self, leader: Option<u64>, max: Duration) -> bool {
        if leader == Some(self.peer.raft_id) {
            self.astray_since = None;
            return false;
        }
        self.astray_since.get_or_insert_with(Instant::now).elapsed() > max
    }

    /// Sends commands; `on_outcome` is called in any case, also when this fails.
    pub(crate) async fn propose(
        &mut self,
        leader: LeaderId,
        lane: Lane,
        commands: &[Bytes],
        on_outcome: impl FnOnce(Outcome) + Send + 'static,
    ) -> Result<(), TransportError> {
        let wish = match lane {
            Lane::Client => Wish::ProposeForClient,
            Lane::Owner => Wish::ProposeForOwner,
        };
        let on_answer = move |result: Option<AnswerResult>| on_outcome(result.map_or(Outcome::Unknown, Outcome::from));
        self.ask(leader, wish, commands, Box::new(on_answer)).await
    }

    /// Asks for an index that a read must have seen; `on_index` gets `None` when the leader can't say.
    pub(crate) async fn read_index(
        &mut self,
        leader: LeaderId,
        on_index: impl FnOnce(Option<u64>) + Send + 'static,
    ) -> Result<(), TransportError> {
        let on_answer = move |result| match result {
            Some(AnswerResult::ReadIndex(index)) => on_index(Some(index)),
            _ => on_index(None),
        };
        self.ask(leader, Wish::ReadIndex, &[], Box::new(on_answer)).await
    }

    async fn ask(
        &mut self,
        leader: LeaderId,
        wish: Wish,
        commands: &[Bytes],
        on_answer: OnAnswer,
    ) -> Result<(), TransportError> {
        let number = self.next_number;
        self.next_number += 1;
        self.pending.insert(number, on_answer);
        let body = encode(&Request { number, leader, wish }, commands)?;
        let frame = self.links.envelope(self.peer.raft_id, Kind::Forward).seal(&body);
        self.sink.send(frame).await
    }
}

async fn read(links: Arc<Links>, peer: u64, mut source: Box<dyn FrameSource>, pending: Arc<Pending>) {
    while let Ok(Some(frame)) = source.recv().await {
        let answer =
            links.receive(peer, Kind::ForwardAnswer, frame).and_then(|body| codec::decode(&body).map_err(broken));
        match answer {
            Ok(answer) => pending.complete(answer),
            Err(error) => {
                tracing::debug!(%error, "an answer of the leader can't be read");
                break;
            }
        }
    }
    pending.close();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_comes_back_with_its_commands() {
        let leader = LeaderId { term: 4, node_id: 2 };
        let request = Request { number: 9, leader, wish: Wish::ProposeForOwner };
        let commands = [Bytes::from_static(b"one"), Bytes::new(), Bytes::from_static(b"three")];
        let bytes = Bytes::from(encode(&request, &commands).unwrap());
        assert_eq!(decode(bytes.clone()).unwrap(), (request, commands.to_vec()));
        assert!(decode(bytes.slice(..bytes.len() - 1)).is_err());
    }

    #[test]
    fn a_request_that_no_entry_can_hold_is_refused() {
        let leader = LeaderId { term: 4, node_id: 2 };
        let request = Request { number: 9, leader, wish: Wish::ProposeForOwner };
        let fits = |commands: &[Bytes]| decode(Bytes::from(encode(&request, commands).unwrap())).is_ok();
        assert!(fits(&vec![Bytes::new(); BATCH_COMMANDS_MAX]));
        assert!(!fits(&vec![Bytes::new(); BATCH_COMMANDS_MAX + 1]));
        assert!(fits(&[Bytes::from(vec![0; COMMAND_BYTES_MAX])]));
        assert!(!fits(&[Bytes::from(vec![0; COMMAND_BYTES_MAX]), Bytes::from_static(b"x")]));
    }
}
