//! Append requests on the wire, and the pipeline that keeps many of them in flight.
//!
//! Entries travel as the log stores them; on the receiving side their payloads share the memory of the frame.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures::{Stream, StreamExt};
use openraft::errors::{NetworkError, RPCError};
use openraft::raft::{AppendEntriesRequest, StreamAppendResult};

use super::envelope::Kind;
use super::{AppendStream, Links, RpcError, codec_error, network_error};
use crate::codec::{self, CodecError};
use crate::log_store::{decode_record, encode_record};
use crate::transport::{Channel, Duplex, FrameSink, FrameSource, Peer, TransportError, broken};
use crate::types::{Entry, LogId, TypeConfig, Vote};

const ENTRY_HEAD_BYTES: usize = 12;
/// A follower that leaves requests unanswered for so long is taken for gone.
const SILENCE_MAX: Duration = Duration::from_secs(3);

/// The small fields of a request, in front of its entries.
#[derive(serde::Serialize, serde::Deserialize)]
struct Head {
    vote: Vote,
    previous: Option<LogId>,
    commit: Option<LogId>,
    entries: u32,
}

/// `head bytes u32 | head | ( index u64 | record bytes u32 | record )*`
pub(super) fn encode(request: &AppendEntriesRequest<TypeConfig>) -> Result<Vec<u8>, CodecError> {
    let head = Head {
        vote: request.vote,
        previous: request.prev_log_id,
        commit: request.leader_commit,
        entries: u32::try_from(request.entries.len()).expect("openraft bounds the entries of a request"),
    };
    let head = codec::encode(&head)?;
    let payloads: usize = request.entries.iter().map(crate::log_store::entry_bytes).sum();
    let mut bytes = Vec::with_capacity(4 + head.len() + payloads);
    put_length(&mut bytes, head.len());
    bytes.extend_from_slice(&head);
    for entry in &request.entries {
        bytes.extend_from_slice(&entry.log_id.index.to_le_bytes());
        let length_at = bytes.len();
        bytes.extend_from_slice(&[0; 4]);
        encode_record(entry, &mut bytes)?;
        let length = u32::try_from(bytes.len() - length_at - 4).expect("a record is far below 4 GiB");
        bytes[length_at..length_at + 4].copy_from_slice(&length.to_le_bytes());
    }
    Ok(bytes)
}

fn put_length(bytes: &mut Vec<u8>, length: usize) {
    let length = u32::try_from(length).expect("a frame is far below 4 GiB");
    bytes.extend_from_slice(&length.to_le_bytes());
}

pub(super) fn decode(mut bytes: Bytes) -> Result<AppendEntriesRequest<TypeConfig>, TransportError> {
    let head: Head = codec::decode(&take(&mut bytes, 4)?).map_err(broken)?;
    let mut entries: Vec<Entry> = Vec::new();
    for _ in 0..head.entries {
        if bytes.len() < ENTRY_HEAD_BYTES {
            return Err(broken("an append request is cut short"));
        }
        let index = bytes.get_u64_le();
        entries.push(decode_record(index, take(&mut bytes, 4)?).map_err(broken)?);
    }
    Ok(AppendEntriesRequest { vote: head.vote, prev_log_id: head.previous, entries, leader_commit: head.commit })
}

/// The bytes behind a length.
fn take(bytes: &mut Bytes, length_bytes: usize) -> Result<Bytes, TransportError> {
    if bytes.len() < length_bytes {
        return Err(broken("an append request is cut short"));
    }
    let length = usize::try_from(bytes.get_u32_le()).map_err(broken)?;
    if bytes.len() < length {
        return Err(broken("an append request is cut short"));
    }
    Ok(bytes.split_to(length))
}

/// Sends requests without waiting for answers, which come back in the same order.
pub(super) async fn pipeline<'s, S>(links: &Arc<Links>, peer: &Peer, requests: S) -> Result<AppendStream<'s>, RpcError>
where
    S: Stream<Item = AppendEntriesRequest<TypeConfig>> + Send + Unpin + 'static,
{
    let Duplex { sink, source } = links.open(peer, Channel::APPEND).await.map_err(|error| network_error(&error))?;
    let sent = Arc::new(AtomicU64::new(0));
    let sending = send_all(Arc::clone(links), peer.raft_id, sink, requests, Arc::clone(&sent));
    let answers = Answers { links: Arc::clone(links), peer: peer.raft_id, source, sent, answered: 0 };
    let answers = futures::stream::unfold(Some(answers), Answers::next);
    // Both halves live in this one stream: dropping it ends the sending too.
    let sending = futures::stream::once(sending).filter_map(|sent| async move { sent.err().map(Err) });
    Ok(Box::pin(until_answered(answers, sending)))
}

/// Answers, and the error of the sending side if it has one. Ends with the answers.
fn until_answered<'s, T: Send + 's>(
    answers: impl Stream<Item = T> + Send + 's,
    sending: impl Stream<Item = T> + Send + 's,
) -> impl Stream<Item = T> + Send + 's {
    let answers = answers.map(Some).chain(futures::stream::once(async { None }));
    let both = futures::stream::select(answers, sending.map(Some));
    both.take_while(|item| futures::future::ready(item.is_some())).filter_map(futures::future::ready)
}

async fn send_all<S>(
    links: Arc<Links>,
    peer: u64,
    mut sink: Box<dyn FrameSink>,
    mut requests: S,
    sent: Arc<AtomicU64>,
) -> Result<(), RpcError>
where
    S: Stream<Item = AppendEntriesRequest<TypeConfig>> + Send + Unpin,
{
    while let Some(request) = requests.next().await {
        let body = encode(&request).map_err(|error| codec_error(&error))?;
        let frame = links.envelope(peer, Kind::Append).seal(&body);
        sent.fetch_add(1, Ordering::Relaxed);
        sink.send(frame).await.map_err(|error| network_error(&error))?;
    }
    sink.finish().await.map_err(|error| network_error(&error))
}

struct Answers {
    links: Arc<Links>,
    peer: u64,
    source: Box<dyn FrameSource>,
    sent: Arc<AtomicU64>,
    answered: u64,
}

impl Answers {
    /// The next frame, or an error when requests wait and none was answered for a while: openraft keeps the log that
    /// they refer to, and a connection may be dead without saying so.
    async fn recv(&mut self) -> Result<Option<Bytes>, TransportError> {
        let mut receiving = self.source.recv();
        let mut waited = false;
        loop {
            match tokio::time::timeout(SILENCE_MAX / 2, &mut receiving).await {
                Ok(received) => return received,
                Err(_) if waited => return Err(TransportError::Unreachable { reason: "no answer in time".to_owned() }),
                Err(_) => waited = self.sent.load(Ordering::Relaxed) > self.answered,
            }
        }
    }

    async fn next(state: Option<Self>) -> Option<(Result<StreamAppendResult<TypeConfig>, RpcError>, Option<Self>)> {
        let mut answers = state?;
        let received = match answers.recv().await {
            Ok(None) => return None,
            Ok(Some(frame)) => answers.links.receive(answers.peer, Kind::AppendAnswer, frame),
            Err(error) => Err(error),
        };
        let answer = received
            .map_err(|error| network_error(&error))
            .and_then(|body| codec::decode(&body).map_err(|error| RPCError::Network(NetworkError::new(&error))));
        match answer {
            Ok(result) => {
                answers.answered += 1;
                Some((Ok(result), Some(answers)))
            }
            Err(error) => Some((Err(error), None)),
        }
    }
}
