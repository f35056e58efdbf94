//! One agent's link to the leader: messages over frames, with a bounded outbox on each side.
//!
//! Owns the encoding and the bounds. A frame that cannot be decoded, an outbox that runs full or a broken stream ends the
//! link; a new one begins with a renewal and the full set, so that nothing was lost by it.

use bytes::Bytes;
use futures::FutureExt;
use quorla_consensus::{
    codec,
    transport::{Duplex, FrameSink, FrameSource, TransportError},
};
use quorla_ledger::limits::NODE_SLOTS_MAX;
use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;
use tokio::sync::mpsc;

/// Messages that wait to be sent: a start and a stop for every slot, and some.
pub(crate) const OUTBOX_MAX: usize = 576;
const _: () = assert!(2 * NODE_SLOTS_MAX < OUTBOX_MAX as u64, "every order of a node fits its outbox");
/// Frames that wait in one direction of a link inside one process.
const LOCAL_FRAMES_MAX: usize = 64;

/// Why a link ended.
#[derive(Debug, Error)]
pub(crate) enum LinkError {
    /// The stream broke.
    #[error("keep a link of an agent")]
    Broken(#[from] TransportError),
    /// The peer speaks something else.
    #[error("understand a message of an agent's link")]
    Undecodable(#[from] codec::CodecError),
}

/// Sends what comes out of the outbox until that is closed, then says that nothing follows.
pub(crate) async fn send_all<M: Serialize>(
    mut sink: Box<dyn FrameSink>,
    mut outbox: mpsc::Receiver<M>,
) -> Result<(), LinkError> {
    while let Some(message) = outbox.recv().await {
        let frame = codec::encode(&message)?;
        sink.send(Bytes::from(frame)).await?;
    }
    Ok(sink.finish().await?)
}

/// Receives into the inbox until the peer finishes or nobody takes anything out of the inbox any more.
pub(crate) async fn receive_all<M: DeserializeOwned>(
    mut source: Box<dyn FrameSource>,
    inbox: mpsc::Sender<M>,
) -> Result<(), LinkError> {
    while let Some(frame) = source.recv().await? {
        if inbox.send(codec::decode(&frame)?).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// Both ends of a link inside this process: the leader's own agent has no network between.
pub(crate) fn local_pair() -> (Duplex, Duplex) {
    let (to_left, from_right) = mpsc::channel(LOCAL_FRAMES_MAX);
    let (to_right, from_left) = mpsc::channel(LOCAL_FRAMES_MAX);
    let end =
        |sender, receiver| Duplex { sink: Box::new(LocalSink(Some(sender))), source: Box::new(LocalSource(receiver)) };
    (end(to_right, from_right), end(to_left, from_left))
}

struct LocalSink(Option<mpsc::Sender<Bytes>>);

struct LocalSource(mpsc::Receiver<Bytes>);

impl FrameSink for LocalSink {
    fn send(&mut self, frame: Bytes) -> futures::future::BoxFuture<'_, Result<(), TransportError>> {
        async move {
            let closed = || TransportError::Broken { reason: "the other end is closed".to_owned() };
            let sender = self.0.as_ref().ok_or_else(closed)?;
            sender.send(frame).await.map_err(|_| closed())
        }
        .boxed()
    }

    fn finish(&mut self) -> futures::future::BoxFuture<'_, Result<(), TransportError>> {
        self.0 = None;
        async { Ok(()) }.boxed()
    }
}

impl FrameSource for LocalSource {
    fn recv(&mut self) -> futures::future::BoxFuture<'_, Result<Option<Bytes>, TransportError>> {
        async move { Ok(self.0.recv().await) }.boxed()
    }
}
