//! The command line of Quorla: it renders and decides nothing.
//!
//! ```text
//! arguments  the command tree          exit, fault  how a command ends
//! output     table, plain, json, ...   session      profile, client, `last`
//! job, array, queue, node, cluster, config    one module per noun
//! local      clusters of real processes on this machine: `dev`, `drill`, `demo`, `bench` and the tests use it
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod arguments;
mod array;
mod bench;
mod cluster;
mod completion;
mod config;
mod demo;
mod dev;
mod drill;
mod exit;
mod fault;
mod job;
pub mod local;
mod node;
mod output;
mod queue;
mod session;
mod stall;
mod stop;
mod version;
mod watch;

use std::process::ExitCode;

use clap::Parser as _;

pub use exit::Exit;
pub use fault::Fault;

use arguments::{Cli, Command};
use node::NodeCommand;
use output::Output;
use session::Session;

/// The hidden command that a node starts its warden with.
const WARDEN: &str = "warden";

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    // Before anything that starts a thread: a node runs its warden as this program again.
    if std::env::args_os().nth(1).is_some_and(|command| command == WARDEN) {
        return quorla_actors::process::warden::main(|| quorla_node::clock::SystemClock.boot_ms());
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            return usage(&error, std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()));
        }
    };
    let output = Output::new(cli.output);
    match run(cli, &output) {
        Ok(exit) => exit.into(),
        Err(fault) => {
            output.fault(&fault);
            fault.exit.into()
        }
    }
}

/// Help and version go to stdout and are no error; a reader that has gone away is none either.
fn usage(error: &clap::Error, arguments: impl Iterator<Item = String>) -> ExitCode {
    error.print().ok();
    if error.use_stderr() {
        // Help in the place of a command that was left out is no error that a program would look up.
        if error.kind() != clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
            Output::new(None).say("  code: usage");
        }
        // What `job run` passes through is the job's: its own failures must not look like one of them.
        if names_job_run(arguments) { Exit::RUN_FAILED.into() } else { Exit::USAGE.into() }
    } else {
        Exit::OK.into()
    }
}

/// Whether a command line that can't be read is one of `job run`, flags of every command left out.
fn names_job_run(mut arguments: impl Iterator<Item = String>) -> bool {
    let mut words = Vec::new();
    while let Some(argument) = arguments.next().filter(|_| words.len() < 2) {
        match argument.as_str() {
            "--profile" | "-o" | "--output" | "--timeout" => drop(arguments.next()),
            flag if flag.starts_with('-') => {}
            _ => words.push(argument),
        }
    }
    words == ["job", "run"]
}

fn run(cli: Cli, output: &Output) -> Result<Exit, Fault> {
    let Cli { profile, timeout, command, .. } = cli;
    let session = Session::new(profile, timeout);
    match command {
        Command::Completion(shell) => completion::run(&shell, output),
        Command::Version => version::run(output),
        Command::Config(command) => config::run(&command, output),
        Command::Job(command) => on_runtime(job::run(*command, &session, output)),
        Command::Array(command) => on_runtime(array::run(command, &session, output)),
        Command::Node(NodeCommand::Start(start)) => start.run(),
        Command::Node(command) => on_runtime(node::run(command, &session, output)),
        Command::Queue(command) => on_runtime(queue::run(command, &session, output)),
        Command::Cluster(command) => on_runtime(cluster::run(&command, &session, output)),
        Command::Dev(dev) => on_runtime(dev::run(&dev, &session, output)),
        Command::Drill(command) => on_runtime(drill::run(&command, &session, output)),
        Command::Demo(demo) => on_runtime(demo::run(&demo, output)),
        Command::Bench(command) => on_threads(bench::run(&command, output)),
    }
}

/// One thread: it starts at once, and children that die with it are spawned from a thread that stays.
fn on_runtime(work: impl Future<Output = Result<Exit, Fault>>) -> Result<Exit, Fault> {
    finish(tokio::runtime::Builder::new_current_thread(), work)
}

/// As many threads as cores, for load.
fn on_threads(work: impl Future<Output = Result<Exit, Fault>>) -> Result<Exit, Fault> {
    finish(tokio::runtime::Builder::new_multi_thread(), work)
}

fn finish(
    mut builder: tokio::runtime::Builder,
    work: impl Future<Output = Result<Exit, Fault>>,
) -> Result<Exit, Fault> {
    let runtime = builder.enable_all().build().map_err(|error| Fault::other("start the runtime", error))?;
    let result = runtime.block_on(work);
    // A read of standard input that nobody waits for any more must not hold the process.
    runtime.shutdown_background();
    result
}
