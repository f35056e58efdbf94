//! `quorla bench`: load on a temporary cluster of real processes, in JSON one object per line.

mod array;
mod disk;
mod figures;
mod idle;
mod process;
mod results;
mod spawn;
mod submit;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use quorla_client::clock::Stopwatch;

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
        is on fsynced disk on a majority. A second line, \"fdatasync\", is 4 KiB append + fdatasync on the same disk. On a disk\n\
        that does 5,922 of these a second the goals are 28,851/s with 256 in flight and a p50 of 0.86 ms with 1.")]
    Submit(Submit),
    /// Measure tasks per second of one large array, with leaders killed meanwhile
    #[command(after_help = "Example:\n  quorla bench array --tasks 100000 --kills 2 -o json\n\n\
        The tasks are /bin/true, so that starting and accounting alone is measured. \"floor\" is how many of it this\n\
        machine starts in a second without the cluster, in two threads, before and after; \"ratio\" is to that. Every task\n\
        is read once more at the end; one without exactly one result is a failure.")]
    Array(Array),
    /// Measure single jobs per second through their whole life, and lists meanwhile
    #[command(after_help = "Example:\n  quorla bench process --jobs 10000 -o json\n\n\
        The jobs are /bin/true, submitted in batches. \"floor\" and \"ratio\" are as of bench array. Lists of 100 jobs are asked\n\
        for all the time, and timed by who asks. A job without exactly one result is a failure.")]
    Process(Process),
    /// Measure the first job of a fresh cluster, and what nodes take when there is nothing to do
    #[command(after_help = "Example:\n  quorla bench idle --nodes 3 -o json\n\n\
        Nodes rest for a minute first. Of the nodes the one that takes most is told.")]
    Idle(Idle),
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

#[derive(Debug, Args)]
pub(crate) struct Array {
    /// Node processes
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=7))]
    nodes: u8,
    /// Tasks of the array
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    tasks: u32,
    /// How often the leader is killed meanwhile, and started again
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=100))]
    kills: u32,
    /// Slots of each node: tasks as short as these leave a node waiting for its next one unless it holds many
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=160))]
    slots: u32,
    /// Where the cluster lies [default: a temporary directory]
    #[arg(long, value_name = "PATH")]
    data_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Process {
    /// Node processes
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=7))]
    nodes: u8,
    /// Jobs
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=500_000))]
    jobs: u32,
    /// Where the cluster lies [default: a temporary directory]
    #[arg(long, value_name = "PATH")]
    data_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Idle {
    /// Node processes
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=7))]
    nodes: u8,
    /// Seconds to look at them, after a minute of rest
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,
    /// Where the cluster lies [default: a temporary directory]
    #[arg(long, value_name = "PATH")]
    data_dir: Option<PathBuf>,
}

pub(crate) async fn run(command: &BenchCommand, output: &Output) -> Result<Exit, Fault> {
    let (nodes, directory, slots) = match command {
        BenchCommand::Submit(arguments) => (arguments.nodes, &arguments.data_dir, None),
        BenchCommand::Array(arguments) => (arguments.nodes, &arguments.data_dir, Some(arguments.slots)),
        BenchCommand::Process(arguments) => (arguments.nodes, &arguments.data_dir, None),
        BenchCommand::Idle(arguments) => (arguments.nodes, &arguments.data_dir, None),
    };
    output.say(format!("starting {nodes} node processes"));
    let settings = Settings {
        nodes: usize::from(nodes),
        directory: directory.clone(),
        slots,
        log_filter: "warn".to_owned(),
        ..Settings::default()
    };
    let since = Stopwatch::start();
    let mut cluster = Cluster::start(settings).await?;
    let measured = tokio::select! {
        measured = measure(&mut cluster, since, command, output) => measured.map(|()| Exit::OK),
        _ = tokio::signal::ctrl_c() => Ok(Exit::INTERRUPTED),
    };
    cluster.stop().await?;
    measured
}

async fn measure(
    cluster: &mut Cluster,
    since: Stopwatch,
    command: &BenchCommand,
    output: &Output,
) -> Result<(), Fault> {
    match command {
        BenchCommand::Submit(arguments) => submits(cluster, arguments, output).await,
        BenchCommand::Array(arguments) => {
            let run = array::measure(cluster, arguments.tasks, arguments.kills, output).await?;
            complete(output, &run.document(), run.holds())
        }
        BenchCommand::Process(arguments) => {
            let run = process::measure(cluster, arguments.jobs, output).await?;
            complete(output, &run.document(), run.holds())
        }
        BenchCommand::Idle(arguments) => {
            let run = idle::measure(cluster, since, arguments.seconds, output).await?;
            output.document(&run.document())
        }
    }
}

/// What was measured, and whether every job has its one result.
fn complete(output: &Output, document: &Document, holds: bool) -> Result<(), Fault> {
    output.document(document)?;
    let failed = || {
        Fault::new(
            Exit::OTHER,
            "jobs_failed",
            "measure jobs: not every one has exactly one result, or a kill did not happen",
        )
    };
    holds.then_some(()).ok_or_else(failed)
}

async fn submits(cluster: &Cluster, arguments: &Submit, output: &Output) -> Result<(), Fault> {
    let figures = submit::measure(&cluster.client().await?, arguments.in_flight, arguments.seconds).await?;
    print(output, &figures)?;
    let errors = figures.errors;
    let directory = cluster.directory().to_owned();
    let figures = tokio::task::spawn_blocking(move || disk::measure(&directory))
        .await
        .map_err(|error| Fault::other("measure the disk", error))??;
    print(output, &figures)?;
    verdict(errors)
}

/// Each measurement as soon as there is one: in JSON an object per line, in YAML an item of a list.
fn print(output: &Output, figures: &Figures) -> Result<(), Fault> {
    if output.is_json() {
        return output.line(figures.json());
    }
    let json = serde_json::json!([figures.json()]);
    output.document(&Document { json, table: figures.table(), ids: vec![figures.workload.to_owned()] })
}

/// What is measured beside failures is no measurement.
fn verdict(errors: u64) -> Result<(), Fault> {
    match errors {
        0 => Ok(()),
        _ => Err(Fault::new(Exit::OTHER, "submits_failed", format!("measure submits: {errors} were not accepted"))
            .hint("See the nodes' logs with --data-dir, and whether the machine keeps up.")),
    }
}

#[cfg(test)]
mod tests {
    use super::verdict;

    #[test]
    fn failed_submits_are_no_success() {
        assert!(verdict(0).is_ok());
        assert_eq!(verdict(1).unwrap_err().code, "submits_failed");
    }
}
