//! Queues listed: from counts that the ledger keeps, and from what the leader saw going through them.

use quorla_client::{
    ErrorBody, JobId, QueuePage, QueueView, QueuesQuery, ReadLevel, Reply,
    limits::{QUEUE_BYTES_MAX, QUEUES_LISTED_MAX},
};
use quorla_ledger::{
    ids,
    queues::{Oldest, QueueCounts, QueueView as Known},
};
use tokio::time::Instant;

use super::{Dispatch, list::bounded, reading::Reading, waiting::shown_pause};

impl Dispatch {
    pub(super) async fn queues(&self, query: QueuesQuery) -> Result<(u64, Reply), ErrorBody> {
        let attempt = "list the queues";
        bounded(attempt, &[("name to go on after", query.after.as_ref().map_or(0, String::len), QUEUE_BYTES_MAX)])?;
        let reading = self.read(attempt, query.read).await?;
        let applied_index = reading.applied_index();
        let page = self.look(move |dispatch| {
            let after = query.after.as_deref();
            let mut known = dispatch.consensus.inspect(|ledger| ledger.queues_after(after, QUEUES_LISTED_MAX + 1));
            let more = known.len() > QUEUES_LISTED_MAX;
            known.truncate(QUEUES_LISTED_MAX);
            let next = known.last().filter(|_| more).map(|queue| queue.name.clone());
            let shown: Result<_, _> = known.into_iter().map(|queue| dispatch.show_queue(&reading, queue)).collect();
            Ok(QueuePage { queues: shown?, next, now_ms: dispatch.consensus.ledger_time().0 })
        });
        Ok((applied_index, Reply::Queues(page.await?)))
    }

    /// One queue as it is here; an idle one that nobody paused has nothing.
    pub(super) async fn one_queue(&self, name: String) -> Result<QueueView, ErrorBody> {
        let reading = self.read("look up a queue", ReadLevel::Stale).await?;
        let find = |ledger: &quorla_ledger::Ledger| {
            let counts = ledger.queue_counts().find(|(queue, _)| *queue == name).map(|(_, counts)| counts);
            (counts.unwrap_or_default(), ledger.queue_pause(&name).cloned())
        };
        let (counts, pause) = self.consensus.inspect(find);
        self.show_queue(&reading, Known { name, counts, pause, oldest: Oldest::None })
    }

    fn show_queue(&self, reading: &Reading, queue: Known) -> Result<QueueView, ErrorBody> {
        let QueueCounts { waiting, held, pausing, running, stopping } = queue.counts;
        Ok(QueueView {
            paused: queue.pause.as_ref().map(shown_pause),
            waiting,
            held,
            pausing,
            running,
            stopping,
            oldest_waiting_ms: match queue.oldest {
                Oldest::Job(job) => Some(submitted_ms(reading, job)?),
                Oldest::None | Oldest::NotSought => None,
            },
            flow: self.flows.of(&queue.name, Instant::now()),
            name: queue.name,
        })
    }
}

/// When it was accepted; of one that this view does not know yet, when it was drawn.
fn submitted_ms(reading: &Reading, id: ids::JobId) -> Result<u64, ErrorBody> {
    let job = JobId::from_u128(id.0);
    let known = match id.is_array() {
        true => reading.array(job)?.map(|kept| kept.record.submitted_at),
        false => reading.job(job)?.map(|record| record.submitted_at),
    };
    Ok(known.unwrap_or_else(|| id.born_at()).0)
}
