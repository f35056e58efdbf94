//! `quorla node`.

mod list;

use clap::Subcommand;

use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;
use crate::session::Session;

#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// List the nodes: role, slots, what they have applied
    #[command(after_help = "Examples:\n  quorla node list\n  quorla node list -o json")]
    List,
}

pub(crate) async fn run(
    command: NodeCommand,
    session: &Session,
    output: &Output,
) -> Result<Exit, Fault> {
    match command {
        NodeCommand::List => list::run(session, output).await,
    }
}
