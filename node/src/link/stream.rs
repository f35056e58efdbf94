//! A QUIC stream as ractor_cluster wants one, which tells when it has ended.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use quinn::{RecvStream, SendStream};
use ractor_cluster::{BoxRead, BoxWrite, ClusterBidiStream};
use tokio::io::{AsyncRead, ReadBuf};

use crate::identity::KeyId;

/// Called once, when the reading half is dropped.
pub(super) type Ended = Box<dyn FnOnce() + Send>;

pub(super) struct LinkStream {
    send: SendStream,
    recv: ReadHalf,
    peer: KeyId,
}

impl LinkStream {
    pub(super) fn new(send: SendStream, recv: RecvStream, peer: KeyId, ended: Ended) -> Self {
        Self { send, recv: ReadHalf { recv, ended: Some(ended) }, peer }
    }
}

impl ClusterBidiStream for LinkStream {
    fn split(self: Box<Self>) -> (BoxRead, BoxWrite) {
        let Self { send, recv, .. } = *self;
        (Box::new(recv), Box::new(send))
    }

    fn peer_label(&self) -> Option<String> {
        Some(self.peer.to_string())
    }
}

struct ReadHalf {
    recv: RecvStream,
    ended: Option<Ended>,
}

impl AsyncRead for ReadHalf {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        AsyncRead::poll_read(Pin::new(&mut self.recv), context, buffer)
    }
}

impl Drop for ReadHalf {
    fn drop(&mut self) {
        if let Some(ended) = self.ended.take() {
            ended();
        }
    }
}
