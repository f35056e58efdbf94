//! `quorla queue`: one file per verb.

mod list;
mod pause;

use clap::Subcommand;

use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;
use crate::session::Session;

#[derive(Debug, Subcommand)]
pub(crate) enum QueueCommand {
    /// List queues: what waits and runs in each, since when, and how fast it moves
    #[command(after_help = list::EXAMPLES)]
    List(list::List),
    /// Hold a queue: nothing of it starts until it is resumed
    #[command(after_help = pause::EXAMPLES)]
    Pause(pause::Pause),
    /// Let a paused queue go on
    #[command(after_help = "Example:\n  quorla queue resume batch")]
    Resume(pause::Resume),
}

pub(crate) async fn run(command: QueueCommand, session: &Session, output: &Output) -> Result<Exit, Fault> {
    match command {
        QueueCommand::List(list) => list::run(&list, session, output).await,
        QueueCommand::Pause(pause) => pause::pause(pause, session, output).await,
        QueueCommand::Resume(resume) => pause::resume(resume, session, output).await,
    }
}
