//! What the node's QUIC connections go through, by what they carry.

use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

const CONNECTIONS: &str = "quorla_connections_open";
const SENT: &str = "quorla_quic_packets_sent_total";
const LOST: &str = "quorla_quic_packets_lost_total";
const CONGESTION: &str = "quorla_quic_congestion_events_total";
const ROUND_TRIP: &str = "quorla_quic_round_trip_seconds";

/// What a connection carries: the label `plane`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Carried {
    /// Votes and heartbeats between nodes.
    Control,
    /// Everything else between nodes.
    Bulk,
    /// Requests of clients.
    Client,
}

/// Packets of a connection so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Losses {
    /// Sent.
    pub sent: u64,
    /// Of those, taken for lost and sent again.
    pub lost: u64,
    /// Times that the sender slowed down for them.
    pub congestion: u64,
}

impl Carried {
    /// Each.
    pub const ALL: [Self; 3] = [Self::Control, Self::Bulk, Self::Client];

    const fn label(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Bulk => "bulk",
            Self::Client => "client",
        }
    }
}

impl Losses {
    /// What happened since.
    #[must_use]
    pub const fn since(&self, before: &Self) -> Self {
        Self {
            sent: self.sent.saturating_sub(before.sent),
            lost: self.lost.saturating_sub(before.lost),
            congestion: self.congestion.saturating_sub(before.congestion),
        }
    }
}

pub(super) fn describe() {
    describe_gauge!(CONNECTIONS, "Open QUIC connections of both directions, by plane: control, bulk or client.");
    describe_counter!(SENT, "QUIC packets sent, by plane.");
    describe_counter!(LOST, "QUIC packets taken for lost, by plane.");
    describe_counter!(CONGESTION, "Times that a QUIC connection slowed down for lost packets, by plane.");
    describe_histogram!(
        ROUND_TRIP,
        metrics::Unit::Seconds,
        "Estimated round-trip time of each open QUIC connection, every few seconds, by plane."
    );
    for carries in Carried::ALL {
        set_connections_open(carries, 0);
        count_packets(carries, Losses::default());
    }
}

/// Sets the number of open connections.
pub fn set_connections_open(carries: Carried, connections: u32) {
    gauge!(CONNECTIONS, "plane" => carries.label()).set(f64::from(connections));
}

/// Counts what connections went through.
pub fn count_packets(carries: Carried, new: Losses) {
    counter!(SENT, "plane" => carries.label()).increment(new.sent);
    counter!(LOST, "plane" => carries.label()).increment(new.lost);
    counter!(CONGESTION, "plane" => carries.label()).increment(new.congestion);
}

/// Records how far away the other end of a connection is.
pub fn record_round_trip(carries: Carried, took: Duration) {
    histogram!(ROUND_TRIP, "plane" => carries.label()).record(took);
}
