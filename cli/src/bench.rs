//! `quorla bench`: load on a temporary cluster of real processes, one JSON object per line.

mod disk;
mod figures;
mod submit;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::exit::Exit;
use crate::fault::Fault;
use crate::local::{Cluster, Settings};
use crate::output::{Document, Output};
use figures::Figures;

#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Measure accepted submits per second
    #[command(after_help = "Example:\n  quorla bench submit --nodes 3 --in-flight 256 --seconds 20 -o json\n\n\
        The jobs are ones that would run tomorrow, so that submitting alone is measured: each is acknowledged when it\n\
        is on fsynced disk on a majority. A second line, \"fdatasync\", is 4 KiB append + fdatasync on the same disk.")]
    Submit(Submit),
}

#[derive(Debug, Args)]
pub(crate) struct Submit {
    /// Node processes
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=7))]
    nodes: u8,
    /// Submits in flight, each a request of its own
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4096))]
    in_flight: u32,
    /// Seconds of load, after one of warming up
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,
    /// Where the cluster and the file lie [default: a temporary directory]
    #[arg(long, value_name = "PATH")]
    data_dir: Option<PathBuf>,
}

pub(crate) async fn run(command: &BenchCommand, output: &Output) -> Result<Exit, Fault> {
    let BenchCommand::Submit(arguments) = command;
    output.say(format!("starting {} node processes", arguments.nodes));
    let settings = Settings {
        nodes: usize::from(arguments.nodes),
        directory: arguments.data_dir.clone(),
        log_filter: "warn".to_owned(),
        ..Settings::default()
    };
    let cluster = Cluster::start(settings).await?;
    let measured = tokio::select! {
        measured = measure(&cluster, arguments, output) => measured.map(|()| Exit::OK),
        _ = tokio::signal::ctrl_c() => Ok(Exit::INTERRUPTED),
    };
    cluster.stop().await?;
    measured
}

async fn measure(cluster: &Cluster, arguments: &Submit, output: &Output) -> Result<(), Fault> {
    let figures = submit::measure(&cluster.client().await?, arguments.in_flight, arguments.seconds).await?;
    print(output, &figures)?;
    let directory = cluster.directory().to_owned();
    let figures = tokio::task::spawn_blocking(move || disk::measure(&directory))
        .await
        .map_err(|error| Fault::other("measure the disk", error))??;
    print(output, &figures)
}

/// One object per line, in every structured form.
fn print(output: &Output, figures: &Figures) -> Result<(), Fault> {
    if output.is_structured() {
        return output.line(figures.json());
    }
    output.document(&Document { json: figures.json(), table: figures.table(), ids: Vec::new() })
}
