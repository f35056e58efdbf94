//! Answers the streams that other members open for votes, heartbeats, replication and snapshots.
//!
//! A frame for another storage incarnation is not answered: an old id never votes again (R1).

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use openraft::async_runtime::WatchReceiver;
use openraft::storage::Snapshot;
use tokio::sync::oneshot;

use super::envelope::{self, Envelope, Kind};
use super::snapshot::{self, Answer, Head, Pieces};
use super::{Links, append};
use crate::codec;
use crate::state_store::{KeptSnapshot, StateStore};
use crate::transport::{Duplex, FrameSink, FrameSource, TransportError, broken};
use crate::types::TypeConfig;

pub(crate) type Raft = openraft::Raft<TypeConfig, StateStore>;

/// What answering needs.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) raft: Raft,
    pub(crate) links: Arc<Links>,
    pub(crate) state: StateStore,
}

impl Server {
    /// Reads an envelope meant for us and learns the sender's clock.
    pub(crate) fn read(&self, from: [u8; 32], frame: Bytes) -> Result<(Envelope, Bytes), TransportError> {
        let (envelope, body) = envelope::open(frame).map_err(broken)?;
        if envelope.to != self.links.raft_id {
            return Err(broken(format!("it is for storage {}, this one is {}", envelope.to, self.links.raft_id)));
        }
        self.check_sender(envelope.from, from)?;
        self.links.time.sample(envelope.from, envelope.wall_ms);
        Ok((envelope, body))
    }

    /// A member speaks only with the key that the membership records for it. An id that is not in our membership is let
    /// through: whoever was admitted since is known to us only by what the leader sends next, and that may come from one
    /// of them. Only nodes of the cluster come so far; the transport has checked their certificates.
    fn check_sender(&self, raft_id: u64, key: [u8; 32]) -> Result<(), TransportError> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        match metrics.membership_config.get_node(&raft_id) {
            Some(member) if member.node_key != key => Err(broken(format!("storage {raft_id} has another key"))),
            _ => Ok(()),
        }
    }

    /// Whether the membership records this key for this storage.
    pub(crate) fn is_member_with_key(&self, raft_id: u64, key: [u8; 32]) -> bool {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        metrics.membership_config.get_node(&raft_id).is_some_and(|member| member.node_key == key)
    }

    async fn answer(
        &self,
        to: u64,
        question: Kind,
        sink: &mut dyn FrameSink,
        answer: &impl serde::Serialize,
    ) -> Result<(), TransportError> {
        let body = codec::encode(answer).map_err(broken)?;
        sink.send(self.links.envelope(to, question.answer()).seal(&body)).await
    }

    /// Votes, heartbeats and hand-overs, one by one.
    pub(crate) async fn serve_votes(&self, from: [u8; 32], duplex: Duplex) -> Result<(), TransportError> {
        let Duplex { mut sink, mut source } = duplex;
        while let Some(frame) = source.recv().await? {
            let (envelope, body) = self.read(from, frame)?;
            let (to, kind, sink) = (envelope.from, envelope.kind, sink.as_mut());
            match kind {
                Kind::Append => {
                    let response = self.raft.append_entries(append::decode(body)?).await.map_err(broken)?;
                    self.answer(to, kind, sink, &response).await?;
                }
                Kind::Vote => {
                    let response = self.raft.vote(codec::decode(&body).map_err(broken)?).await.map_err(broken)?;
                    self.answer(to, kind, sink, &response).await?;
                }
                Kind::PreVote => {
                    let response = self.raft.pre_vote(codec::decode(&body).map_err(broken)?).await.map_err(broken)?;
                    self.answer(to, kind, sink, &response).await?;
                }
                Kind::Transfer => {
                    let request = codec::decode(&body).map_err(broken)?;
                    let response = self.raft.handle_transfer_leader(request).await.map_err(broken)?;
                    self.answer(to, kind, sink, &response).await?;
                }
                other => return Err(broken(format!("{other:?} on the vote channel"))),
            }
        }
        Ok(())
    }

    /// Pipelined replication: answers follow in the order of the requests.
    pub(crate) async fn serve_append(&self, from: [u8; 32], duplex: Duplex) -> Result<(), TransportError> {
        let Duplex { mut sink, source } = duplex;
        let (sender, senders_id) = tokio::sync::watch::channel(0);
        // openraft reads them in a task of its own. That is to end with this call, not with the next word of a peer that may
        // be dead: it holds the state.
        let (_serving, served) = oneshot::channel();
        let requests = Requests { server: self.clone(), from, source, sender, served };
        let mut answers = std::pin::pin!(self.raft.stream_append(futures::stream::unfold(requests, Requests::next)));
        while let Some(answer) = answers.next().await {
            let answer = answer.map_err(broken)?;
            let to = *senders_id.borrow();
            self.answer(to, Kind::Append, sink.as_mut(), &answer).await?;
        }
        sink.finish().await
    }

    /// One snapshot: receive, verify, shelve, install, answer.
    pub(crate) async fn serve_snapshot(&self, from: [u8; 32], duplex: Duplex) -> Result<(), TransportError> {
        let Duplex { mut sink, mut source } = duplex;
        let Some(frame) = source.recv().await? else { return Ok(()) };
        let (envelope, body) = self.read(from, frame)?;
        if envelope.kind != Kind::SnapshotHead {
            return Err(broken("a snapshot without its head"));
        }
        let head: Head = codec::decode(&body).map_err(broken)?;
        let vote = head.vote;
        let bytes = head.manifest.bytes();
        let mut pieces = Pieces { source: source.as_mut() };
        let answer = match snapshot::receive(self.state.shared(), head.manifest, &mut pieces).await {
            Ok(snapshot) => self.install(vote, snapshot).await?,
            Err(error) => {
                tracing::warn!(%error, from = envelope.from, bytes, "a snapshot is refused, it will be sent again");
                Answer::Refused { reason: error.to_string() }
            }
        };
        self.answer(envelope.from, Kind::SnapshotHead, sink.as_mut(), &answer).await?;
        sink.finish().await
    }

    async fn install(&self, vote: crate::types::Vote, snapshot: Arc<KeptSnapshot>) -> Result<Answer, TransportError> {
        let meta = snapshot.meta().clone();
        tracing::info!(last = ?meta.last_log_id, "a snapshot arrived");
        let received = Snapshot { meta, snapshot };
        let response = self.raft.install_full_snapshot(vote, received).await.map_err(broken)?;
        Ok(Answer::Installed { vote: response.vote })
    }
}

struct Requests {
    server: Server,
    from: [u8; 32],
    source: Box<dyn FrameSource>,
    sender: tokio::sync::watch::Sender<u64>,
    /// Resolves once nobody waits for answers any more.
    served: oneshot::Receiver<()>,
}

impl Requests {
    async fn next(mut self) -> Option<(openraft::raft::AppendEntriesRequest<TypeConfig>, Self)> {
        let Self { server, from, source, sender, served } = &mut self;
        let read = tokio::select! {
            biased;
            _ = served => return None,
            read = read_append(server, *from, source.as_mut(), sender) => read,
        };
        match read {
            Ok(request) => request.map(|request| (request, self)),
            Err(error) => {
                tracing::debug!(%error, "replication from a member broke");
                None
            }
        }
    }
}

async fn read_append(
    server: &Server,
    from: [u8; 32],
    source: &mut dyn FrameSource,
    sender: &tokio::sync::watch::Sender<u64>,
) -> Result<Option<openraft::raft::AppendEntriesRequest<TypeConfig>>, TransportError> {
    let Some(frame) = source.recv().await? else { return Ok(None) };
    let (envelope, body) = server.read(from, frame)?;
    sender.send_replace(envelope.from);
    if envelope.kind != Kind::Append {
        return Err(broken(format!("{:?} on the append channel", envelope.kind)));
    }
    append::decode(body).map(Some)
}
