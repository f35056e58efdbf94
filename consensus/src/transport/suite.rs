//! What every transport must do; run over the memory transport here and over QUIC by the tests package.

use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;

use super::{Channel, Duplex, Peer, Transport, TransportError};

/// A transport under test: one side opens, the other side receives what was opened.
pub trait Subject: Send + Sync {
    /// The side that opens streams.
    fn transport(&self) -> &dyn Transport;
    /// Reaches the receiving side.
    fn peer(&self) -> Peer;
    /// A peer that nobody answers for.
    fn absent_peer(&self) -> Peer;
    /// The next stream that the receiving side accepted: group, channel, stream.
    fn accept(&self) -> BoxFuture<'_, Option<(u16, Channel, Duplex)>>;
}

/// Only a guard against hanging; nothing is measured.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs every case; the error names the first one that failed.
///
/// # Errors
/// The first claim that does not hold.
pub async fn run(subject: &dyn Subject) -> Result<(), SuiteError> {
    guard("group and channel arrive", group_and_channel_arrive(subject)).await?;
    guard("frames keep their order and size", frames_keep_order(subject)).await?;
    guard("finish ends the other side", finish_ends_the_other_side(subject)).await?;
    guard("a dropped side breaks the stream", dropped_side_breaks(subject)).await?;
    guard("streams do not block each other", streams_do_not_block(subject)).await?;
    guard("an oversized frame is refused", oversized_frame_is_refused(subject)).await?;
    guard("an absent peer is unreachable", absent_peer_is_unreachable(subject)).await
}

/// A case that failed.
#[derive(Debug, thiserror::Error)]
#[error("transport suite: {case}: {problem}")]
pub struct SuiteError {
    case: &'static str,
    problem: Problem,
}

#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error("{0}")]
    Broken(&'static str),
}

type Case = Result<(), Problem>;

async fn guard(case: &'static str, body: impl Future<Output = Case>) -> Result<(), SuiteError> {
    match tokio::time::timeout(PATIENCE, body).await {
        Ok(result) => result.map_err(|problem| SuiteError { case, problem }),
        Err(_) => Err(SuiteError { case, problem: Problem::Broken("hangs") }),
    }
}

fn ensure(holds: bool, otherwise: &'static str) -> Case {
    if holds { Ok(()) } else { Err(Problem::Broken(otherwise)) }
}

async fn pair(subject: &dyn Subject, group: u16, channel: Channel) -> Result<(Duplex, Duplex), Problem> {
    let mut ours = subject.transport().open(&subject.peer(), group, channel).await?;
    ours.sink.send(Bytes::from_static(b"open")).await?;
    let (seen_group, seen_channel, mut theirs) =
        subject.accept().await.ok_or(Problem::Broken("no stream was accepted"))?;
    ensure(seen_group == group && seen_channel == channel, "group or channel changed on the way")?;
    ensure(theirs.source.recv().await?.as_deref() == Some(b"open"), "the first frame is lost")?;
    Ok((ours, theirs))
}

async fn group_and_channel_arrive(subject: &dyn Subject) -> Case {
    for (group, channel) in [(0, Channel::VOTE), (7, Channel::APPEND), (u16::MAX, Channel::AGENT)] {
        pair(subject, group, channel).await?;
    }
    Ok(())
}

async fn frames_keep_order(subject: &dyn Subject) -> Case {
    let (mut ours, mut theirs) = pair(subject, 0, Channel::FORWARD).await?;
    let sizes = [0_usize, 1, 1_000, 70_000, 1 << 20, 3];
    let send = async {
        for (number, size) in (0_u8..).zip(sizes) {
            ours.sink.send(Bytes::from(vec![number; size])).await?;
        }
        ours.sink.finish().await
    };
    let receive = async {
        for (number, size) in (0_u8..).zip(sizes) {
            let frame = theirs.source.recv().await?.ok_or(Problem::Broken("a frame is missing"))?;
            ensure(frame.len() == size && frame.iter().all(|byte| *byte == number), "a frame changed")?;
        }
        Ok::<(), Problem>(())
    };
    let (sent, received) = futures::join!(send, receive);
    sent?;
    received
}

async fn finish_ends_the_other_side(subject: &dyn Subject) -> Case {
    let (mut ours, mut theirs) = pair(subject, 0, Channel::FORWARD).await?;
    ours.sink.finish().await?;
    ensure(theirs.source.recv().await?.is_none(), "a frame after the end")?;
    theirs.sink.send(Bytes::from_static(b"still")).await?;
    let frame = ours.source.recv().await?;
    ensure(frame.as_deref() == Some(b"still"), "the other direction ended too")
}

async fn dropped_side_breaks(subject: &dyn Subject) -> Case {
    let (ours, mut theirs) = pair(subject, 0, Channel::APPEND).await?;
    drop(ours);
    ensure(theirs.source.recv().await.is_err(), "a dropped stream looks finished")
}

async fn streams_do_not_block(subject: &dyn Subject) -> Case {
    let (mut blocked, _unread) = pair(subject, 0, Channel::SNAPSHOT).await?;
    let flood = async {
        loop {
            blocked.sink.send(Bytes::from(vec![0; 1 << 20])).await?;
        }
    };
    let other = async {
        let (mut ours, mut theirs) = pair(subject, 0, Channel::VOTE).await?;
        theirs.sink.send(Bytes::from_static(b"reply")).await?;
        ensure(ours.source.recv().await?.as_deref() == Some(b"reply"), "the reply is lost")
    };
    tokio::select! {
        flooded = flood => flooded,
        done = other => done,
    }
}

async fn oversized_frame_is_refused(subject: &dyn Subject) -> Case {
    let (mut ours, _theirs) = pair(subject, 0, Channel::VOTE).await?;
    let bytes = Channel::VOTE.frame_bytes_max() + 1;
    let refused = ours.sink.send(Bytes::from(vec![0; bytes])).await;
    ensure(matches!(refused, Err(TransportError::FrameTooLarge { .. })), "an oversized frame was sent")
}

async fn absent_peer_is_unreachable(subject: &dyn Subject) -> Case {
    let opened = subject.transport().open(&subject.absent_peer(), 0, Channel::VOTE).await;
    ensure(opened.is_err(), "an absent peer was reached")
}
