//! `explain`: everything that decides when a job runs, from its record and from the very function that places jobs (I16).

use quorla_client::{
    ErrorBody, JobDeadline, JobExplanation, JobId, JobQuery, JobState as Shown, JobTimeout, JobView, JobsAhead,
    NodeRejection, RejectionReason, Reply, ScarceResource, Shortage,
};
use quorla_ledger::{
    Ledger, NodeView,
    explain::{Ahead, Waiting},
    record::{JobRecord, JobState},
    reply::{Lack, Rejection},
    spec::{Demand, Resources},
    units::Millis,
};

use super::{
    Dispatch, convert, drain,
    job::recorded,
    refuse,
    waiting::{NoRecords, paused_words, shown_pause, words},
};

/// What the hot state says of a queued job.
struct Standing {
    why: String,
    ahead: Option<Ahead>,
    nodes: Vec<NodeRejection>,
}

impl Dispatch {
    pub(super) async fn explain(&self, query: JobQuery) -> Result<(u64, Reply), ErrorBody> {
        let attempt = "explain a job";
        let reading = self.read(attempt, query.read).await?;
        let record = reading.job(query.job)?.ok_or_else(|| refuse::no_record(attempt, query.job))?;
        let mut job = recorded(&reading, &record)?;
        let standing = match &record.state {
            JobState::Queued { .. } => self.consensus.inspect(|ledger| Standing::of(ledger, &record)),
            _ => Standing { why: why(&job), ahead: None, nodes: Vec::new() },
        };
        if job.state == Shown::Queued {
            job.reason = Some(standing.why.clone());
        }
        let queue_pause = match record.state.is_ended() {
            true => None,
            false => self.consensus.inspect(|ledger| ledger.queue_pause(&record.queue).cloned()),
        };
        let reserved = reading.names_of(record.reserved.into_iter())?;
        let explanation = JobExplanation {
            since_ms: since(&record, &job),
            job,
            why: standing.why,
            now_ms: self.consensus.ledger_time().0,
            ahead: standing.ahead.map(ahead),
            overtaken: record.overtaken,
            reserved_node: reserved.into_values().next(),
            nodes: standing.nodes,
            deadlines: deadlines(&record),
            queue_paused: queue_pause.as_ref().map(shown_pause),
        };
        Ok((reading.applied_index(), Reply::Explained(Box::new(explanation))))
    }
}

impl Standing {
    /// Holds the ledger for one look at each node.
    fn of(ledger: &Ledger, record: &JobRecord) -> Self {
        let waiting = ledger.why_waiting(record.id, &NoRecords);
        let nodes = match &waiting {
            Some(Waiting::Place(rejections)) => {
                let each = rejections.iter();
                let now = ledger.clock();
                each.filter_map(|(node, why)| Some(rejected(&ledger.node(*node)?, why, &record.demand, now))).collect()
            }
            _ => Vec::new(),
        };
        let why = match &waiting {
            Some(Waiting::Planner(node)) => {
                let name = ledger.node(*node).map_or("a node", |node| node.record().name.as_str());
                Some(format!("{name} has room for it; it is about to be assigned"))
            }
            Some(Waiting::Resume) => match &record.paused {
                Some(pause) => Some(format!("it {}", paused_words(pause))),
                None => Some("its array is paused".into()),
            },
            _ => waiting.and_then(words),
        };
        let why = why.unwrap_or_else(|| "it left the queue while this was looked up; ask again".into());
        Self { why, ahead: ledger.ahead_of(record.id), nodes }
    }
}

fn ahead(ahead: Ahead) -> JobsAhead {
    JobsAhead { jobs: u32::try_from(ahead.jobs).unwrap_or(u32::MAX), more: ahead.more }
}

/// Why a job is where it is that does not wait for a place.
fn why(job: &JobView) -> String {
    let (attempt, node) = (job.attempts_total, job.node.as_deref().unwrap_or("its node"));
    let (reason, held) = (job.reason.as_deref(), job.paused.is_some());
    match job.state {
        Shown::Delayed if held => "it was submitted for a later time, and is paused beyond it".into(),
        Shown::Delayed => "it was submitted for a later time".into(),
        Shown::Running if held => format!("attempt {attempt} runs on {node}; paused, no other would follow it"),
        Shown::Running => format!("attempt {attempt} runs on {node}"),
        Shown::Stopping => {
            format!("attempt {attempt} on {node} is being stopped: {}", reason.unwrap_or("it was cancelled"))
        }
        Shown::BackingOff if held => {
            format!("attempt {attempt} failed; the next one waits for the backoff, and to be resumed")
        }
        Shown::BackingOff => format!("attempt {attempt} failed; the next one waits for the backoff"),
        Shown::Succeeded => format!("attempt {attempt} ended with exit code 0 on {node}"),
        Shown::Cancelled => format!("it was cancelled: {}", reason.unwrap_or("no reason was given")),
        Shown::Queued | Shown::Failed | Shown::DeadlineExceeded => reason.unwrap_or("no reason is recorded").into(),
    }
}

fn since(record: &JobRecord, job: &JobView) -> Option<u64> {
    match &record.state {
        JobState::Delayed { .. } => Some(job.submitted_ms),
        JobState::Queued { since } | JobState::Stopping { since, .. } => Some(since.0),
        JobState::Running(placed) => Some(placed.at.0),
        JobState::BackingOff { .. } => job.attempts.last().and_then(|attempt| attempt.ended_ms),
        ended => ended.ended_at().map(|at| at.0),
    }
}

/// The timeouts that run, as the ledger's timers count them.
fn deadlines(record: &JobRecord) -> Vec<JobDeadline> {
    let timeouts = &record.timeouts;
    let own = match &record.state {
        state if state.is_ended() => return Vec::new(),
        JobState::Queued { since } => timeouts.queue.map(|span| (JobTimeout::Queue, since.after(span))),
        JobState::Running(placed) => timeouts.attempt.map(|span| (JobTimeout::Attempt, placed.at.after(span))),
        _ => None,
    };
    let whole = timeouts.job.map(|span| (JobTimeout::Job, record.submitted_at.after(span)));
    let shown = |(timeout, Millis(at_ms))| JobDeadline { timeout, at_ms };
    own.into_iter().chain(whole).map(shown).collect()
}

fn rejected(node: &NodeView<'_>, rejection: &Rejection, demand: &Demand, now: Millis) -> NodeRejection {
    let record = node.record();
    let plain = |reason, detail: String| NodeRejection {
        node: record.name.clone(),
        reason,
        shortage: None,
        constraint: None,
        reserved_for: None,
        detail,
    };
    match rejection {
        Rejection::NodeIsDown => plain(RejectionReason::Down, "it has stopped, or its lease ran out".into()),
        Rejection::DiskIsLow => plain(
            RejectionReason::DiskLow,
            "its disk is nearly full; it takes new work again once there is space".into(),
        ),
        Rejection::NodeIsDraining => match &record.drain {
            Some(drain) => plain(RejectionReason::Draining, drain::words(drain, now)),
            None => plain(RejectionReason::Stopping, "it is about to stop".into()),
        },
        Rejection::LabelsDiffer { label } => {
            let has = match node.labels().get(label) {
                Some(value) => format!("it has {label}={value}"),
                None => format!("it has no label {label}"),
            };
            let wanted = demand.unmet(node.labels()).map(|unmet| convert::shown_constraint(unmet).to_string());
            let detail = format!("needs {}; {has}", wanted.as_deref().unwrap_or(label));
            NodeRejection { constraint: wanted, ..plain(RejectionReason::LabelDiffers, detail) }
        }
        Rejection::TooSmall(lack) | Rejection::TooBusy(lack) => {
            let short = shortage(lack, &demand.resources, &node.free(), &record.capacity);
            let (what, amount) = unit(short.resource);
            let (needs, free, total) = (amount(short.needs), amount(short.free), amount(short.total));
            let (reason, has) = match rejection {
                Rejection::TooSmall(_) => (RejectionReason::TooSmall, format!("has {total} in all")),
                _ => (RejectionReason::TooBusy, format!("free {free} of {total}")),
            };
            NodeRejection { shortage: Some(short), ..plain(reason, format!("{what}: needs {needs}, {has}")) }
        }
        Rejection::Reserved { by } => {
            let by = JobId::from_u128(by.0);
            let detail = format!("it is kept for job {by}, which was overtaken too often");
            NodeRejection { reserved_for: Some(by), ..plain(RejectionReason::Reserved, detail) }
        }
    }
}

fn shortage(lack: &Lack, needs: &Resources, free: &Resources, total: &Resources) -> Shortage {
    let short =
        |resource, of: fn(&Resources) -> u64| Shortage { resource, needs: of(needs), free: of(free), total: of(total) };
    match lack {
        Lack::Cpu(_) => short(ScarceResource::CpuMilli, |share| share.cpu.0),
        Lack::Memory(_) => short(ScarceResource::MemoryBytes, |share| share.memory.0),
        Lack::Slots(_) => short(ScarceResource::Slots, |share| share.slots.into()),
    }
}

/// What a resource is called, and how an amount of it is written.
fn unit(resource: ScarceResource) -> (&'static str, fn(u64) -> String) {
    match resource {
        ScarceResource::CpuMilli => ("CPU", |milli| match milli % 1_000 {
            0 => (milli / 1_000).to_string(),
            _ => format!("{milli}m"),
        }),
        ScarceResource::MemoryBytes => ("memory", |bytes| match bytes {
            mib if mib % (1 << 20) == 0 => format!("{} MiB", mib >> 20),
            other => format!("{other} bytes"),
        }),
        ScarceResource::Slots => ("slots", |slots| slots.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_exactly() {
        for (resource, amount, expected) in [
            (ScarceResource::CpuMilli, 2_000, "2"),
            (ScarceResource::CpuMilli, 2_500, "2500m"),
            (ScarceResource::MemoryBytes, 3 << 20, "3 MiB"),
            (ScarceResource::MemoryBytes, (3 << 20) + 1, "3145729 bytes"),
            (ScarceResource::Slots, 4, "4"),
        ] {
            assert_eq!(unit(resource).1(amount), expected);
        }
    }
}
