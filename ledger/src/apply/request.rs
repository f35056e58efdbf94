//! Idempotency of everything that a client asks for (R10): the same request again gets the same answer, from the state
//! machine and not from whoever happened to receive it.

use crate::{
    apply::transaction::Transaction,
    command::Request,
    ids::JobId,
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
        let key = stored_key(request);
        let Some((first, record)) = self.by_id(request.id).or_else(|| self.by_key(key.as_ref()?)) else {
            return Ok(Seen::Never);
        };
        // I2: one id is one request, its key included, so that no key ever names two jobs.
        if record.principal != request.principal || record.digest != *digest || record.key != key {
            return Err(Refusal::KeyConflicts { first });
        }
        Ok(Seen::Before(record.reply))
    }

    /// Remembers what a new request was answered.
    pub(crate) fn remember(&mut self, request: &Request, digest: Digest, reply: &Reply) {
        let key = stored_key(request);
        if let Some(key) = &key {
            self.put(tables::idempotency_key(key), request.id);
        }
        let record = RequestRecord { principal: request.principal, digest, key, reply: reply.clone() };
        self.put(tables::request(request.id), &record);
        self.meta().requests += 1;
    }

    fn by_id(&self, id: JobId) -> Option<(JobId, RequestRecord)> {
        Some((id, self.read(&tables::request(id))?))
    }

    fn by_key(&self, key: &Digest) -> Option<(JobId, RequestRecord)> {
        let first = self.read(&tables::idempotency_key(key))?;
        Some(self.by_id(first).expect("R10: a key is forgotten with its request"))
    }

    pub(crate) fn check_age(&self, id: JobId) -> Result<(), Refusal> {
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

/// Under what a request's key is stored: keys are each principal's own.
fn stored_key(request: &Request) -> Option<Digest> {
    let key = request.key.as_ref()?;
    let mut hasher = blake3::Hasher::new();
    hasher.update(&request.principal.0);
    hasher.update(key.as_bytes());
    Some(short(&hasher))
}

fn short(hasher: &blake3::Hasher) -> Digest {
    let hash = hasher.finalize();
    *hash.as_bytes().first_chunk().expect("a digest has 32 bytes")
}
