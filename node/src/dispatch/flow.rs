//! What goes through each queue, counted by whoever leads: how many jobs came, started and ended within the last minute.
//!
//! Not in the ledger, for a rate is of a time: who begins to lead begins to count, and says for how long it has. Bounded in
//! queues and in memory each. Time is passed in.

use std::{
    collections::BTreeMap,
    ops::AddAssign,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use quorla_client::{QueueFlow, limits::QUEUE_FLOW_MS};
use quorla_ledger::limits::QUEUES_MAX;
use tokio::time::Instant;

/// The window is counted in so many pieces, of which the last one is not full.
const PIECES: usize = 13;
const PIECE_MS: u64 = QUEUE_FLOW_MS / 12;

/// How many of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) submitted: u64,
    pub(super) started: u64,
    pub(super) ended: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.submitted += other.submitted;
        self.started += other.started;
        self.ended += other.ended;
    }
}

/// See the module. Counts while this node leads.
#[derive(Debug, Default)]
pub(super) struct Flows {
    leading: Mutex<Option<Leading>>,
}

#[derive(Debug)]
struct Leading {
    since: Instant,
    queues: BTreeMap<String, Flow>,
}

/// A ring of pieces.
#[derive(Debug, Default)]
struct Flow {
    pieces: [Tally; PIECES],
    /// Number of the latest piece, counted from the beginning.
    latest: u64,
}

impl Flows {
    /// Begins anew, or ends.
    pub(super) fn lead(&self, since: Option<Instant>) {
        *self.lock() = since.map(|since| Leading { since, queues: BTreeMap::new() });
    }

    /// Adds what happened to jobs of a queue just now.
    pub(super) fn add(&self, queue: &str, tally: Tally, now: Instant) {
        if let Some(leading) = self.lock().as_mut() {
            leading.add(queue, tally, now);
        }
    }

    /// What went through a queue; nothing where this node does not lead.
    pub(super) fn of(&self, queue: &str, now: Instant) -> Option<QueueFlow> {
        self.lock().as_mut().map(|leading| leading.of(queue, now))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Leading>> {
        self.leading.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Leading {
    fn add(&mut self, queue: &str, tally: Tally, now: Instant) {
        let piece = self.piece(now);
        if let Some(flow) = self.queues.get_mut(queue) {
            flow.roll(piece);
            flow.add(tally);
            return;
        }
        if self.queues.len() >= QUEUES_MAX {
            self.queues.values_mut().for_each(|flow| flow.roll(piece));
            self.queues.retain(|_, flow| flow.sum() != Tally::default());
        }
        if self.queues.len() < QUEUES_MAX {
            let mut flow = Flow { latest: piece, ..Flow::default() };
            flow.add(tally);
            self.queues.insert(queue.to_owned(), flow);
        }
    }

    fn of(&mut self, queue: &str, now: Instant) -> QueueFlow {
        let (piece, led) = (self.piece(now), self.led(now));
        let flow = self.queues.get_mut(queue);
        let Tally { submitted, started, ended } = flow.map_or_else(Tally::default, |flow| {
            flow.roll(piece);
            flow.sum()
        });
        let led_ms = u64::try_from(led.as_millis()).unwrap_or(u64::MAX);
        let since_leading = led_ms < QUEUE_FLOW_MS;
        let span_ms = if since_leading { led_ms } else { QUEUE_FLOW_MS + led_ms % PIECE_MS };
        QueueFlow { span_ms, since_leading, submitted, started, ended }
    }

    fn led(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }

    fn piece(&self, now: Instant) -> u64 {
        u64::try_from(self.led(now).as_millis()).unwrap_or(u64::MAX) / PIECE_MS
    }
}

impl Flow {
    /// Makes this piece the latest one, and forgets what is older than the window.
    fn roll(&mut self, piece: u64) {
        let passed = usize::try_from(piece.saturating_sub(self.latest)).unwrap_or(PIECES).min(PIECES);
        for _ in 0..passed {
            self.pieces.rotate_right(1);
            self.pieces[0] = Tally::default();
        }
        self.latest = self.latest.max(piece);
    }

    fn add(&mut self, tally: Tally) {
        self.pieces[0] += tally;
    }

    fn sum(&self) -> Tally {
        self.pieces.iter().fold(Tally::default(), |mut sum, piece| {
            sum += *piece;
            sum
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Tally = Tally { submitted: 1, started: 2, ended: 3 };

    fn after(since: Instant, ms: u64) -> Instant {
        since + Duration::from_millis(ms)
    }

    #[test]
    fn a_flow_covers_the_window_or_the_time_that_this_node_led() {
        let (flows, since) = (Flows::default(), Instant::now());
        assert_eq!(flows.of("a", since), None, "nobody counts who does not lead");
        flows.lead(Some(since));
        flows.add("a", ONE, after(since, 1_000));
        let flow = flows.of("a", after(since, 2_000)).unwrap();
        assert_eq!((flow.span_ms, flow.since_leading), (2_000, true));
        assert_eq!((flow.submitted, flow.started, flow.ended), (1, 2, 3));
        let later = flows.of("a", after(since, QUEUE_FLOW_MS + 2_000)).unwrap();
        assert_eq!((later.span_ms, later.since_leading, later.submitted), (QUEUE_FLOW_MS + 2_000, false, 1));
        assert_eq!(flows.of("b", after(since, 2_000)).unwrap().submitted, 0);
        let gone = flows.of("a", after(since, QUEUE_FLOW_MS + PIECE_MS)).unwrap();
        assert_eq!((gone.span_ms, gone.submitted), (QUEUE_FLOW_MS, 0));
        flows.lead(None);
        assert_eq!(flows.of("a", since), None);
    }

    #[test]
    fn queues_that_rest_make_room_for_others() {
        let (flows, since) = (Flows::default(), Instant::now());
        flows.lead(Some(since));
        (0..QUEUES_MAX).for_each(|n| flows.add(&n.to_string(), ONE, since));
        flows.add("more", ONE, since);
        assert_eq!(flows.of("more", since).unwrap().submitted, 0, "as many as are counted move");
        let later = after(since, 2 * QUEUE_FLOW_MS);
        flows.add("more", ONE, later);
        assert_eq!(flows.of("more", later).unwrap().submitted, 1);
        assert_eq!(flows.lock().as_ref().unwrap().queues.len(), 1);
    }
}
