//! `quorla node`.

mod list;
mod start;

use clap::Subcommand;

use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;
use crate::session::Session;
use crate::watch::Watch;

pub(crate) use start::Start;

#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// Run a node in the foreground until SIGTERM or Ctrl-C
    #[command(
        after_help = "Examples:\n  quorla node start --config cluster.toml\n  quorla node start --config cluster.toml --set node.name=n2"
    )]
    Start(Start),
    /// List the nodes: role, slots, what they have applied
    #[command(after_help = "Examples:\n  quorla node list\n  quorla node list --watch\n  quorla node list -o json")]
    List(Watch),
}

pub(crate) async fn run(command: NodeCommand, session: &Session, output: &Output) -> Result<Exit, Fault> {
    match command {
        NodeCommand::Start(_) => unreachable!("a node starts on a runtime of its own"),
        NodeCommand::List(watch) => list::run(&watch, session, output).await,
    }
}
