//! What has one home: the encoding, the clock, the names of metrics. Elsewhere they are asked for, not done again.

use super::findings::Finding;
use super::source::Source;

const CODECS: &[&str] = &["ledger/src/codec.rs", "consensus/src/codec.rs", "client/src/codec.rs"];
const CLOCKS: &[&str] = &["node/src/clock.rs", "client/src/clock.rs"];

/// Reads of the machine's clock, whatever they are imported as.
const CLOCK_READS: &[&[&str]] =
    &[&["SystemTime", "::", "now"], &["Instant", "::", "now"], &["UNIX_EPOCH", ".", "elapsed"], &["clock_gettime"]];

/// Macros whose first argument is the name of a metric.
const METRIC_MACROS: &[&str] =
    &["counter", "gauge", "histogram", "describe_counter", "describe_gauge", "describe_histogram"];

/// bincode is unmaintained: it can be replaced where it has one home.
pub(super) fn bincode_has_one_home(source: &Source) -> Vec<Finding> {
    if CODECS.contains(&source.path.as_str()) {
        return Vec::new();
    }
    let told =
        |index| source.finding("codec", index, "bincode is called in codec.rs of ledger, consensus and client only");
    source.find(&["bincode"]).into_iter().map(told).collect()
}

/// Time is passed in. tokio's timers are excepted: they wait, and nothing is decided by their reading.
pub(super) fn clock_has_one_home(source: &Source) -> Vec<Finding> {
    if CLOCKS.contains(&source.path.as_str()) || !source.ships() {
        return Vec::new();
    }
    let reads = CLOCK_READS.iter().flat_map(|read| source.find(read));
    let wrong = reads.filter(|&index| counts(source, index) && !is_of_tokio(source, index));
    wrong
        .map(|index| {
            source.finding(
                "clock",
                index,
                "the clock is read in clock.rs of node and client only: take the time as an argument",
            )
        })
        .collect()
}

/// The ledger's own tests have no clock either.
fn counts(source: &Source, index: usize) -> bool {
    source.package() == "ledger" || !source.tokens[index].in_tests
}

fn is_of_tokio(source: &Source, index: usize) -> bool {
    let before = |back: usize| index.checked_sub(back).map(|at| source.tokens[at].text.as_str());
    if source.tokens[index].text != "Instant" {
        return false;
    }
    match (before(1), before(2), before(3), before(4)) {
        (Some("::"), Some("time"), Some("::"), Some(root)) => root == "tokio",
        (Some("::"), Some("time"), ..) => is_imported_from_tokio(source, "time"),
        (Some("::"), ..) => false,
        _ => is_imported_from_tokio(source, "Instant"),
    }
}

fn is_imported_from_tokio(source: &Source, name: &str) -> bool {
    let brings = |import: &[super::tokens::Token]| {
        import.first().is_some_and(|root| root.text == "tokio") && import.iter().any(|token| token.text == name)
    };
    source.imports().iter().any(|(_, import)| brings(import))
}

/// All names of a crate's metrics can be read in one file.
pub(super) fn metric_names_have_one_home(source: &Source) -> Vec<Finding> {
    if source.stem() == "metrics" || !source.ships() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for name in METRIC_MACROS {
        for index in source.find(&[name, "!", "("]) {
            let argument = source.tokens.get(index + 3);
            if argument.is_some_and(|argument| argument.as_string().is_some()) {
                found.push(source.finding(
                    "metric-name",
                    index,
                    "write the metric's name in metrics.rs of the crate, and use the constant",
                ));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{bincode_has_one_home, clock_has_one_home, metric_names_have_one_home};
    use crate::tidy::source::Source;

    #[test]
    fn bincode_outside_its_home_is_found() {
        let text = "fn f() { bincode::serde::decode_from_slice(b) }";
        let found = |path| bincode_has_one_home(&Source::parse(path, text)).len();
        assert_eq!(
            (found("consensus/src/log.rs"), found("consensus/src/codec.rs"), found("node/src/codec.rs")),
            (1, 0, 1)
        );
    }

    #[test]
    fn clock_reads_are_found() {
        for text in [
            "fn f() { SystemTime::now() }",
            "fn f() { std::time::Instant::now() }",
            "use std::time::Instant; fn f() { Instant::now() }",
            "use std::time; fn f() { time::Instant::now() }",
            "fn f() { rustix::time::clock_gettime(id) }",
        ] {
            assert_eq!(clock_has_one_home(&Source::parse("actors/src/lease.rs", text)).len(), 1, "{text}");
            assert!(clock_has_one_home(&Source::parse("node/src/clock.rs", text)).is_empty(), "{text}");
        }
    }

    #[test]
    fn tokio_timers_are_excepted() {
        for text in [
            "use tokio::time::{Duration, Instant}; fn f() { Instant::now() }",
            "use tokio::time; fn f() { time::Instant::now() }",
            "fn f() { tokio::time::Instant::now() }",
        ] {
            assert!(clock_has_one_home(&Source::parse("actors/src/agent.rs", text)).is_empty(), "{text}");
        }
    }

    #[test]
    fn tests_may_read_a_clock_outside_the_ledger() {
        let text = "#[cfg(test)] mod tests { fn f() { std::time::Instant::now() } }";
        let found = |path| clock_has_one_home(&Source::parse(path, text)).len();
        assert_eq!((found("node/src/config.rs"), found("ledger/src/place.rs")), (0, 1));
    }

    #[test]
    fn scattered_metric_names_are_found() {
        let found = |path, text| metric_names_have_one_home(&Source::parse(path, text)).len();
        assert_eq!(found("consensus/src/log.rs", "fn f() { metrics::counter!(\"quorla_syncs_total\") }"), 1);
        assert_eq!(found("consensus/src/log.rs", "fn f() { counter!(names::SYNCS_TOTAL) }"), 0);
        assert_eq!(found("consensus/src/metrics.rs", "fn f() { counter!(\"quorla_syncs_total\") }"), 0);
    }
}
