//! The bounds of one request: its time and its body. A larger body is refused by its announced length, or cut off.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use futures::StreamExt;

use super::error_reply;

/// How long a request may take; a wait is a request of its own kind and comes with the gateway.
pub(super) const REQUEST_MAX: Duration = Duration::from_secs(30);

/// Applies the bounds to one request.
pub(super) async fn bounded(State(body_bytes_max): State<u64>, request: Request, next: Next) -> Response {
    if announced_bytes(&request).is_some_and(|bytes| bytes > body_bytes_max) {
        let message = format!("the body may have at most {body_bytes_max} bytes");
        return error_reply(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", &message);
    }
    let request = request.map(|body| cut_off(body, body_bytes_max));
    match tokio::time::timeout(REQUEST_MAX, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let message = format!("no answer within {} s", REQUEST_MAX.as_secs());
            error_reply(StatusCode::GATEWAY_TIMEOUT, "timed_out", &message)
        }
    }
}

fn announced_bytes(request: &Request) -> Option<u64> {
    request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The same body, failing once it has more bytes than allowed: not every body announces its length.
fn cut_off(body: Body, bytes_max: u64) -> Body {
    let mut bytes_left = bytes_max;
    Body::from_stream(body.into_data_stream().map(move |chunk| {
        let chunk = chunk?;
        let bytes = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        match bytes_left.checked_sub(bytes) {
            Some(left) => {
                bytes_left = left;
                Ok(chunk)
            }
            None => Err(axum::Error::new(BodyTooLarge)),
        }
    }))
}

#[derive(Debug, thiserror::Error)]
#[error("the body is larger than allowed")]
struct BodyTooLarge;
