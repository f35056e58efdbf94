//! What the connections go through, counted by what they carry: how many, how far away, what gets lost on the way.
//!
//! No peer is a label. Numbers of connections that are gone stay in the counters; each is held until it was counted last,
//! which keeps none open, for whoever uses one closes it.

use std::sync::{Mutex, PoisonError};

use quinn::Connection;

use crate::metrics::{self, Carried, Losses};

/// Connections that are observed at once: more than may be open, and room for those that have closed since the last look.
const OBSERVED_MAX: usize = 4_096;

/// The connections of an endpoint.
#[derive(Default)]
pub(super) struct Observed {
    connections: Mutex<Vec<One>>,
}

struct One {
    carries: Carried,
    connection: Connection,
    counted: Losses,
}

impl Observed {
    /// Takes a new connection in.
    pub(super) fn add(&self, carries: Carried, connection: &Connection) {
        if self.count() >= OBSERVED_MAX {
            self.look();
        }
        let one = One { carries, connection: connection.clone(), counted: Losses::default() };
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).push(one);
    }

    fn count(&self) -> usize {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Counts what happened since the last look.
    pub(super) fn look(&self) {
        let mut open = Carried::ALL.map(|carries| (carries, 0_u32));
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.retain_mut(|one| {
            let is_open = one.connection.close_reason().is_none();
            let path = one.connection.stats().path;
            let seen = Losses { sent: path.sent_packets, lost: path.lost_packets, congestion: path.congestion_events };
            metrics::count_packets(one.carries, seen.since(&one.counted));
            one.counted = seen;
            if is_open {
                metrics::record_round_trip(one.carries, path.rtt);
                open.iter_mut().filter(|(carries, _)| *carries == one.carries).for_each(|(_, count)| *count += 1);
            }
            is_open
        });
        drop(connections);
        open.into_iter().for_each(|(carries, count)| metrics::set_connections_open(carries, count));
    }
}
