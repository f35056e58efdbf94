//! One stream of a client: requests in, answers out, in any order, until either side is done.
//!
//! Many requests are in flight at once and none waits for another; the bound on them is the client library's and is
//! enforced here. Waits are counted apart, so that waiting never stops submitting. Upholds that a malformed frame ends
//! its stream and nothing else.

use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use quorla_client::{
    ErrorBody, ErrorCode, Request, Response,
    codec::{decode_body, encode_body},
    limits::{REQUESTS_IN_FLIGHT_MAX, WAITS_IN_FLIGHT_MAX},
};
use quorla_ledger::ids::Principal;

use crate::{
    dispatch::Dispatch,
    endpoint::{ClientStreamError, ReplyWriter, RequestReader},
};

/// Replies gathered into one write at the most, in bytes.
const FLUSH_BYTES: usize = 64 * 1_024;

/// Serves one stream until the client finishes it or it breaks; answers what was asked before that.
///
/// # Errors
/// A broken stream, or bytes that are no frames.
pub async fn serve(
    dispatch: &Dispatch,
    principal: Principal,
    mut reader: RequestReader,
    mut writer: ReplyWriter,
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
            frame = reader.next(), if reading && room => match frame? {
                Some((id, body)) => answers.push(start(dispatch, principal, id, &body)),
                None => reading = false,
            },
        }
    }
    writer.finish();
    Ok(())
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
