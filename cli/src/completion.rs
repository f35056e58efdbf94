//! `quorla completion`: what a shell needs to complete commands.

use clap::CommandFactory as _;

use crate::arguments::{Cli, Completion};
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;

pub(crate) fn run(arguments: &Completion, output: &Output) -> Result<Exit, Fault> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "quorla", &mut script);
    output.raw(&script).map(|()| Exit::OK)
}
