//! Sessions: one actor per client connection. What is said in it is the node's matter.
//!
//! Sessions is supervised by Root and supervises the Session actors. A crash of a Session loses that connection, whose
//! client connects again; a crash of Sessions loses all of them; a start begins with none.

use std::sync::Arc;

use futures::future::BoxFuture;
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use ractor_cluster::RactorMessage;
use thiserror::Error;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
};

use crate::metrics;

/// Connections served at a time.
pub const SESSIONS_MAX: u32 = 1_024;

/// The client's side of a session: decoded requests, their answers, and the connection below.
pub trait Conversation: Send + 'static {
    /// Serves one client until it leaves; once `ending` says so, takes nothing new and finishes what it has.
    fn hold(self: Box<Self>, ending: watch::Receiver<bool>) -> BoxFuture<'static, ()>;
}

/// Every session is taken; the client tries another node or later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("open a session: {SESSIONS_MAX} are open, or the node is stopping")]
pub struct SessionsAreExhausted;

/// Hands conversations to the Sessions actor; clones share the places.
#[derive(Clone, Debug)]
pub(crate) struct Reception {
    places: Arc<Semaphore>,
    ending: watch::Sender<bool>,
}

/// What Sessions is told.
#[derive(RactorMessage)]
pub(crate) enum SessionsMessage {
    /// A client connected, and has a place.
    Open { conversation: Box<dyn Conversation>, place: OwnedSemaphorePermit },
}

/// The supervisor of sessions.
pub(crate) struct Sessions;

impl Reception {
    pub(crate) fn new() -> Self {
        let places = usize::try_from(SESSIONS_MAX).expect("a count fits memory");
        Self { places: Arc::new(Semaphore::new(places)), ending: watch::Sender::new(false) }
    }

    /// Takes a place for a conversation.
    pub(crate) fn open(
        &self,
        sessions: &ActorRef<SessionsMessage>,
        conversation: Box<dyn Conversation>,
    ) -> Result<(), SessionsAreExhausted> {
        if *self.ending.borrow() {
            return Err(SessionsAreExhausted);
        }
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| SessionsAreExhausted)?;
        sessions.cast(SessionsMessage::Open { conversation, place }).map_err(|_| SessionsAreExhausted)
    }

    /// Asks every session to end, and waits until all have.
    pub(crate) async fn end(&self) {
        self.ending.send_replace(true);
        let all = self.places.acquire_many(SESSIONS_MAX).await;
        drop(all);
    }
}

impl Actor for Sessions {
    type Msg = SessionsMessage;
    type State = Reception;
    type Arguments = Reception;

    async fn pre_start(
        &self,
        _: ActorRef<SessionsMessage>,
        reception: Reception,
    ) -> Result<Reception, ActorProcessingErr> {
        Ok(reception)
    }

    async fn handle(
        &self,
        myself: ActorRef<SessionsMessage>,
        message: SessionsMessage,
        reception: &mut Reception,
    ) -> Result<(), ActorProcessingErr> {
        let SessionsMessage::Open { conversation, place } = message;
        let arguments = SessionArguments { conversation, place, ending: reception.ending.subscribe() };
        Session::spawn_linked(None, Session, arguments, myself.get_cell()).await?;
        Ok(())
    }

    /// A session that failed is its client's loss only.
    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<SessionsMessage>,
        event: SupervisionEvent,
        _: &mut Reception,
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ActorFailed(_, error) = event {
            tracing::error!(%error, "a session failed, its connection is closed");
        }
        Ok(())
    }
}

/// One client's connection.
struct Session;

struct SessionArguments {
    conversation: Box<dyn Conversation>,
    place: OwnedSemaphorePermit,
    ending: watch::Receiver<bool>,
}

struct SessionState {
    conversation: JoinSet<()>,
    /// Given back when the Session is gone.
    _place: Place,
}

struct Place {
    _permit: OwnedSemaphorePermit,
}

#[derive(RactorMessage)]
enum SessionMessage {
    /// The conversation is over, well or not.
    Over,
}

impl Actor for Session {
    type Msg = SessionMessage;
    type State = SessionState;
    type Arguments = SessionArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<SessionMessage>,
        arguments: SessionArguments,
    ) -> Result<SessionState, ActorProcessingErr> {
        let SessionArguments { conversation, place, ending } = arguments;
        let mut held = JoinSet::new();
        held.spawn(async move {
            let _over = OverOnDrop(myself);
            conversation.hold(ending).await;
        });
        Ok(SessionState { conversation: held, _place: Place::taken(place) })
    }

    async fn handle(
        &self,
        myself: ActorRef<SessionMessage>,
        _: SessionMessage,
        state: &mut SessionState,
    ) -> Result<(), ActorProcessingErr> {
        // The message comes from within the task: it ends right after.
        if let Some(ended) = state.conversation.join_next().await {
            ended.map_err(|error| -> ActorProcessingErr { Box::new(error) })?;
        }
        myself.stop(None);
        Ok(())
    }
}

struct OverOnDrop(ActorRef<SessionMessage>);

impl Drop for OverOnDrop {
    fn drop(&mut self) {
        let _ = self.0.cast(SessionMessage::Over);
    }
}

impl Place {
    fn taken(permit: OwnedSemaphorePermit) -> Self {
        ::metrics::gauge!(metrics::SESSIONS).increment(1.0);
        Self { _permit: permit }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        ::metrics::gauge!(metrics::SESSIONS).decrement(1.0);
    }
}
