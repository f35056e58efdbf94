//! What one client connection may have in flight here: bytes of requests, prompt requests, and waits apart.
//!
//! The bounds are those that the client library keeps to (R21), shared by all streams of the connection. Where one is
//! reached, the stream that asks is not read on; nothing is refused, and what is in flight goes on.

use std::sync::Arc;

use quorla_client::{
    Request,
    limits::{REQUEST_BYTES_IN_FLIGHT_MAX, REQUESTS_IN_FLIGHT_MAX, WAITS_IN_FLIGHT_MAX},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The credit of one connection. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Credit {
    bytes: Arc<Semaphore>,
    prompt: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

/// A share of the credit, given back when it is dropped.
pub(super) type Share = OwnedSemaphorePermit;

impl Credit {
    pub(super) fn new() -> Self {
        let credit = |most| Arc::new(Semaphore::new(most));
        Self {
            bytes: credit(REQUEST_BYTES_IN_FLIGHT_MAX),
            prompt: credit(REQUESTS_IN_FLIGHT_MAX),
            waiting: credit(WAITS_IN_FLIGHT_MAX),
        }
    }

    /// Waits until so many bytes of a request may be kept. A frame's bound is below the credit, so that each fits in.
    pub(super) async fn bytes(&self, bytes: u32) -> Share {
        take(&self.bytes, bytes).await
    }

    /// Waits until one more such request may be in flight. One that can't be read is answered at once.
    pub(super) async fn turn(&self, request: Option<&Request>) -> Share {
        let waits = request.and_then(Request::wait_ms).is_some();
        take(if waits { &self.waiting } else { &self.prompt }, 1).await
    }
}

async fn take(credit: &Arc<Semaphore>, share: u32) -> Share {
    Arc::clone(credit).acquire_many_owned(share).await.expect("the credit of a connection is never closed")
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use quorla_client::{ContentHashQuery, limits::FRAME_BYTES_MAX};

    use super::*;

    #[test]
    fn waits_do_not_take_the_place_of_other_requests() {
        let credit = Credit::new();
        let wait = Request::ContentHash(ContentHashQuery { index: 1, timeout_ms: 1 });
        let turn = |request: &Request| credit.turn(Some(request)).now_or_never();
        let mut waits: Vec<Share> = (0..WAITS_IN_FLIGHT_MAX).map(|_| turn(&wait).unwrap()).collect();
        assert!(turn(&wait).is_none());
        let prompt: Vec<Share> = (0..REQUESTS_IN_FLIGHT_MAX).map(|_| turn(&Request::Status).unwrap()).collect();
        assert!(turn(&Request::Status).is_none() && credit.turn(None).now_or_never().is_none());
        waits.pop();
        assert!(turn(&wait).is_some());
        drop(prompt);
        assert!(turn(&Request::Status).is_some());
    }

    #[test]
    fn streams_of_one_connection_share_its_bytes() {
        let credit = Credit::new();
        let other = credit.clone();
        let frames = REQUEST_BYTES_IN_FLIGHT_MAX / usize::try_from(FRAME_BYTES_MAX).unwrap();
        let mut held: Vec<Share> = (0..frames).map(|_| credit.bytes(FRAME_BYTES_MAX).now_or_never().unwrap()).collect();
        assert!(other.bytes(1).now_or_never().is_none());
        held.pop();
        assert!(other.bytes(FRAME_BYTES_MAX).now_or_never().is_some());
    }
}
