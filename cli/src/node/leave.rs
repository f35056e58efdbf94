//! `quorla node leave`: an orderly goodbye.

use clap::Args;

use super::drain::{How, Undrain, document, take_out};
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::{Output, printed};
use crate::session::Session;

pub(super) const EXAMPLES: &str = "Examples:\n  quorla node leave n4 --deadline 10m --wait    then stop its process\n  \
    quorla node leave n4                          one that is gone is forgotten at once\n\n\
    It is drained; once nothing runs there and its process has stopped, it is forgotten, its attempts' history apart.\n\
    `quorla node undrain` takes that back until then. A node that votes on the ledger is refused. One that is to come back\n\
    after all starts with an empty data directory.";

#[derive(Debug, Args)]
pub(crate) struct Leave {
    #[command(flatten)]
    which: Undrain,
    #[command(flatten)]
    how: How,
}

pub(super) async fn run(leave: Leave, session: &Session, output: &Output) -> Result<Exit, Fault> {
    let work = take_out(leave.which, leave.how, true, session, output).await?;
    if work.drain.as_ref().is_some_and(|drain| drain.leaves) {
        output.say(format!("quorla: {} is forgotten once nothing runs there and its process has stopped", work.node));
    }
    printed(output, &document(&work), Exit::OK)
}
