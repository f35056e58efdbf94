//! Reading the output that another node keeps: one stream for each page, a question and an answer on it.
//!
//! The answer is bounded, and whoever asked takes it at once, so that a slow follower holds up no stream of its node. A
//! question that is given up resets its stream, which ends the wait on the other side.

use std::{io, time::Duration};

use bytes::Bytes;
use quorla_consensus::{
    codec,
    transport::{Duplex, TransportError},
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    page::{Page, Query},
    store::OutputStore,
};

/// The longest wait that a question may ask for.
const WAIT_MS_MAX: u64 = 60_000;

/// The question. Append-only: a new shape is a new variant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Question {
    V1 {
        query: Query,
        /// How long to wait for something to tell.
        within_ms: u64,
    },
}

/// The answer. Append-only: a new shape is a new variant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Answer {
    V1(Page),
    /// The files can't be read.
    Unreadable(String),
}

/// Why a page was not read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The node that keeps it is not reached, or was lost on the way.
    #[error("reach the node that keeps the output: {0}")]
    Unreached(#[from] TransportError),
    /// It says something else.
    #[error("understand the node that keeps the output: {0}")]
    Undecodable(#[from] codec::CodecError),
    /// It went without an answer.
    #[error("hear the node that keeps the output: it gave no answer")]
    Unanswered,
    /// It can't read its files.
    #[error("read kept output: {0}")]
    Unreadable(String),
}

/// Asks over a fresh stream.
///
/// # Errors
/// When there is no answer.
pub async fn ask(mut duplex: Duplex, query: Query, within: Duration) -> Result<Page, ReadError> {
    let within_ms = u64::try_from(within.as_millis()).unwrap_or(u64::MAX).min(WAIT_MS_MAX);
    let question = codec::encode(&Question::V1 { query, within_ms })?;
    duplex.sink.send(Bytes::from(question)).await?;
    let frame = duplex.source.recv().await?.ok_or(ReadError::Unanswered)?;
    match codec::decode(&frame)? {
        Answer::V1(page) => Ok(page),
        Answer::Unreadable(reason) => Err(ReadError::Unreadable(reason)),
    }
}

/// Answers one question that another node asks.
///
/// # Errors
/// When the stream breaks, or what came is no question.
pub async fn serve(store: &OutputStore, mut duplex: Duplex) -> Result<(), ReadError> {
    let Some(frame) = duplex.source.recv().await? else { return Ok(()) };
    let Question::V1 { query, within_ms } = codec::decode(&frame)?;
    let within = Duration::from_millis(within_ms.min(WAIT_MS_MAX));
    let page = tokio::select! {
        page = store.read(query, within) => page,
        // Nothing follows a question: whoever asked is gone.
        _ = duplex.source.recv() => return Ok(()),
    };
    let answer = page.map_or_else(|error: io::Error| Answer::Unreadable(error.to_string()), Answer::V1);
    duplex.sink.send(Bytes::from(codec::encode(&answer)?)).await?;
    duplex.sink.finish().await?;
    // Dropping the other direction before the answer arrived would do no harm, but the peer finishes first.
    let _ = duplex.source.recv().await;
    Ok(())
}
