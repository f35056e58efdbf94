//! The client against a real QUIC server that speaks the protocol and misbehaves as told.

#![allow(clippy::unwrap_used)]

mod authority;
mod follow;
mod frames;
mod golden;
mod outcomes;
mod pipelining;
mod redirects;
mod server;
mod trust;
