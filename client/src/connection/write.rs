//! The writing half: takes whatever is queued, packs it into one buffer and writes that, without a timer.

use std::sync::Arc;

use bytes::BytesMut;
use tokio::sync::mpsc;

use super::{Outgoing, Pending};
use crate::codec::put_frame;

/// Frames that wait to be packed.
pub(super) const QUEUED_FRAMES_MAX: usize = 1024;
const FRAMES_PACKED_MAX: usize = 256;

pub(super) async fn run(mut stream: quinn::SendStream, mut queue: mpsc::Receiver<Outgoing>, pending: Arc<Pending>) {
    let mut frames = Vec::with_capacity(FRAMES_PACKED_MAX);
    let mut buffer = BytesMut::new();
    while queue.recv_many(&mut frames, FRAMES_PACKED_MAX).await > 0 {
        for frame in frames.drain(..) {
            put_frame(&mut buffer, frame.id, &frame.body).expect("bodies are bounded when they are encoded");
        }
        let packed = buffer.split().freeze();
        if let Err(error) = stream.write_chunk(packed).await {
            pending.close(error);
            return;
        }
    }
}
