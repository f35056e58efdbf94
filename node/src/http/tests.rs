//! The port as a client sees it, over real loopback connections.

use std::net::SocketAddr;

use axum::Router;
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{HttpError, HttpServer, HttpSettings, Readiness, operator_routes};
use crate::metrics::Metrics;

async fn server(readiness: &Readiness) -> HttpServer {
    let recorder = PrometheusBuilder::new().build_recorder().handle();
    let routes = operator_routes("/metrics", Metrics::of(recorder), readiness.clone());
    let settings = HttpSettings { bind: "127.0.0.1:0".parse().unwrap(), body_bytes_max: 100 };
    HttpServer::start(&settings, routes).await.unwrap()
}

async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = Vec::new();
    // A refused request may be answered by a reset after the reply.
    let _ = stream.read_to_end(&mut reply).await;
    String::from_utf8_lossy(&reply).into_owned()
}

async fn fetch(address: SocketAddr, path: &str) -> String {
    exchange(address, &format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")).await
}

#[tokio::test]
async fn health_readiness_and_metrics_answer() {
    let readiness = Readiness::default();
    let gate = readiness.require("consensus");
    let server = server(&readiness).await;
    let address = server.local_addr();
    assert!(fetch(address, "/healthz").await.starts_with("HTTP/1.1 200"));
    let reply = fetch(address, "/readyz").await;
    assert!(reply.starts_with("HTTP/1.1 503") && reply.contains("starting"), "{reply}");
    gate.open();
    assert!(fetch(address, "/readyz").await.starts_with("HTTP/1.1 200"));
    readiness.warn("clock", Some("is fast".to_owned()));
    let reply = fetch(address, "/readyz").await;
    assert!(reply.starts_with("HTTP/1.1 200") && reply.contains("is fast"), "{reply}");
    readiness.warn("clock", None);
    assert!(!fetch(address, "/readyz").await.contains("is fast"));
    assert!(fetch(address, "/metrics").await.contains("text/plain; version=0.0.4"));
    server.stop().await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn unknown_path_has_a_stable_code() {
    let server = server(&Readiness::default()).await;
    let reply = fetch(server.local_addr(), "/nothing").await;
    assert!(reply.starts_with("HTTP/1.1 404") && reply.contains("\"not_found\""), "{reply}");
}

#[tokio::test]
async fn oversized_body_and_headers_are_refused() {
    let server = server(&Readiness::default()).await;
    let body = "POST /healthz HTTP/1.1\r\nhost: x\r\ncontent-length: 101\r\nconnection: close\r\n\r\n";
    let reply = exchange(server.local_addr(), &format!("{body}{}", "x".repeat(101))).await;
    assert!(reply.starts_with("HTTP/1.1 413") && reply.contains("body_too_large"), "{reply}");
    let long = "x".repeat(20_000);
    let reply = exchange(server.local_addr(), &format!("GET / HTTP/1.1\r\na: {long}\r\n\r\n")).await;
    assert!(reply.starts_with("HTTP/1.1 431"), "{reply}");
}

#[tokio::test]
async fn random_bytes_are_answered_with_an_error() {
    let server = server(&Readiness::default()).await;
    let reply = exchange(server.local_addr(), "\u{1}\u{2}\u{3} nonsense\r\n\r\n").await;
    assert!(reply.starts_with("HTTP/1.1 400"), "{reply}");
    assert!(fetch(server.local_addr(), "/healthz").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn other_machines_can_not_reach_the_port() {
    let settings = HttpSettings { bind: "0.0.0.0:0".parse().unwrap(), body_bytes_max: 100 };
    let started = HttpServer::start(&settings, Router::new()).await;
    assert!(matches!(started, Err(HttpError::NotLoopback(_))));
}
