//! `quorla node`.

mod drain;
mod label;
mod leave;
mod list;
mod show;
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
        after_help = "Examples:\n  quorla node start --config cluster.toml\n  quorla node start --config cluster.toml --set node.name=n2\n\n\
                      SIGTERM and Ctrl-C hand over what it has; SIGQUIT is for stopping every node of a cluster at once, and does not."
    )]
    Start(Start),
    /// List the nodes: role, slots, what they have applied
    #[command(after_help = "Examples:\n  quorla node list\n  quorla node list --watch\n  quorla node list -o json")]
    List(Watch),
    /// Give a node no new work; what runs there goes on, or is moved when a deadline passes
    #[command(after_help = drain::EXAMPLES)]
    Drain(drain::Drain),
    /// Give a drained node work again, or take back that it leaves
    #[command(after_help = "Example:\n  quorla node undrain n2")]
    Undrain(drain::Undrain),
    /// Show one node: what it has, what runs there, what it could still take
    #[command(after_help = "Examples:\n  quorla node info n2\n  quorla node info n2 -o json")]
    Info(show::Show),
    /// Set labels of a node that job constraints match, or remove them
    #[command(after_help = label::EXAMPLES)]
    Label(label::Label),
    /// Say goodbye to a node that will not work again: drain it, then forget it once its process has stopped
    #[command(after_help = leave::EXAMPLES)]
    Leave(leave::Leave),
}

pub(crate) async fn run(command: NodeCommand, session: &Session, output: &Output) -> Result<Exit, Fault> {
    match command {
        NodeCommand::Start(_) => unreachable!("a node starts on a runtime of its own"),
        NodeCommand::List(watch) => list::run(&watch, session, output).await,
        NodeCommand::Drain(drain) => drain::drain(drain, session, output).await,
        NodeCommand::Undrain(which) => drain::undrain(which, session, output).await,
        NodeCommand::Info(show) => show::run(&show, session, output).await,
        NodeCommand::Label(label) => label::run(label, session, output).await,
        NodeCommand::Leave(leave) => leave::run(leave, session, output).await,
    }
}
