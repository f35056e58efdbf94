//! How log lines look: text for people or one JSON object per line, both on standard error, chosen by a filter.
//!
//! Fields of the surrounding spans (job, attempt) are part of every line: they are the correlation ids. A job's id is that of the
//! request that submitted it; at `debug` every step names it, from the submit on one node to the attempt on another.

use std::io::{self, IsTerminal};

use thiserror::Error;
use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, Registry, fmt};

use crate::config::{LogConfig, LogFormat};

/// Why logging did not start.
#[derive(Debug, Error)]
pub enum LogError {
    /// The filter is malformed; a validated configuration has none such.
    #[error("read the log filter {filter:?}: {source}")]
    Filter {
        /// The filter.
        filter: String,
        /// What is wrong with it.
        source: ParseError,
    },
    /// Somebody else installed a logger.
    #[error("start logging: {0}")]
    Installed(#[from] TryInitError),
}

/// Starts to log to standard error, for the whole process. Once.
pub fn start(config: &LogConfig) -> Result<(), LogError> {
    let filter: Targets =
        config.filter.parse().map_err(|source| LogError::Filter { filter: config.filter.clone(), source })?;
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let lines = layer(config.format, BoxMakeWriter::new(io::stderr), colours);
    Ok(tracing_subscriber::registry().with(lines.with_filter(filter)).try_init()?)
}

fn layer(format: LogFormat, to: BoxMakeWriter, colours: bool) -> Box<dyn Layer<Registry> + Send + Sync> {
    match format {
        LogFormat::Text => fmt::layer().with_writer(to).with_ansi(colours).boxed(),
        LogFormat::Json => fmt::layer().json().flatten_event(true).with_span_list(false).with_writer(to).boxed(),
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::Layer;
    use tracing_subscriber::filter::Targets;
    use tracing_subscriber::fmt::writer::BoxMakeWriter;
    use tracing_subscriber::layer::SubscriberExt;

    use super::{LogFormat, layer};

    /// Where a test's lines go.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, filter: &str) -> String {
        let lines = Lines::default();
        let to = lines.clone();
        let layer = layer(format, BoxMakeWriter::new(move || to.clone()), false);
        let filter: Targets = filter.parse().unwrap();
        let subscriber = tracing_subscriber::registry().with(layer.with_filter(filter));
        tracing::subscriber::with_default(subscriber, || {
            let _span = tracing::info_span!("attempt", job = "0abc").entered();
            tracing::info!(fence = 7, "attempt started");
            tracing::debug!("detail");
        });
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn json_lines_carry_fields_of_event_and_span() {
        let line: serde_json::Value = serde_json::from_str(&logged(LogFormat::Json, "info")).unwrap();
        assert_eq!(line["message"], "attempt started");
        assert_eq!(line["fence"], 7);
        assert_eq!(line["span"]["job"], "0abc");
    }

    #[test]
    fn text_lines_carry_fields_of_event_and_span() {
        let line = logged(LogFormat::Text, "info");
        assert!(line.contains("job=\"0abc\"") && line.contains("fence=7"), "{line}");
    }

    #[test]
    fn filter_decides_which_lines_are_written() {
        assert!(logged(LogFormat::Text, "warn").is_empty());
        assert!(logged(LogFormat::Text, "debug").contains("detail"));
    }
}
