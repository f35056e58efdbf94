//! Who is there: live members of the cluster, their addresses and versions, spread by gossip.
//!
//! Hints only (R19): nothing here decides ownership, membership or votes. The rest of the node sees the [`Gossip`] trait; chitchat stands
//! behind it and talks over the node's own endpoint, so every member is a verified node of this cluster.

mod chitchat;
mod member;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use thiserror::Error;
use tokio::sync::watch;

pub use chitchat::ChitchatGossip;
pub use member::Member;

/// The live members, this node included, ordered by key.
pub type Members = Arc<Vec<Member>>;

/// Spreads hints between nodes.
pub trait Gossip: Send + Sync {
    /// The live members; changes when one comes, goes or publishes something else.
    fn members(&self) -> watch::Receiver<Members>;

    /// Stops to gossip; the others will see this node as gone.
    fn stop(&self) -> BoxFuture<'_, ()>;
}

/// What gossip needs to start.
#[derive(Clone, Debug)]
pub struct GossipSettings {
    /// Keeps the gossip of two clusters apart.
    pub cluster: String,
    /// What this node publishes about itself.
    pub own: Member,
    /// Wall clock at the start of this process: it tells this life of the node from earlier ones.
    pub started_ms: u64,
    /// Addresses to ask first, `host:port`.
    pub seeds: Vec<String>,
    /// Pause between rounds.
    pub interval: Duration,
    /// Usual silence after which a member is no longer shown as live.
    pub suspect_after: Duration,
}

/// Why gossip did not start.
#[derive(Debug, Error)]
pub enum GossipError {
    /// The advertised address has to be one that others can dial.
    #[error("resolve the advertised address {address}: {reason}")]
    Advertise {
        /// The address.
        address: String,
        /// What the resolver said.
        reason: String,
    },
    /// chitchat refused to start; the words are its own.
    #[error("start gossip: {reason}")]
    Start {
        /// Why.
        reason: String,
    },
}
