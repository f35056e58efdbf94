//! `quorla drill soak`: mixed load for as long as one likes, and whether anything grows with time.
//!
//! Retention is so tight that what is kept was replaced several times by the end: from then on a disk, a memory or a number
//! of open files that still grows is a leak.

mod load;
mod sample;
mod verdict;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use quorla_client::clock::Stopwatch;

use crate::exit::Exit;
use crate::fault::Fault;
use crate::local::{Cluster, Settings};
use crate::output::{Output, span};
use load::{Load, Told};
use sample::Sample;
use verdict::Verdict;

const SAMPLE_EVERY: Duration = Duration::from_secs(2);
const TOLD_EVERY_MS: u64 = 60_000;
/// What is kept of what has ended.
const RETENTION: &str = "
[retention]
jobs = 1000
arrays = 10
events_bytes = \"1MiB\"
logs = \"1m\"
";

/// Arguments of `quorla drill soak`.
#[derive(Debug, Args)]
pub(crate) struct Soak {
    /// Minutes of load
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(2..=10_080))]
    minutes: u32,
    /// Node processes
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=7))]
    nodes: u8,
    /// Where the cluster lies [default: a temporary directory]
    #[arg(long, value_name = "PATH")]
    data_dir: Option<PathBuf>,
}

pub(crate) async fn run(arguments: &Soak, output: &Output) -> Result<Exit, Fault> {
    output.say(format!("starting {} node processes", arguments.nodes));
    let settings = Settings {
        nodes: usize::from(arguments.nodes),
        directory: arguments.data_dir.clone(),
        log_filter: "warn".to_owned(),
        configuration: RETENTION.to_owned(),
        ..Settings::default()
    };
    let cluster = Cluster::start(settings).await?;
    let verdict = tokio::select! {
        verdict = soak(&cluster, arguments.minutes, output) => Some(verdict),
        _ = tokio::signal::ctrl_c() => None,
    };
    if let Err(fault) = cluster.stop().await {
        output.fault(&fault);
    }
    let Some(verdict) = verdict.transpose()? else { return Ok(Exit::INTERRUPTED) };
    output.document(&verdict.document())?;
    if verdict.holds() {
        output.say("verdict: nothing grew, and nothing went wrong");
        return Ok(Exit::OK);
    }
    Err(Fault::new(Exit::OTHER, "drill_failed", "soak: the verdict does not hold").hint("See the rows marked FAILED."))
}

async fn soak(cluster: &Cluster, minutes: u32, output: &Output) -> Result<Verdict, Fault> {
    let lasts = Duration::from_secs(60 * u64::from(minutes));
    let load = Load::start(cluster.options()).await?;
    let (since, mut samples, mut told_ms) = (Stopwatch::start(), Vec::new(), 0);
    let mut ticks = tokio::time::interval(SAMPLE_EVERY);
    while since.elapsed() < lasts {
        ticks.tick().await;
        let sample = Sample::of(cluster, since.elapsed_ms())?;
        if sample.at_ms.saturating_sub(told_ms) >= TOLD_EVERY_MS {
            told_ms = sample.at_ms;
            output.say(format!("{}: {sample}; {}", span(sample.at_ms), load.told()));
        }
        samples.push(sample);
    }
    let told: Told = load.stop().await;
    Ok(Verdict { lasts_ms: since.elapsed_ms(), samples, told })
}
