//! Idempotency of everything that a client asks for (R10): the same request again gets the same answer, from the state
//! machine and not from whoever happened to receive it.

use crate::{
    apply::transaction::Transaction,
    command::Request,
    ids::{JobId, Principal},
    ledger::Records,
    limits::{DEDUP_WINDOW, Limit, REQUEST_AHEAD_MAX},
    record::RequestRecord,
    reply::{Refusal, Reply},
    spec::check::within,
    tables,
    units::Millis,
};

/// 128 bits of blake3: what tells two requests or keys apart.
pub(crate) type Digest = [u8; 16];

/// Whether a request is new.
pub(crate) enum Seen {
    Never,
    Before(Reply),
}

impl<R: Records> Transaction<'_, R> {
    /// Whether this request was made before, is too old to know, or conflicts with another one.
    pub(crate) fn admit(&self, request: &Request, digest: &Digest) -> Result<Seen, Refusal> {
        check_key(request)?;
        self.check_age(request.id)?;
        let by_key = request.key.as_ref().and_then(|key| self.request_under(&request.principal, key));
        let Some(first) = by_key.or_else(|| self.exists(&tables::request(request.id)).then_some(request.id)) else {
            return Ok(Seen::Never);
        };
        let record: RequestRecord = self.read(&tables::request(first)).expect("a key is forgotten with its request");
        if record.principal != request.principal || record.digest != *digest {
            return Err(Refusal::KeyConflicts { first });
        }
        Ok(Seen::Before(record.reply))
    }

    /// Remembers what a new request was answered.
    pub(crate) fn remember(&mut self, request: &Request, digest: Digest, reply: &Reply) {
        let key = request.key.as_ref().map(|key| key_digest(&request.principal, key));
        if let Some(key) = &key {
            self.put(tables::idempotency_key(key), request.id);
        }
        let record = RequestRecord { principal: request.principal, digest, key, reply: reply.clone() };
        self.put(tables::request(request.id), &record);
        self.meta().requests += 1;
    }

    fn request_under(&self, principal: &Principal, key: &str) -> Option<JobId> {
        self.read(&tables::idempotency_key(&key_digest(principal, key)))
    }

    fn check_age(&self, id: JobId) -> Result<(), Refusal> {
        let now = self.now();
        let horizon = self.request_horizon();
        let oldest = Millis(now.0.saturating_sub(DEDUP_WINDOW.0));
        if horizon.is_some_and(|horizon| id <= horizon) || id.born_at() < oldest {
            let oldest = horizon.map_or(oldest, |horizon| oldest.max(horizon.born_at().after(Millis(1))));
            return Err(Refusal::SubmitIsTooOld { oldest });
        }
        if id.born_at() > now.after(REQUEST_AHEAD_MAX) {
            return Err(Refusal::RequestIsFromFuture { now });
        }
        Ok(())
    }
}

/// Checks the client's own name for a request.
pub(crate) fn check_key(request: &Request) -> Result<(), Refusal> {
    let bytes = request.key.as_ref().map_or(0, String::len);
    let bytes = u64::try_from(bytes).expect("a length fits 64 bits");
    within(Limit::IdempotencyKeyBytes, bytes).map_err(Refusal::SpecIsInvalid)
}

/// Digest of what a request asks for: `verb` keeps a cancel and a retry of one job apart.
pub(crate) fn digest(verb: &str, canonical: &[u8]) -> Digest {
    let mut hasher = blake3::Hasher::new();
    hasher.update(verb.as_bytes());
    hasher.update(&[0]);
    hasher.update(canonical);
    short(&hasher)
}

fn key_digest(principal: &Principal, key: &str) -> Digest {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&principal.0);
    hasher.update(key.as_bytes());
    short(&hasher)
}

fn short(hasher: &blake3::Hasher) -> Digest {
    let hash = hasher.finalize();
    *hash.as_bytes().first_chunk().expect("a digest has 32 bytes")
}
