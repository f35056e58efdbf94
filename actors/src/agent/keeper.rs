//! Keeps the Agent's one link to the current leader: opened again when it breaks or another node leads.
//!
//! Owns the pauses between tries. On the leader's own node the link stays inside the process.

use std::{sync::Arc, time::Duration};

use quorla_consensus::transport::Duplex;
use quorla_ledger::ids::NodeKey;
use ractor::ActorRef;
use tokio::sync::{Semaphore, mpsc};

use super::AgentMessage;
use crate::{
    link::{OUTBOX_MAX, local_pair, receive_all, send_all},
    messages::ToAgent,
    replica::{Leader, Leadership, Replica},
    scheduler::SchedulerMessage,
    seats::Seats,
};

/// The pause after a link that broke or could not be opened; it doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// A leader that cannot be reached within this is tried anew.
const OPEN_TIMEOUT: Duration = Duration::from_secs(2);
/// Messages of the leader that wait in the Agent's mailbox.
const HEARD_MAX: usize = 64;
/// Messages read from the link and not yet passed on.
const INBOX_MAX: usize = 16;

/// Keeps the link until the Agent or the replica is gone.
pub(super) async fn keep(agent: ActorRef<AgentMessage>, replica: Arc<dyn Replica>, seats: Seats, own: NodeKey) {
    let mut leadership = replica.leadership();
    let heard = Arc::new(Semaphore::new(HEARD_MAX));
    let (mut link, mut pause) = (0, PAUSE_MIN);
    loop {
        let Ok(now) = leadership.wait_for(|leadership| leadership.leader != Leader::Nobody).await.map(|now| *now)
        else {
            return;
        };
        if let Some(duplex) = open(&*replica, &seats, own, now).await {
            link += 1;
            let (outbox, outgoing) = mpsc::channel(OUTBOX_MAX);
            if agent.cast(AgentMessage::LinkOpened { link, outbox }).is_err() {
                return;
            }
            let (sender, inbox) = mpsc::channel(INBOX_MAX);
            // Whichever end of the link is met first, it did some good if the leader ever answered on it.
            let mut useful = false;
            let ended = tokio::select! {
                sent = send_all(duplex.sink, outgoing) => sent,
                received = receive_all(duplex.source, sender) => received,
                () = pass_on(&agent, &heard, inbox, &mut useful) => Ok(()),
                changed = leadership.wait_for(|later| *later != now) => {
                    if changed.is_err() {
                        return;
                    }
                    useful = true;
                    Ok(())
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "the link to the leader broke");
            }
            let _ = agent.cast(AgentMessage::LinkLost { link });
            pause = next_pause(useful, pause);
        } else {
            pause = (2 * pause).min(PAUSE_MAX);
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            changed = leadership.wait_for(|later| *later != now) => if changed.is_err() { return },
        }
    }
}

async fn open(replica: &dyn Replica, seats: &Seats, own: NodeKey, leadership: Leadership) -> Option<Duplex> {
    match leadership.leader {
        Leader::Nobody => None,
        Leader::Here => {
            let (ours, theirs) = local_pair();
            let scheduler = seats.scheduler()?;
            scheduler.cast(SchedulerMessage::Accept { from: own, duplex: theirs }).ok()?;
            Some(ours)
        }
        Leader::There(key) => {
            let opened = tokio::time::timeout(OPEN_TIMEOUT, replica.open_link(key)).await.ok()?;
            opened.inspect_err(|error| tracing::debug!(%error, "open a link to the leader")).ok()
        }
    }
}

/// Gives the Agent what the leader says, and notes that there was something; ends with a word that it does not lead, which
/// spoils it, or with the Agent.
async fn pass_on(
    agent: &ActorRef<AgentMessage>,
    heard: &Arc<Semaphore>,
    mut inbox: mpsc::Receiver<ToAgent>,
    useful: &mut bool,
) {
    while let Some(message) = inbox.recv().await {
        if message == ToAgent::NotLeader {
            *useful = false;
            return;
        }
        *useful = true;
        let Ok(permit) = Arc::clone(heard).acquire_owned().await else { break };
        if agent.cast(AgentMessage::Heard { message, permit }).is_err() {
            break;
        }
    }
}

/// A link that did some good is opened again soon, any other one later and later.
fn next_pause(useful: bool, pause: Duration) -> Duration {
    if useful { PAUSE_MIN } else { (2 * pause).min(PAUSE_MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_to_its_bound_and_gets_short_again_by_a_link_that_did_some_good() {
        let grown = (0..9).fold(PAUSE_MIN, |pause, _| next_pause(false, pause));
        assert_eq!(grown, PAUSE_MAX);
        assert_eq!(next_pause(true, grown), PAUSE_MIN);
    }
}
