//! The inspector: one small actor on every node that answers questions of its peers about this process.
//!
//! Question and answer are opaque frames that are decoded fallibly: ractor's own decoding can panic, and versions
//! differ. A crash loses nothing; it holds no state but what it was started with.

use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, SpawnErr, pg, registry};
use ractor_cluster::RactorClusterMessage;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::clock::SystemClock;
use crate::identity::KeyId;

/// What a node says about itself.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Inspection {
    /// Its name.
    pub name: String,
    /// The program's version.
    pub version: String,
    /// How long its process has run; `0` in what [`super::ClusterLink::start`] is given.
    pub uptime_ms: u64,
    /// Local actors that run in it; `0` in what [`super::ClusterLink::start`] is given.
    pub actors: u64,
    /// Where its HTTP server is; nothing from a version that does not say so.
    #[serde(default)]
    pub http_address: Option<String>,
    /// Its resident memory, measured when it is asked.
    #[serde(default)]
    pub rss_bytes: Option<u64>,
}

/// Why a peer did not answer.
#[derive(Debug, Error)]
pub enum InspectError {
    /// There is no link to it.
    #[error("inspect the node {0}: it is not linked")]
    NotLinked(KeyId),
    /// No answer in time; the link may just have broken.
    #[error("inspect the node: no answer within {0:?}")]
    TimedOut(Duration),
    /// The link broke, or the answer is of a version that can't be read.
    #[error("inspect the node: the answer can't be read")]
    Unreadable,
}

/// The questions, as frames hold them.
#[derive(Serialize, Deserialize)]
enum Question {
    /// Describe yourself.
    About,
}

#[derive(RactorClusterMessage)]
pub(super) enum InspectorMessage {
    /// A question and where the answer goes; an empty answer means: not understood.
    #[rpc]
    Ask(Vec<u8>, RpcReplyPort<Vec<u8>>),
}

struct Inspector;

struct About {
    inspection: Inspection,
    started: Duration,
}

impl Actor for Inspector {
    type Msg = InspectorMessage;
    type State = About;
    type Arguments = (KeyId, Inspection);

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        (own, inspection): Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        pg::join(group(own), vec![myself.get_cell()]);
        Ok(About { inspection, started: SystemClock.since_boot() })
    }

    async fn handle(
        &self,
        _myself: ActorRef<Self::Msg>,
        InspectorMessage::Ask(question, reply): Self::Msg,
        about: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        // Who asked may be gone by now.
        let _ = reply.send(answer(&question, about));
        Ok(())
    }
}

fn answer(question: &[u8], about: &About) -> Vec<u8> {
    let Ok(Question::About) = serde_json::from_slice(question) else {
        return Vec::new();
    };
    let uptime = SystemClock.since_boot().saturating_sub(about.started);
    let inspection = Inspection {
        uptime_ms: u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX),
        actors: u64::try_from(registry::get_all_pids().len()).unwrap_or(u64::MAX),
        rss_bytes: crate::metrics::resident_bytes(),
        ..about.inspection.clone()
    };
    serde_json::to_vec(&inspection).unwrap_or_default()
}

pub(super) async fn start(own: KeyId, about: Inspection) -> Result<ActorRef<InspectorMessage>, SpawnErr> {
    Ok(Actor::spawn(None, Inspector, (own, about)).await?.0)
}

pub(super) async fn ask(peer: KeyId, within: Duration) -> Result<Inspection, InspectError> {
    let inspector = pg::get_members(&group(peer)).into_iter().next();
    let inspector: ActorRef<InspectorMessage> = inspector.ok_or(InspectError::NotLinked(peer))?.into();
    let question = serde_json::to_vec(&Question::About).map_err(|_| InspectError::Unreadable)?;
    // A call to an actor that is gone vanishes without an error: it must have a timeout.
    let called = inspector
        .call(|reply| InspectorMessage::Ask(question, reply), Some(within))
        .await
        .map_err(|_| InspectError::Unreadable)?;
    match called {
        ractor::rpc::CallResult::Success(frame) => serde_json::from_slice(&frame).map_err(|_| InspectError::Unreadable),
        ractor::rpc::CallResult::Timeout => Err(InspectError::TimedOut(within)),
        ractor::rpc::CallResult::SenderError => Err(InspectError::Unreadable),
    }
}

/// Every inspector is alone in a group that is named after its node's key.
fn group(node: KeyId) -> String {
    format!("quorla-inspector/{node}")
}
