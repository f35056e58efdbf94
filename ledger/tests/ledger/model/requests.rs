//! What a naive ledger remembers of requests: everything that was asked, in full.

use std::collections::{BTreeMap, BTreeSet};

use quorla_ledger::{
    command::{DrainOrder, Request, Tasks},
    ids::JobId,
    reply::{Refusal, Reply},
    spec::JobSpec,
    units::Millis,
};

const WINDOW_MS: u64 = 24 * 3_600 * 1_000;
const AHEAD_MS: u64 = 5_000;

#[derive(Default)]
pub(super) struct Requests {
    asked: Vec<(Request, What, Reply)>,
    horizon: Option<u128>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum What {
    Submit(Box<JobSpec>),
    Array(Box<(JobSpec, Tasks, Option<u32>)>),
    Retry(u128),
    Cancel(u128),
    Drain(u32, Option<DrainOrder>),
    PauseJob(u128, bool),
    PauseQueue(String, bool),
    Label(u32, BTreeMap<String, String>, BTreeSet<String>),
}

impl Requests {
    /// Why nothing can be known of a request with this id.
    pub(super) fn untimely(&self, request: &Request, now: u64) -> Option<Refusal> {
        let born = u64::try_from(request.id.0 >> 80).expect("48 bits");
        if self.horizon.is_some_and(|horizon| request.id.0 <= horizon) || born + WINDOW_MS < now {
            return Some(Refusal::SubmitIsTooOld { oldest: Millis(0) });
        }
        (born > now + AHEAD_MS).then_some(Refusal::RequestIsFromFuture { now: Millis(now) })
    }

    /// Whether a request with this id is remembered.
    pub(super) fn has(&self, id: JobId) -> bool {
        self.asked.iter().any(|(first, ..)| first.id == id)
    }

    /// The answer to a request that is not new, or cannot be known.
    pub(super) fn known(&self, request: &Request, what: &What, now: u64) -> Option<Reply> {
        if let Some(refusal) = self.untimely(request, now) {
            return Some(Reply::Refused(refusal));
        }
        let by_id = self.asked.iter().find(|(first, ..)| first.id == request.id);
        let same_key = |first: &Request| {
            request.key.is_some() && (first.principal, &first.key) == (request.principal, &request.key)
        };
        let (first, asked, reply) = by_id.or_else(|| self.asked.iter().find(|(first, ..)| same_key(first)))?;
        let same = first.principal == request.principal && first.key == request.key && asked == what;
        Some(if same { reply.clone() } else { Reply::Refused(Refusal::KeyConflicts { first: first.id }) })
    }

    /// Refusals are not remembered: what was refused may be asked again.
    pub(super) fn remember(&mut self, request: &Request, what: What, reply: &Reply) {
        if !matches!(reply, Reply::Refused(_)) {
            self.asked.push((request.clone(), what, reply.clone()));
        }
    }

    pub(super) fn expire(&mut self, ids: &[u128], now: u64, reply: &Reply) {
        let Some(last) = ids.last() else { return assert_eq!(*reply, Reply::Expired { records: 0 }) };
        let old = u64::try_from(last >> 80).expect("48 bits") + WINDOW_MS < now;
        let rising = ids.windows(2).all(|pair| pair[0] < pair[1]);
        let known = ids.iter().all(|id| self.asked.iter().any(|(first, ..)| first.id == JobId(*id)));
        if !(old && rising && known) {
            return assert_eq!(*reply, Reply::Refused(Refusal::ExpiryIsStale));
        }
        assert_eq!(*reply, Reply::Expired { records: ids.len() as u32 });
        self.asked.retain(|(first, ..)| !ids.contains(&first.id.0));
        self.horizon = self.horizon.max(Some(*last));
    }
}

/// Equal, but for what a naive ledger does not count: the oldest accepted time, and how an ended job ended.
pub(super) fn assert_alike(expected: &Reply, reply: &Reply) {
    let alike = match (expected, reply) {
        (Reply::Refused(Refusal::SubmitIsTooOld { .. }), Reply::Refused(Refusal::SubmitIsTooOld { .. })) => true,
        (Reply::Refused(Refusal::JobHasEnded(_)), Reply::Refused(Refusal::JobHasEnded(state))) => state.is_ended(),
        _ => expected == reply,
    };
    assert!(alike, "expected {expected:?}, not {reply:?}");
}
