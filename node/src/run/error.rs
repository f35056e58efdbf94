//! Why a node did not start or had to stop.

use quorla_consensus::{Fatal, StartError};
use thiserror::Error;

use crate::{
    endpoint::EndpointError, gossip::GossipError, http::HttpError, identity::IdentityError, link::LinkError,
    metrics::MetricsError,
};

/// See the variants; each says what was attempted.
#[derive(Debug, Error)]
pub enum NodeError {
    /// Keys or certificates can't be used.
    #[error("start the node: {0}")]
    Identity(#[from] IdentityError),
    /// The UDP port can't be used.
    #[error("start the node: {0}")]
    Endpoint(#[from] EndpointError),
    /// The HTTP port can't be used.
    #[error("start the node: {0}")]
    Http(#[from] HttpError),
    /// Another recorder of metrics is there.
    #[error("start the node: {0}")]
    Metrics(#[from] MetricsError),
    /// Gossip did not start.
    #[error("start the node: {0}")]
    Gossip(#[from] GossipError),
    /// The links between actors did not start.
    #[error("start the node: {0}")]
    Link(#[from] LinkError),
    /// Storage or consensus did not start.
    #[error("start the node: {0}")]
    Consensus(#[from] StartError),
    /// The actors did not start.
    #[error("start the node: {reason}")]
    Actors {
        /// Why.
        reason: String,
    },
    /// The directory of kept output can't be used.
    #[error("start the node: open the kept output: {source}")]
    Output {
        /// Why.
        source: std::io::Error,
    },
    /// The cluster could not be founded.
    #[error("found the cluster: {reason}")]
    Found {
        /// Why.
        reason: String,
    },
    /// The node can't go on.
    #[error("the node stops: {0}")]
    Fatal(#[from] Fatal),
    /// Its warden is gone, and with it every attempt (R17).
    #[error("the node stops: its warden is gone")]
    WardenIsGone,
}

impl NodeError {
    /// The stable code, for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Identity(_) => "identity_unusable",
            Self::Endpoint(_) => "endpoint_unusable",
            Self::Http(_) => "http_unusable",
            Self::Metrics(_) | Self::Link(_) | Self::Actors { .. } => "start_failed",
            Self::Gossip(_) => "gossip_unusable",
            Self::Consensus(error) => match error {
                StartError::Locked { .. } => "data_dir_locked",
                StartError::NewerFormat { .. } => "data_dir_is_newer",
                StartError::OlderFormat { .. } => "data_dir_is_older",
                StartError::OtherCluster { .. } => "data_dir_of_another_cluster",
                StartError::LogLost { .. } => "data_dir_lost_entries",
                StartError::Damaged { .. } => "data_dir_damaged",
                _ => "storage_unusable",
            },
            Self::Output { .. } => "storage_unusable",
            Self::Found { .. } => "found_failed",
            Self::Fatal(_) => "node_cannot_go_on",
            Self::WardenIsGone => "warden_is_gone",
        }
    }

    /// The next thing to try, where there is one.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Identity(_) => Some(
                "See the keys and certificates that transport names in cluster.toml; `quorla dev` makes a cluster with its own.",
            ),
            Self::Consensus(StartError::Locked { .. }) => Some("Stop the other node, or set another node.data_dir."),
            Self::Consensus(StartError::NewerFormat { .. }) => Some("Start the newer version of quorla."),
            Self::Consensus(StartError::OlderFormat { .. }) => {
                Some("Start the version of quorla that wrote it, or give the node an empty node.data_dir.")
            }
            Self::Consensus(StartError::OtherCluster { .. }) => {
                Some("Set another node.data_dir, or use the certificate of that cluster.")
            }
            Self::Output { .. }
            | Self::Consensus(StartError::Io { .. } | StartError::Log(_) | StartError::Raft { .. }) => Some(
                "Look at the disk (space, health) and at who may write to node.data_dir, then start the node again.",
            ),
            Self::Fatal(Fatal::Log { .. } | Fatal::State { .. }) => {
                Some("Look at the disk (space, health); the other nodes go on. Then start the node again.")
            }
            Self::Fatal(Fatal::UnknownVersion { .. }) => Some("Upgrade this node."),
            _ => None,
        }
    }
}
