//! `quorla demo`: a drill on a temporary cluster of its own, the same code path as `drill kill-leader`.

use clap::Args;

use crate::drill::{KillLeader, Target, kill_leader};
use crate::exit::Exit;
use crate::fault::Fault;
use crate::local::{Cluster, Settings};
use crate::output::Output;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  quorla demo")]
pub(crate) struct Demo {
    #[command(flatten)]
    drill: KillLeader,
    /// Node processes
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(3..=7))]
    nodes: u8,
}

pub(crate) async fn run(arguments: &Demo, output: &Output) -> Result<Exit, Fault> {
    output.say(format!("starting {} node processes", arguments.nodes));
    let settings = Settings { nodes: usize::from(arguments.nodes), ..Settings::default() };
    let mut target = Target::Own(Box::new(Cluster::start(settings).await?));
    let verdict = tokio::select! {
        verdict = kill_leader(&mut target, &arguments.drill, output) => verdict,
        _ = tokio::signal::ctrl_c() => Ok(Exit::INTERRUPTED),
    };
    // The verdict is what counts; a node that stops badly is told beside it.
    if let Err(fault) = target.stop().await {
        output.fault(&fault);
    }
    verdict
}
