//! Quorum rounds for reads and lease renewals: everyone who waits shares the next round, which starts after they came
//! (R13, R16). Nothing is read on a lease.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use openraft::ReadPolicy;
use tokio::sync::{Notify, oneshot, watch};

use crate::error::NotLeader;
use crate::network::Links;
use crate::network::serve::Raft;
use crate::proposer::forward::ForwardLink;
use crate::route::{Route, Router};
use crate::transport::Peer;
use crate::types::LeaderId;

/// A round that is not answered by then has failed; the link to the leader is opened anew.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whoever waits longer for a round is told that there is none: the one under way and the next have ended by then.
const WAIT_PATIENCE: Duration = Duration::from_secs(6);

/// Who may answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Only this node, as leader.
    Here,
    /// The leader, wherever it is.
    Anywhere,
}

type Answer = Result<u64, NotLeader>;
type Waiting = (Asked, oneshot::Sender<Answer>);

/// Those who wait for the next round; nobody can, once the last one has ended.
pub(crate) struct Rounds {
    waiting: Mutex<Option<Vec<Waiting>>>,
    wake: Notify,
}

impl Default for Rounds {
    fn default() -> Self {
        Self { waiting: Mutex::new(Some(Vec::new())), wake: Notify::new() }
    }
}

impl Rounds {
    /// The read index of a round that starts after this call.
    pub(crate) async fn next(&self, asked: Asked) -> Answer {
        let nobody = NotLeader { leader: None };
        let (sender, receiver) = oneshot::channel();
        match self.waiting().as_mut() {
            Some(waiting) => waiting.push((asked, sender)),
            None => return Err(nobody),
        }
        self.wake.notify_one();
        match tokio::time::timeout(WAIT_PATIENCE, receiver).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Err(nobody),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Option<Vec<Waiting>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task that runs one round after the other, as long as someone waits.
pub(crate) struct RoundRunner {
    pub(crate) rounds: Arc<Rounds>,
    pub(crate) raft: Raft,
    pub(crate) links: Arc<Links>,
    pub(crate) router: Router,
    pub(crate) link: Option<ForwardLink>,
}

impl Drop for RoundRunner {
    /// However it ends, nobody waits for it afterwards.
    fn drop(&mut self) {
        self.rounds.waiting().take();
    }
}

impl RoundRunner {
    pub(crate) async fn run(mut self, mut closing: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                biased;
                _ = closing.wait_for(|closing| *closing) => break,
                () = self.step() => {}
            }
        }
    }

    async fn step(&mut self) {
        let waiting = self.rounds.waiting().as_mut().map(std::mem::take).unwrap_or_default();
        if waiting.is_empty() {
            return self.rounds.wake.notified().await;
        }
        match self.router.route() {
            Route::Local(_) => answer(waiting, &self.local().await),
            Route::Remote(peer, leader) => {
                let refusal = Err(NotLeader { leader: Some(peer.clone()) });
                let (here, anywhere): (Vec<Waiting>, Vec<Waiting>) =
                    waiting.into_iter().partition(|(asked, _)| *asked == Asked::Here);
                answer(here, &refusal);
                if !anywhere.is_empty() {
                    let index = tokio::time::timeout(PATIENCE, self.remote(&peer, leader)).await;
                    self.link = self.link.take().filter(|_| matches!(index, Ok(Some(_))));
                    answer(anywhere, &index.ok().flatten().ok_or(NotLeader { leader: Some(peer) }));
                }
            }
            Route::Nowhere => answer(waiting, &Err(NotLeader { leader: None })),
        }
    }

    async fn local(&mut self) -> Answer {
        match tokio::time::timeout(PATIENCE, self.raft.get_read_linearizer(ReadPolicy::ReadIndex)).await {
            Ok(Ok(linearizer)) => Ok(linearizer.read_log_id().index()),
            Ok(Err(_)) | Err(_) => Err(NotLeader { leader: self.router.leader() }),
        }
    }

    async fn remote(&mut self, peer: &Peer, leader: LeaderId) -> Option<u64> {
        let link = match self.link.take().filter(|link| link.is_to(peer)) {
            Some(link) => link,
            None => ForwardLink::open(&self.links, peer).await.ok()?,
        };
        let (sender, receiver) = oneshot::channel();
        // A receiver that is gone has given up the round.
        let sent = self.link.insert(link).read_index(leader, move |index| {
            let _ = sender.send(index);
        });
        let sent = sent.await;
        sent.ok()?;
        receiver.await.ok().flatten()
    }
}

fn answer(waiting: Vec<Waiting>, answer: &Answer) {
    for (_, sender) in waiting {
        // A caller that has given up needs no answer.
        let _ = sender.send(answer.clone());
    }
}
