//! Real endpoints on loopback, always on ports of the system's choice: who is let in, what streams may carry, and
//! what gossip and links make of it.

#![allow(clippy::unwrap_used)]

mod clients;
mod gossip;
mod link;
mod planes;
mod rig;
mod streams;
