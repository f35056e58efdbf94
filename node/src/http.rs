//! The HTTP port of a node, on loopback only: health, readiness, metrics, and later the gateway's routes.
//!
//! `/healthz` says that the process answers, `/readyz` whether it serves, with every reason why not and what the node
//! warns of, and the metrics path renders `metrics`. Header, body, time and number of connections are bounded. Replies that are no metrics are
//! JSON; errors carry a stable `code`.

mod bounds;
mod readiness;
mod server;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};

use crate::metrics::Metrics;

pub use readiness::{Gate, Readiness, Reason};
pub use server::{HttpError, HttpServer, HttpSettings};

/// The routes that every node has: health, readiness and, at `metrics_path`, metrics.
pub fn operator_routes(metrics_path: &str, metrics: Metrics, readiness: Readiness) -> Router {
    let rendered = get(move || async move { render(&metrics) });
    Router::new()
        .route("/healthz", get(health))
        .route("/readyz", get(ready).with_state(readiness))
        .route(metrics_path, rendered)
        .fallback(not_found)
}

/// A JSON reply.
pub fn json_reply(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// An error as every HTTP reply words it: a stable code for programs, a message for people.
pub fn error_reply(status: StatusCode, code: &str, message: &str) -> Response {
    json_reply(status, &json!({ "code": code, "message": message }))
}

async fn health() -> Response {
    json_reply(StatusCode::OK, &json!({ "healthy": true }))
}

async fn ready(State(readiness): State<Readiness>) -> Response {
    let reasons = readiness.reasons();
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({
        "ready": reasons.is_empty(),
        "reasons": listed(&reasons),
        "warnings": listed(&readiness.warnings()),
    });
    json_reply(status, &body)
}

fn listed(reasons: &[Reason]) -> Vec<Value> {
    reasons.iter().map(|reason| json!({ "component": reason.component, "reason": reason.text })).collect()
}

fn render(metrics: &Metrics) -> Response {
    let text_format = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (text_format, metrics.render()).into_response()
}

async fn not_found() -> Response {
    error_reply(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path")
}

#[cfg(test)]
mod tests;
