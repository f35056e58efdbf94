//! One stream of a client: requests in, answers out, in any order, until either side is done.
//!
//! Many requests are in flight at once and none waits for another. Their bounds are the client library's and are
//! enforced here for each connection, in number and in bytes, by reading no further (R21). Waits are counted apart, so
//! that waiting never stops submitting. Upholds that a malformed frame ends its stream and nothing else.

mod credit;

use std::pin::pin;

use bytes::Bytes;
use futures::{
    FutureExt as _, StreamExt as _,
    future::BoxFuture,
    stream::{FuturesUnordered, try_unfold},
};
use quorla_actors::sessions::Conversation;
use quorla_client::{
    ErrorBody, ErrorCode, Request, Response,
    codec::{CodecError, decode_body, encode_body},
};
use quorla_ledger::ids::Principal;
use tokio::sync::watch;

use crate::{
    dispatch::Dispatch,
    endpoint::{ClientConnection, ClientStreamError, ReplyWriter, RequestReader},
    metrics,
};

use credit::{Credit, Share};

/// A reply as bytes; an error is one that no frame can hold.
type Encoded = Result<Bytes, CodecError>;

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
        let credit = Credit::new();
        let stop = ending.clone();
        loop {
            tokio::select! {
                () = closed(&mut ending) => break,
                Some(()) = streams.next(), if !streams.is_empty() => {}
                stream = self.connection.accept_stream() => match stream {
                    Some((reader, writer)) => {
                        let answerer = Answerer { dispatch: &self.dispatch, principal, credit: credit.clone() };
                        streams.push(serve_logged(answerer, reader, writer, stop.clone()));
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

/// What answers the requests of one stream, and what they may cost.
struct Answerer<'d> {
    dispatch: &'d Dispatch,
    principal: Principal,
    credit: Credit,
}

/// A request that may be in flight, with its shares of the credit.
struct Admitted {
    id: u64,
    request: Result<Request, ErrorBody>,
    _shares: [Share; 2],
}

async fn serve_logged(
    answerer: Answerer<'_>,
    reader: RequestReader,
    writer: ReplyWriter,
    ending: watch::Receiver<bool>,
) {
    if let Err(error) = serve(&answerer, reader, writer, ending).await {
        tracing::debug!(%error, "a client's stream ended");
    }
}

/// Serves one stream until the client finishes it or it breaks; answers what was asked before that.
///
/// # Errors
/// A broken stream, or bytes that are no frames.
async fn serve(
    answerer: &Answerer<'_>,
    reader: RequestReader,
    mut writer: ReplyWriter,
    mut ending: watch::Receiver<bool>,
) -> Result<(), ClientStreamError> {
    let mut answers: FuturesUnordered<BoxFuture<'_, (u64, Encoded)>> = FuturesUnordered::new();
    // A stream and not a future: what was read of a request is kept while answers are written.
    let mut requests = pin!(try_unfold(reader, |mut reader| async move {
        Ok::<_, ClientStreamError>(admit(&answerer.credit, &mut reader).await?.map(|admitted| (admitted, reader)))
    }));
    let mut reading = true;
    while reading || !answers.is_empty() {
        tokio::select! {
            biased;
            Some((id, body)) = answers.next(), if !answers.is_empty() => {
                writer.push(id, &body?)?;
                gather(&mut answers, &mut writer)?;
                writer.flush().await?;
            }
            () = closed(&mut ending), if reading => reading = false,
            admitted = requests.next(), if reading => match admitted.transpose()? {
                Some(admitted) => answers.push(answerer.answer(admitted).boxed()),
                None => reading = false,
            },
        }
    }
    writer.finish();
    Ok(())
}

/// The next request of a stream, once the connection has the credit for it; its bytes are counted before they are read.
async fn admit(credit: &Credit, reader: &mut RequestReader) -> Result<Option<Admitted>, ClientStreamError> {
    let Some(bytes) = reader.body_bytes().await? else { return Ok(None) };
    let bytes = credit.bytes(bytes).await;
    let Some((id, body)) = reader.next().await? else { return Ok(None) };
    let request = read(&body);
    let turn = credit.turn(request.as_ref().ok()).await;
    Ok(Some(Admitted { id, request, _shares: [bytes, turn] }))
}

fn read(body: &Bytes) -> Result<Request, ErrorBody> {
    decode_body(body).map_err(|error| {
        ErrorBody::new(ErrorCode::MalformedFrame, format!("read a request: {error}"))
            .hint("The client's library may be newer than this node.")
    })
}

impl Answerer<'_> {
    async fn answer(&self, admitted: Admitted) -> (u64, Encoded) {
        let body = match admitted.request {
            Ok(request) => self.dispatch.answer(self.principal, request, |response| encode(&response)).await,
            Err(error) => encode(&Response { applied_index: 0, outcome: Err(error) }),
        };
        (admitted.id, body)
    }
}

/// Resolves when the node takes nothing new.
async fn closed(ending: &mut watch::Receiver<bool>) {
    // An error means that whoever would say so is gone: the same.
    let _ = ending.wait_for(|ending| *ending).await;
}

/// Takes along every other answer that is ready now.
fn gather(
    answers: &mut FuturesUnordered<BoxFuture<'_, (u64, Encoded)>>,
    writer: &mut ReplyWriter,
) -> Result<(), ClientStreamError> {
    while writer.queued_bytes() < FLUSH_BYTES
        && let Some(Some((id, body))) = answers.next().now_or_never()
    {
        writer.push(id, &body?)?;
    }
    Ok(())
}

fn encode(response: &Response) -> Encoded {
    encode_body(response).or_else(|error| {
        let outcome =
            Err(ErrorBody::new(ErrorCode::FrameTooLarge, format!("answer a request: {error}"))
                .hint("Ask for fewer rows."));
        encode_body(&Response { applied_index: response.applied_index, outcome })
    })
}
