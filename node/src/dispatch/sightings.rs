//! When gossip lost sight of a member: what there is to tell of a node between its death and the end of its lease.
//!
//! A hint for people (R19): nothing is decided by it, and it is forgotten with the process.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

use crate::{gossip::Members, identity::KeyId};

/// Members that were live and are not.
#[derive(Default)]
pub(super) struct Sightings {
    lost: Mutex<BTreeMap<KeyId, Instant>>,
}

impl Sightings {
    /// Notes who goes and who comes back, until gossip ends.
    pub(super) async fn follow(&self, mut members: watch::Receiver<Members>) {
        let mut before = members.borrow_and_update().clone();
        while members.changed().await.is_ok() {
            let now = members.borrow_and_update().clone();
            self.note(&before, &now);
            before = now;
        }
    }

    /// For how long a member that was live has not been.
    pub(super) fn lost_for(&self, key: &KeyId) -> Option<Duration> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).get(key).map(Instant::elapsed)
    }

    fn note(&self, before: &Members, now: &Members) {
        let is_live = |key: &KeyId| now.iter().any(|member| member.key == *key);
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        lost.retain(|key, _| !is_live(key));
        for member in before.iter().filter(|member| !is_live(&member.key)) {
            lost.insert(member.key, Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Arc};

    use super::{KeyId, Members, Sightings};
    use crate::gossip::Member;

    fn members(keys: &[u8]) -> Members {
        let member = |key: &u8| Member {
            key: KeyId([*key; 32]),
            name: format!("n{key}"),
            address: "127.0.0.1:1".to_owned(),
            version: "0.1.0".to_owned(),
            labels: BTreeMap::new(),
        };
        Arc::new(keys.iter().map(member).collect())
    }

    #[tokio::test]
    async fn who_goes_is_noted_until_it_comes_back() {
        let sightings = Sightings::default();
        let is_lost = |key| sightings.lost_for(&KeyId([key; 32])).is_some();
        sightings.note(&members(&[1, 2, 3]), &members(&[1, 3]));
        sightings.note(&members(&[1, 3]), &members(&[1]));
        assert_eq!([1, 2, 3, 4].map(is_lost), [false, true, true, false]);
        sightings.note(&members(&[1]), &members(&[1, 2]));
        assert_eq!([1, 2, 3, 4].map(is_lost), [false, false, true, false]);
    }
}
