//! What a measurement gives: a rate and latencies.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::output::Table;

const LATENCY_US_MAX: u64 = 600_000_000;
const DIGITS: u8 = 3;

/// Latencies in microseconds.
pub(super) struct Latencies(Histogram<u64>);

impl Latencies {
    pub(super) fn new() -> Self {
        let histogram = Histogram::new_with_max(LATENCY_US_MAX, DIGITS);
        Self(histogram.expect("three digits up to ten minutes are within what a histogram can hold"))
    }

    pub(super) fn record(&mut self, latency: Duration) {
        self.0.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.0.add(&other.0).expect("all latencies have the same bounds");
    }

    pub(super) fn count(&self) -> u64 {
        self.0.len()
    }

    pub(super) fn ms(&self, quantile: f64) -> f64 {
        Duration::from_micros(self.0.value_at_quantile(quantile)).as_secs_f64() * 1_000.0
    }
}

/// One workload's figures.
pub(super) struct Figures {
    pub(super) workload: &'static str,
    pub(super) in_flight: u32,
    pub(super) elapsed: Duration,
    pub(super) latencies: Latencies,
    pub(super) errors: u64,
}

impl Figures {
    fn per_s(&self) -> u64 {
        let micros = self.elapsed.as_micros().max(1);
        let per_s = u128::from(self.latencies.count()) * 1_000_000 / micros;
        u64::try_from(per_s).unwrap_or(u64::MAX)
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "workload": self.workload,
            "in_flight": self.in_flight,
            "per_s": self.per_s(),
            "p50_ms": self.latencies.ms(0.5),
            "p99_ms": self.latencies.ms(0.99),
            "count": self.latencies.count(),
            "errors": self.errors,
        })
    }

    pub(super) fn table(&self) -> Table {
        let mut table =
            Table::new(["WORKLOAD", "IN FLIGHT", "PER SECOND", "P50 MS", "P99 MS", "COUNT", "ERRORS", "GOAL"]);
        table.row([
            self.workload.to_owned(),
            self.in_flight.to_string(),
            self.per_s().to_string(),
            format!("{:.3}", self.latencies.ms(0.5)),
            format!("{:.3}", self.latencies.ms(0.99)),
            self.latencies.count().to_string(),
            self.errors.to_string(),
            self.goal().to_owned(),
        ]);
        table
    }

    /// What the fastest of the others reaches on two processors, on a disk of 5,922 fdatasync a second.
    fn goal(&self) -> &'static str {
        match (self.workload, self.in_flight) {
            ("submit", 1) => "p50 0.86 ms",
            ("submit", 64) => "14984/s",
            ("submit", 256) => "28851/s",
            ("fdatasync", _) => "(goals: 5922/s)",
            _ => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::{Figures, Latencies};

    #[test]
    fn an_object_has_the_agreed_fields() {
        let mut latencies = Latencies::new();
        latencies.record(Duration::from_millis(2));
        let elapsed = Duration::from_millis(500);
        let figures = Figures { workload: "submit", in_flight: 1, elapsed, latencies, errors: 0 };
        let json = figures.json();
        assert_eq!((&json["per_s"], &json["count"]), (&json!(2), &json!(1)));
        for field in ["workload", "in_flight", "per_s", "p50_ms", "p99_ms", "count", "errors"] {
            assert!(json.get(field).is_some(), "{field}");
        }
    }
}
