//! What the other nodes say of themselves, asked over the cluster link when a client wants to see all nodes.
//!
//! One round of questions at a time: who comes while one is under way shares it, so that clients who ask much cost the
//! others no more than one who asks (R21). A hint, and never waited for longer than `INSPECT_MAX` (R20).

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared, join_all},
};
use tokio::sync::watch;

use crate::{
    gossip::Members,
    identity::KeyId,
    link::{ClusterLink, Inspection},
};

/// How long an answer waits for what the other nodes say.
const INSPECT_MAX: Duration = Duration::from_millis(500);

/// Nodes by key, as they describe themselves.
pub(super) type Inspected = Arc<BTreeMap<KeyId, Inspection>>;

/// Asks the others.
pub(super) struct Inspections {
    own: KeyId,
    link: ClusterLink,
    members: watch::Receiver<Members>,
    round: Mutex<Option<Shared<BoxFuture<'static, Inspected>>>>,
}

impl Inspections {
    pub(super) fn new(own: KeyId, link: ClusterLink, members: watch::Receiver<Members>) -> Self {
        Self { own, link, members, round: Mutex::default() }
    }

    /// What every other live member says; one that is not linked, or silent, is left out.
    pub(super) async fn all(&self) -> Inspected {
        let round = {
            let mut current = self.round.lock().unwrap_or_else(PoisonError::into_inner);
            let under_way = current.take().filter(|round| round.peek().is_none());
            current.insert(under_way.unwrap_or_else(|| self.begin())).clone()
        };
        round.await
    }

    fn begin(&self) -> Shared<BoxFuture<'static, Inspected>> {
        let (own, link, members) = (self.own, self.link.clone(), self.members.borrow().clone());
        let ask = async move {
            let others = members.iter().map(|member| member.key).filter(|key| *key != own);
            let asked = others.map(|key| {
                let link = &link;
                async move { Some((key, link.inspect(key, INSPECT_MAX).await.ok()?)) }
            });
            Arc::new(join_all(asked).await.into_iter().flatten().collect())
        };
        ask.boxed().shared()
    }
}
