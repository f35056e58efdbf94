//! The command tree. What a command takes lies beside what it does; here is only how they hang together.

use clap::{Args, Parser, Subcommand};

use crate::array::ArrayCommand;
use crate::bench::BenchCommand;
use crate::cluster::ClusterCommand;
use crate::config::ConfigCommand;
use crate::demo::Demo;
use crate::dev::Dev;
use crate::drill::DrillCommand;
use crate::job::{JobCommand, span_ms};
use crate::node::NodeCommand;
use crate::output::Form;
use crate::queue::QueueCommand;

/// Runs jobs on a cluster of equal nodes, and loses nothing when one of them dies.
#[derive(Debug, Parser)]
#[command(
    name = "quorla",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    after_help = "First steps:\n  quorla dev --nodes 3           three real node processes on this machine\n  \
                  quorla job run -- echo hi      submit, wait, print, and exit as the job did\n  \
                  quorla drill kill-leader       kill the leader under load and see what was lost\n\n\
                  Exit codes: 0 ok, 1 other failure, 2 usage, 3 not found, 4 denied, 5 conflict, 6 unreachable or no\n\
                  quorum, 7 wait timed out, 8 limited, 9 outcome unknown, 10 job failed, 11 job cancelled,\n\
                  12 deadline passed, 130 interrupted. `job run` passes the job's own code through."
)]
pub(crate) struct Cli {
    /// The profile that says where the cluster is [default: `dev` while it runs, else `default`]
    #[arg(long, global = true, env = "QUORLA_PROFILE", value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// The form of the data on stdout [default: a table on a terminal, plain text when piped]
    #[arg(short, long, global = true, env = "QUORLA_OUTPUT", value_enum, value_name = "FORM")]
    pub(crate) output: Option<Form>,
    /// How long to try where the cluster does not answer; of a command that waits, how long it waits [default: 30s]
    #[arg(long, global = true, value_parser = span_ms, value_name = "SPAN")]
    pub(crate) timeout: Option<u64>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a temporary cluster on this machine until Ctrl-C
    Dev(Dev),
    /// Submit jobs and see what became of them
    #[command(subcommand)]
    Job(Box<JobCommand>),
    /// Submit many tasks of one command, and see how far they are
    #[command(subcommand)]
    Array(ArrayCommand),
    /// Start, list, label and drain nodes
    #[command(subcommand)]
    Node(NodeCommand),
    /// List, hold and resume queues
    #[command(subcommand)]
    Queue(QueueCommand),
    /// Look at the cluster
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// Check configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Break something on purpose and print a verdict
    #[command(subcommand)]
    Drill(DrillCommand),
    /// Start three nodes, run real jobs, kill the leader in the middle, print a verdict
    Demo(Demo),
    /// Measure
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Print a completion script
    #[command(after_help = "Example:\n  quorla completion bash > ~/.local/share/bash-completion/completions/quorla")]
    Completion(Completion),
    /// Print the version
    Version,
}

#[derive(Debug, Args)]
pub(crate) struct Completion {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}
