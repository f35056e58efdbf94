//! I2: one idempotency key, one job; another payload under the same key is a conflict, the same payload never is.
//!
//! A request without a key is known by its id in the same way.

use std::collections::BTreeMap;

use quorla_ledger::{
    Refusal, Reply, codec,
    command::Request,
    ids::{JobId, Principal},
};

use super::{
    super::messages::{ClientRequest, Held},
    Fact, Invariant, Outcome,
};

/// Whose key, and which; the id where there is none.
type Name = (Principal, Result<String, JobId>);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct OneKeyOneJob {
    uses: BTreeMap<Name, Uses>,
}

/// What a key was used for.
#[derive(Debug, Default)]
struct Uses {
    payloads: Vec<Vec<u8>>,
    /// What it was used for with success, and which job that is.
    accepted: Option<(Vec<u8>, Option<JobId>)>,
}

impl Invariant for OneKeyOneJob {
    fn name(&self) -> &'static str {
        "I2"
    }

    fn hear(&mut self, fact: &Fact<'_>) -> Result<(), String> {
        match fact {
            Fact::Asked { request } => {
                if let Some((name, payload)) = named(request) {
                    let uses = self.uses.entry(name).or_default();
                    if !uses.payloads.contains(&payload) {
                        uses.payloads.push(payload);
                    }
                }
                Ok(())
            }
            Fact::Answered { request, outcome } => self.check(request, outcome),
            _ => Ok(()),
        }
    }
}

impl OneKeyOneJob {
    fn check(&mut self, request: &ClientRequest, outcome: &Outcome) -> Result<(), String> {
        let Some((name, payload)) = named(request) else {
            return Ok(());
        };
        let uses = self.uses.get_mut(&name).expect("it was asked before it was answered");
        match outcome {
            Outcome::Done(reply) => {
                let job = if let Reply::Submitted { job } = reply { Some(*job) } else { None };
                match &uses.accepted {
                    Some((first, _)) if *first != payload => Err(format!("{name:?} was accepted for two payloads")),
                    Some((_, known)) if *known != job => Err(format!("{name:?} stands for {known:?} and {job:?}")),
                    _ => {
                        uses.accepted = Some((payload, job));
                        Ok(())
                    }
                }
            }
            Outcome::Refused(Refusal::KeyConflicts { first }) if uses.payloads.len() == 1 => {
                Err(format!("{name:?} was only ever used for one payload, and conflicts with {first}"))
            }
            _ => Ok(()),
        }
    }
}

/// The name under which a request is remembered, and what tells it from another under that name.
fn named(request: &ClientRequest) -> Option<(Name, Vec<u8>)> {
    let Request { principal, id, key } = request.mutating()?;
    let payload = match request {
        ClientRequest::Submit { spec, .. } => codec::encode(&("submit", spec)),
        ClientRequest::SubmitArray { spec, tasks, running_max, .. } => {
            codec::encode(&("array", spec, tasks, running_max))
        }
        ClientRequest::Cancel { job, .. } => codec::encode(&("cancel", job)),
        ClientRequest::Retry { job, .. } => codec::encode(&("retry", job)),
        ClientRequest::Drain { node, drain, .. } => codec::encode(&("drain", node, drain)),
        ClientRequest::Pause { what: Held::Job(job), paused, .. } => codec::encode(&("pause", job, paused)),
        ClientRequest::Pause { what: Held::Queue(queue), paused, .. } => codec::encode(&("pause queue", queue, paused)),
        ClientRequest::Read { .. } => return None,
    };
    Some(((*principal, key.clone().ok_or(*id)), payload))
}
