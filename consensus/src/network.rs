//! openraft's network over our transport: one link per peer and purpose, opened when needed.
//!
//! Replication is pipelined on its own channel; heartbeats, votes and hand-overs travel on the vote channel, which
//! the node gives a connection of its own (R21). Every frame carries clocks in its envelope (R7).

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::{FutureExt, Stream, StreamExt};
use openraft::base::{BoxFuture, BoxStream};
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendResult, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::{OptionalSend, alias};

use crate::codec;
use crate::keys::GroupId;
use crate::ledger_time::LedgerTime;
use crate::state_store::KeptSnapshot;
use crate::transport::{Channel, Duplex, Peer, Transport, TransportError, broken};
use crate::types::{Entry, LogId, Member, TypeConfig, Vote};

mod append;
pub(crate) mod envelope;
pub(crate) mod serve;
mod snapshot;

use envelope::{Envelope, Kind};

type RpcError = RPCError<TypeConfig>;
type AppendStream<'s> = BoxStream<'s, Result<StreamAppendResult<TypeConfig>, RpcError>>;

/// What every link of a group needs.
pub(crate) struct Links {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) group: GroupId,
    pub(crate) raft_id: u64,
    pub(crate) time: Arc<LedgerTime>,
}

impl Links {
    pub(crate) fn envelope(&self, to: u64, kind: Kind) -> Envelope {
        Envelope { kind, from: self.raft_id, to, wall_ms: self.time.wall_ms() }
    }

    pub(crate) async fn open(&self, peer: &Peer, channel: Channel) -> Result<Duplex, TransportError> {
        self.transport.open(peer, self.group.0, channel).await
    }

    /// Reads a frame that answers `kind`, and learns the peer's clock from its envelope.
    pub(crate) fn receive(&self, peer: u64, kind: Kind, frame: Bytes) -> Result<Bytes, TransportError> {
        let (envelope, body) = envelope::open(frame).map_err(broken)?;
        if envelope.from != peer || envelope.to != self.raft_id {
            return Err(broken(format_args!("another storage answers: {}", envelope.from)));
        }
        if envelope.kind != kind {
            return Err(broken(format_args!("it answers {:?} instead of {kind:?}", envelope.kind)));
        }
        self.time.sample(envelope.from, envelope.wall_ms);
        Ok(body)
    }
}

/// Makes links for openraft.
pub(crate) struct Factory {
    pub(crate) links: Arc<Links>,
}

impl RaftNetworkFactory<TypeConfig> for Factory {
    type Network = Link;

    async fn new_client(&mut self, target: u64, node: &Member) -> Link {
        let peer = Peer { raft_id: target, node_key: node.node_key, address: node.address.clone() };
        Link { links: Arc::clone(&self.links), peer, unary: Mutex::default() }
    }
}

/// One of openraft's ways to one peer.
pub(crate) struct Link {
    links: Arc<Links>,
    peer: Peer,
    /// The stream for requests that are answered one by one; kept as long as it works. The mutex is never locked:
    /// it makes this `Sync`, which openraft asks for.
    unary: Mutex<Option<Duplex>>,
}

fn network_error(error: &TransportError) -> RpcError {
    match error {
        TransportError::Unreachable { .. } => RPCError::Unreachable(Unreachable::new(error)),
        _ => RPCError::Network(NetworkError::new(error)),
    }
}

fn codec_error(error: &codec::CodecError) -> RpcError {
    RPCError::Network(NetworkError::new(error))
}

impl Link {
    fn unary(&mut self) -> &mut Option<Duplex> {
        self.unary.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends one request on the vote channel and waits for its answer.
    async fn ask(&mut self, kind: Kind, body: &[u8], patience: Duration) -> Result<Bytes, RpcError> {
        let asked = tokio::time::timeout(patience, self.exchange(kind, body)).await;
        match asked {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                *self.unary() = None;
                Err(network_error(&error))
            }
            Err(_) => {
                // An answer may still come: the stream is of no more use.
                *self.unary() = None;
                Err(RPCError::Unreachable(Unreachable::from_string("no answer in time")))
            }
        }
    }

    async fn exchange(&mut self, kind: Kind, body: &[u8]) -> Result<Bytes, TransportError> {
        let links = Arc::clone(&self.links);
        let mut duplex = match self.unary().take() {
            Some(duplex) => duplex,
            None => links.open(&self.peer, Channel::VOTE).await?,
        };
        duplex.sink.send(links.envelope(self.peer.raft_id, kind).seal(body)).await?;
        let frame = duplex.source.recv().await?;
        let frame = frame.ok_or_else(|| broken("it ended"))?;
        let answer = links.receive(self.peer.raft_id, kind.answer(), frame)?;
        *self.unary() = Some(duplex);
        Ok(answer)
    }

    async fn ask_encoded<Q, A>(&mut self, kind: Kind, question: &Q, patience: Duration) -> Result<A, RpcError>
    where
        Q: serde::Serialize,
        A: serde::de::DeserializeOwned,
    {
        let body = codec::encode(question).map_err(|error| codec_error(&error))?;
        let answer = self.ask(kind, &body, patience).await?;
        codec::decode(&answer).map_err(|error| codec_error(&error))
    }

    async fn append_once(
        &mut self,
        request: &AppendEntriesRequest<TypeConfig>,
        patience: Duration,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RpcError> {
        let body = append::encode(request).map_err(|error| codec_error(&error))?;
        let answer = self.ask(Kind::Append, &body, patience).await?;
        codec::decode(&answer).map_err(|error| codec_error(&error))
    }
}

fn last_log_id(request: &AppendEntriesRequest<TypeConfig>) -> Option<LogId> {
    request.entries.last().map(|entry: &Entry| entry.log_id).or(request.prev_log_id)
}

impl RaftNetworkV2<TypeConfig> for Link {
    type SnapshotData = Arc<KeptSnapshot>;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RpcError> {
        self.append_once(&request, option.hard_ttl()).await
    }

    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<'s, Result<AppendStream<'s>, RpcError>>
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + OptionalSend + Unpin + 'static,
    {
        // Its end may be met below and again in the pipeline.
        let mut input = input.fuse();
        Box::pin(async move {
            let Some(first) = input.next().await else {
                return Ok(Box::pin(futures::stream::empty()) as AppendStream<'s>);
            };
            // A heartbeat is a stream of one without entries: it must not wait behind replication. An entry may be larger
            // than a frame of the vote channel.
            let second = input.next().now_or_never();
            if matches!(second, Some(None)) && first.entries.is_empty() {
                let (previous, last) = (first.prev_log_id, last_log_id(&first));
                let response = self.append_once(&first, option.hard_ttl()).await?;
                let result = response.into_stream_result(previous, last);
                return Ok(Box::pin(futures::stream::iter([Ok(result)])) as AppendStream<'s>);
            }
            let head = std::iter::once(first).chain(second.flatten());
            let requests = futures::stream::iter(head).chain(input);
            append::pipeline(&self.links, &self.peer, requests).await
        })
    }

    async fn vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RpcError> {
        self.ask_encoded(Kind::Vote, &request, option.hard_ttl()).await
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RpcError> {
        self.ask_encoded(Kind::PreVote, &request, option.hard_ttl()).await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: alias::SnapshotOf<TypeConfig, Arc<KeptSnapshot>>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let send = snapshot::send(&self.links, &self.peer, vote, &snapshot.snapshot);
        tokio::select! {
            closed = cancel => Err(StreamingError::Closed(closed)),
            sent = send => sent.map_err(|error| StreamingError::Unreachable(Unreachable::new(&error))),
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RpcError> {
        self.ask_encoded(Kind::Transfer, &request, option.hard_ttl()).await
    }
}
