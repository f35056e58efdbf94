//! chitchat's messages over the node's endpoint: one unidirectional stream each, on the bulk connection.
//!
//! A message to somebody who does not answer is lost, as gossip may be; it never holds up the round. What is being
//! sent at once is bounded.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use chitchat::transport::{Socket, Transport};
use chitchat::{ChitchatMessage, Deserializable, Serializable};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::task::TaskTracker;

use crate::endpoint::{Endpoint, GOSSIP_CHANNEL, GossipMessage};
use crate::frames::StreamHeader;

/// Messages that wait to be read, and messages that are being sent.
const QUEUED_MAX: usize = 256;
const SENDING_MAX: usize = 32;

/// Opens the one socket of this node.
pub(super) struct QuicWire {
    endpoint: Endpoint,
    incoming: Mutex<Option<mpsc::Receiver<GossipMessage>>>,
    tasks: TaskTracker,
}

impl QuicWire {
    /// Routes the endpoint's gossip messages here. Once for each endpoint.
    pub(super) fn new(endpoint: Endpoint, tasks: TaskTracker) -> Self {
        let (queue, incoming) = mpsc::channel(QUEUED_MAX);
        endpoint.routes().to_gossip(queue);
        Self { endpoint, incoming: Mutex::new(Some(incoming)), tasks }
    }
}

#[async_trait]
impl Transport for QuicWire {
    async fn open(&self, listen: SocketAddr) -> anyhow::Result<Box<dyn Socket>> {
        let incoming = self.incoming.lock().unwrap_or_else(PoisonError::into_inner).take();
        let incoming = incoming.ok_or_else(|| anyhow::anyhow!("{listen} is open already"))?;
        Ok(Box::new(QuicSocket {
            endpoint: self.endpoint.clone(),
            incoming,
            sending: Arc::new(Semaphore::new(SENDING_MAX)),
            tasks: self.tasks.clone(),
        }))
    }
}

struct QuicSocket {
    endpoint: Endpoint,
    incoming: mpsc::Receiver<GossipMessage>,
    sending: Arc<Semaphore>,
    tasks: TaskTracker,
}

#[async_trait]
impl Socket for QuicSocket {
    async fn send(&mut self, to: SocketAddr, message: ChitchatMessage) -> anyhow::Result<()> {
        let Ok(permit) = self.sending.clone().try_acquire_owned() else {
            return Ok(());
        };
        let endpoint = self.endpoint.clone();
        self.tasks.spawn(async move {
            let _permit = permit;
            if let Err(error) = deliver(&endpoint, to, &message.serialize_to_vec()).await {
                tracing::debug!(%to, %error, "gossip message lost");
            }
        });
        Ok(())
    }

    async fn recv(&mut self) -> anyhow::Result<(SocketAddr, ChitchatMessage)> {
        loop {
            let Some(GossipMessage { from, bytes }) = self.incoming.recv().await else {
                anyhow::bail!("the endpoint is closed");
            };
            match ChitchatMessage::deserialize(&mut bytes.as_ref()) {
                Ok(message) => return Ok((from, message)),
                Err(error) => tracing::debug!(%from, %error, "gossip message not understood"),
            }
        }
    }
}

async fn deliver(endpoint: &Endpoint, to: SocketAddr, message: &[u8]) -> anyhow::Result<()> {
    let connection = endpoint.connect_any(to).await?;
    let mut stream = connection.open_uni().await?;
    let header = StreamHeader { group: 0, channel: GOSSIP_CHANNEL };
    stream.write_all(&header.encode()).await?;
    stream.write_all(message).await?;
    stream.finish()?;
    Ok(())
}
