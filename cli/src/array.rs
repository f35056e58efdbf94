//! `quorla array`: one file per verb.

mod cancel;
mod items;
mod pace;
mod retry;
mod status;
mod submit;
mod wait;

use clap::Subcommand;

use crate::exit::Exit;
use crate::fault::Fault;
use crate::job;
use crate::output::Output;
use crate::session::Session;

#[derive(Debug, Subcommand)]
pub(crate) enum ArrayCommand {
    /// Submit many tasks of one command; `{}` in it is each task's index or item
    #[command(after_help = submit::EXAMPLES)]
    Submit(Box<submit::Submit>),
    /// Show how far an array is
    #[command(
        after_help = "Examples:\n  quorla array status last --watch\n  quorla job list --array last --state failed"
    )]
    Status(status::Status),
    /// Stop an array: what waits ends at once, what runs is stopped
    #[command(after_help = "Example:\n  quorla array cancel g7k2 --reason 'wrong input'")]
    Cancel(cancel::Cancel),
    /// Hold an array: what runs goes on, and no new task starts
    #[command(after_help = "Example:\n  quorla array pause g7k2 --reason 'the disk is full'")]
    Pause(job::pause::Pause),
    /// Let a paused array go on
    #[command(after_help = "Example:\n  quorla array resume g7k2")]
    Resume(job::pause::Resume),
    /// Submit the tasks of an ended array anew that did not succeed, as a new array
    #[command(after_help = "Example:\n  quorla array retry last --wait")]
    Retry(retry::Retry),
}

pub(crate) async fn run(command: ArrayCommand, session: &Session, output: &Output) -> Result<Exit, Fault> {
    match command {
        ArrayCommand::Submit(submit) => submit::run(*submit, session, output).await,
        ArrayCommand::Status(status) => status::run(&status, session, output).await,
        ArrayCommand::Cancel(cancel) => cancel::run(cancel, session, output).await,
        ArrayCommand::Pause(pause) => job::pause::pause(pause, session, output).await,
        ArrayCommand::Resume(resume) => job::pause::resume(resume, session, output).await,
        ArrayCommand::Retry(retry) => retry::run(retry, session, output).await,
    }
}
