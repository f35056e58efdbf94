//! One stream of a client: requests in, answers out, in any order, until either side is done.
//!
//! Many requests are in flight at once and none waits for another; the bound on them is the client library's and is
//! enforced here. Waits are counted apart, so that waiting never stops submitting. Upholds that a malformed frame ends
//! its stream and nothing else.

use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use quorla_actors::sessions::Conversation;
use quorla_client::{
    ErrorBody, ErrorCode, Request, Response,
    codec::{decode_body, encode_body},
    limits::{REQUESTS_IN_FLIGHT_MAX, WAITS_IN_FLIGHT_MAX},
};
use quorla_ledger::ids::Principal;
use tokio::sync::watch;

use crate::{
    dispatch::Dispatch,
    endpoint::{ClientConnection, ClientStreamError, ReplyWriter, RequestReader},
    metrics,
};

/// Replies gathered into one write at the most, in bytes.
const FLUSH_BYTES: usize = 64 * 1_024;

/// A client's connection as a session of the actors: each of its streams is served beside the others.
pub struct ClientConversation {
    dispatch: Dispatch,
    connection: ClientConnection,
}

impl ClientConversation {
    /// A conversation that has not begun.
    pub fn new(dispatch: Dispatch, connection: ClientConnection) -> Self {
        Self { dispatch, connection }
    }

    async fn serve_streams(self, mut ending: watch::Receiver<bool>) {
        let principal = Principal(self.connection.principal().0);
        let mut streams = FuturesUnordered::new();
        let stop = ending.clone();
        loop {
            tokio::select! {
                () = closed(&mut ending) => break,
                Some(()) = streams.next(), if !streams.is_empty() => {}
                stream = self.connection.accept_stream() => match stream {
                    Some((reader, writer)) => {
                        streams.push(serve_logged(&self.dispatch, principal, reader, writer, stop.clone()));
                    }
                    None => break,
                },
            }
        }
        while streams.next().await.is_some() {}
    }
}

impl Conversation for ClientConversation {
    fn hold(self: Box<Self>, ending: watch::Receiver<bool>) -> BoxFuture<'static, ()> {
        async move {
            metrics::add_client_sessions(1);
            self.serve_streams(ending).await;
            metrics::add_client_sessions(-1);
        }
        .boxed()
    }
}

async fn serve_logged(
    dispatch: &Dispatch,
    principal: Principal,
    reader: RequestReader,
    writer: ReplyWriter,
    ending: watch::Receiver<bool>,
) {
    if let Err(error) = serve(dispatch, principal, reader, writer, ending).await {
        tracing::debug!(%error, "a client's stream ended");
    }
}

/// Serves one stream until the client finishes it or it breaks; answers what was asked before that.
///
/// # Errors
/// A broken stream, or bytes that are no frames.
async fn serve(
    dispatch: &Dispatch,
    principal: Principal,
    mut reader: RequestReader,
    mut writer: ReplyWriter,
    mut ending: watch::Receiver<bool>,
) -> Result<(), ClientStreamError> {
    let mut answers: FuturesUnordered<BoxFuture<'_, (u64, Response)>> = FuturesUnordered::new();
    let mut reading = true;
    while reading || !answers.is_empty() {
        let room = answers.len() < REQUESTS_IN_FLIGHT_MAX + WAITS_IN_FLIGHT_MAX;
        tokio::select! {
            biased;
            Some((id, response)) = answers.next(), if !answers.is_empty() => {
                push(&mut writer, id, &response)?;
                gather(&mut answers, &mut writer)?;
                writer.flush().await?;
            }
            () = closed(&mut ending), if reading => reading = false,
            frame = reader.next(), if reading && room => match frame? {
                Some((id, body)) => answers.push(start(dispatch, principal, id, &body)),
                None => reading = false,
            },
        }
    }
    writer.finish();
    Ok(())
}

/// Resolves when the node takes nothing new.
async fn closed(ending: &mut watch::Receiver<bool>) {
    // An error means that whoever would say so is gone: the same.
    let _ = ending.wait_for(|ending| *ending).await;
}

fn start<'d>(dispatch: &'d Dispatch, principal: Principal, id: u64, body: &Bytes) -> BoxFuture<'d, (u64, Response)> {
    match decode_body::<Request>(body) {
        Ok(request) => async move { (id, dispatch.answer(principal, request).await) }.boxed(),
        Err(error) => {
            let message = format!("read a request: {error}");
            let error = ErrorBody::new(ErrorCode::MalformedFrame, message)
                .hint("The client's library may be newer than this node.");
            async move { (id, Response { applied_index: 0, outcome: Err(error) }) }.boxed()
        }
    }
}

/// Takes along every other answer that is ready now.
fn gather(
    answers: &mut FuturesUnordered<BoxFuture<'_, (u64, Response)>>,
    writer: &mut ReplyWriter,
) -> Result<(), ClientStreamError> {
    while writer.queued_bytes() < FLUSH_BYTES
        && let Some(Some((id, response))) = answers.next().now_or_never()
    {
        push(writer, id, &response)?;
    }
    Ok(())
}

fn push(writer: &mut ReplyWriter, id: u64, response: &Response) -> Result<(), ClientStreamError> {
    let body = encode_body(response).or_else(|error| {
        let outcome =
            Err(ErrorBody::new(ErrorCode::FrameTooLarge, format!("answer a request: {error}"))
                .hint("Ask for fewer rows."));
        encode_body(&Response { applied_index: response.applied_index, outcome })
    })?;
    writer.push(id, &body)
}
