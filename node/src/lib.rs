//! The node process as a library: configuration, identity, one QUIC endpoint, gossip, HTTP, metrics, logs.
//!
//! ```text
//! config   cluster.toml + environment + flags -> Config, or every problem at once
//! identity keys and certificates: who a node or client is
//! endpoint one UDP socket, mutual TLS, two planes; streams go to Routes
//!   frames     the bytes on a stream between nodes
//!   transport  consensus' Transport over the endpoint
//!   gossip     live members (hints only)
//!   link       ractor_cluster over a stream: inspection between nodes
//! abilities  what limits this node can enforce, as labels
//! http     /healthz /readyz /metrics on loopback
//! metrics  every metric's name
//! log      how lines look
//! clock    the one place where a clock is read
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod abilities;
pub mod clock;
pub mod config;
pub mod dispatch;
pub mod endpoint;
pub mod frames;
pub mod gossip;
pub mod guard;
pub mod http;
pub mod identity;
pub mod link;
pub mod log;
pub mod metrics;
pub mod output;
pub mod run;
pub mod session;
pub mod transport;
