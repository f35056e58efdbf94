//! How long requests of clients take, by kind: fixed buckets that cost the same however many requests there were and
//! however rarely somebody asks. Kinds are a closed set; nothing of a request's content becomes a label.

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use quorla_client::Request;

/// Upper bounds of the buckets in microseconds, from a tenth of a millisecond to ten seconds.
const BOUNDS_US: [u64; 16] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000,
];
const MICROS_PER_S: u64 = 1_000_000;

/// Every kind, in the order of their histograms. Those that wait as long as their caller likes stand apart.
const KINDS: [&str; 18] = [
    "hello",
    "submit_job",
    "submit_jobs",
    "wait_job",
    "job_info",
    "list_jobs",
    "resolve_prefix",
    "cancel_job",
    "retry_job",
    "job_history",
    "job_logs",
    "list_nodes",
    "cluster_status",
    "mark_content_hash",
    "wait_content_hash",
    "explain_job",
    "drain_node",
    "wait_node",
];

/// What a request is, as the label says it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RequestKind(usize);

impl RequestKind {
    /// The kind of this request.
    pub const fn of(request: &Request) -> Self {
        Self(match request {
            Request::Hello(_) => 0,
            Request::Submit(_) => 1,
            Request::SubmitMany(_) => 2,
            Request::Wait(_) => 3,
            Request::Info(_) => 4,
            Request::List(_) => 5,
            Request::ResolvePrefix(_) => 6,
            Request::Cancel(_) => 7,
            Request::Retry(_) => 8,
            Request::History(_) => 9,
            Request::Logs(_) => 10,
            Request::Nodes(_) => 11,
            Request::Status => 12,
            Request::MarkContentHash(_) => 13,
            Request::ContentHash(_) => 14,
            Request::Explain(_) => 15,
            Request::DrainNode(_) => 16,
            Request::WaitForNode(_) => 17,
        })
    }
}

/// A histogram of each kind.
pub(super) struct RequestTimes([Times; KINDS.len()]);

/// The last bucket holds what exceeds every bound.
struct Times {
    buckets: [AtomicU64; BOUNDS_US.len() + 1],
    sum_us: AtomicU64,
}

impl RequestTimes {
    pub(super) const fn new() -> Self {
        Self([const { Times::new() }; KINDS.len()])
    }

    pub(super) fn record(&self, kind: RequestKind, took: Duration) {
        self.0[kind.0].record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    /// In Prometheus' text format, kinds without a request included: what is seldom asked must not begin at one.
    pub(super) fn render(&self, name: &str, help: &str) -> String {
        let mut text = format!("# HELP {name} {help}\n# TYPE {name} histogram\n");
        for (kind, times) in KINDS.iter().zip(&self.0) {
            times.render(name, kind, &mut text);
        }
        text
    }
}

impl Times {
    const fn new() -> Self {
        Self { buckets: [const { AtomicU64::new(0) }; BOUNDS_US.len() + 1], sum_us: AtomicU64::new(0) }
    }

    fn record(&self, took_us: u64) {
        let bucket = BOUNDS_US.partition_point(|bound| *bound < took_us);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(took_us, Ordering::Relaxed);
    }

    fn render(&self, name: &str, kind: &str, text: &mut String) {
        let mut count = 0;
        let bounds = BOUNDS_US.iter().map(|bound_us| seconds(*bound_us)).chain(["+Inf".to_owned()]);
        for (bound, bucket) in bounds.zip(&self.buckets) {
            count += bucket.load(Ordering::Relaxed);
            line(text, format_args!("{name}_bucket{{kind=\"{kind}\",le=\"{bound}\"}} {count}"));
        }
        let sum = seconds(self.sum_us.load(Ordering::Relaxed));
        line(text, format_args!("{name}_sum{{kind=\"{kind}\"}} {sum}"));
        line(text, format_args!("{name}_count{{kind=\"{kind}\"}} {count}"));
    }
}

fn line(text: &mut String, words: std::fmt::Arguments<'_>) {
    writeln!(text, "{words}").expect("a text takes what is written to it");
}

/// Seconds without trailing zeros: `0.0001`, `10`.
fn seconds(us: u64) -> String {
    let text = format!("{}.{:06}", us / MICROS_PER_S, us % MICROS_PER_S);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, time::Duration};

    use quorla_client::{Hello, ListQuery, Request};

    use super::{KINDS, RequestKind, RequestTimes, seconds};

    #[test]
    fn a_request_counts_in_every_bucket_that_it_fits_and_in_its_kind_alone() {
        let times = RequestTimes::new();
        let list = RequestKind::of(&Request::List(ListQuery::default()));
        for took_us in [100, 101, 60_000_000] {
            times.record(list, Duration::from_micros(took_us));
        }
        let text = times.render("quorla_request_seconds", "Help.");
        for line in [
            "# TYPE quorla_request_seconds histogram\n",
            "quorla_request_seconds_bucket{kind=\"list_jobs\",le=\"0.0001\"} 1\n",
            "quorla_request_seconds_bucket{kind=\"list_jobs\",le=\"0.00025\"} 2\n",
            "quorla_request_seconds_bucket{kind=\"list_jobs\",le=\"10\"} 2\n",
            "quorla_request_seconds_bucket{kind=\"list_jobs\",le=\"+Inf\"} 3\n",
            "quorla_request_seconds_sum{kind=\"list_jobs\"} 60.000201\n",
            "quorla_request_seconds_count{kind=\"list_jobs\"} 3\n",
            "quorla_request_seconds_count{kind=\"hello\"} 0\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }

    #[test]
    fn kinds_are_plain_and_differ() {
        assert_eq!(KINDS.iter().collect::<BTreeSet<_>>().len(), KINDS.len());
        assert!(KINDS.iter().all(|kind| kind.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')));
        let hello = Request::Hello(Hello { version: 1, agent: "quorla\"}".into() });
        assert_eq!(KINDS[RequestKind::of(&hello).0], "hello");
        assert_eq!(KINDS[RequestKind::of(&Request::Status).0], "cluster_status");
    }

    #[test]
    fn seconds_are_exact_and_short() {
        for (us, expected) in [(0, "0"), (100, "0.0001"), (1_000_000, "1"), (2_500_000, "2.5"), (10_000_000, "10")] {
            assert_eq!(seconds(us), expected);
        }
    }
}
