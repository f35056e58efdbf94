//! `quorla drill`: break something on purpose while real jobs run, and judge what is left.
//!
//! One code path serves `drill kill-leader` on the running dev cluster and `demo` on a temporary one.

mod files;
mod judge;
mod kill;
mod load;
mod probe;
mod progress;
mod replicas;
mod soak;
mod target;
mod verdict;

use std::time::Duration;

use clap::{Args, Subcommand};
use quorla_client::Client;
use quorla_client::clock::Stopwatch;

pub(crate) use target::Target;

use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;
use crate::session::Session;
use probe::Probe;
use progress::Progress;
use verdict::Verdict;

/// How long a cluster with a quorum may take to answer a read, an election included.
const READ_MAX: Duration = Duration::from_secs(5);

#[derive(Debug, Subcommand)]
pub(crate) enum DrillCommand {
    /// Kill the leader of the dev cluster under load and print a verdict
    #[command(after_help = "Example:\n  quorla dev --nodes 3 &\n  quorla drill kill-leader\n\n\
                            Exits with 0 only when nothing was lost or done twice and all replicas agree.")]
    KillLeader(KillLeader),
    /// Load a temporary cluster for an hour and see whether anything grows
    #[command(after_help = "Example:\n  quorla drill soak --minutes 60\n\n\
        Jobs, arrays, output, failures, cancellations, lists and connections side by side, with retention so tight that\n\
        what is kept is replaced again and again. Exits with 0 only when nothing went wrong and memory, open files and\n\
        disk in the last quarter of the time are what they were in the second.")]
    Soak(soak::Soak),
}

#[derive(Debug, Args)]
pub(crate) struct KillLeader {
    /// Files of this machine to hash, one job each
    #[arg(long, default_value_t = 1_200, value_parser = clap::value_parser!(u32).range(1_000..=50_000))]
    files: u32,
}

pub(crate) async fn run(command: &DrillCommand, session: &Session, output: &Output) -> Result<Exit, Fault> {
    let arguments = match command {
        DrillCommand::KillLeader(arguments) => arguments,
        DrillCommand::Soak(arguments) => return soak::run(arguments, output).await,
    };
    let (name, profile) = session.profile()?;
    let mut target = Target::dev(&name, &profile)?;
    has_quorum(session).await?;
    kill_leader(&mut target, arguments, output).await
}

/// A cluster without a leader has nobody to kill: said at once and not after the load could not be submitted.
async fn has_quorum(session: &Session) -> Result<(), Fault> {
    let client = session.connect().await?.client;
    let fault = |why: String| {
        Fault::new(Exit::UNAVAILABLE, "no_quorum", format!("kill the leader: {why}"))
            .hint("Start again what has ended, with SIGUSR1 to the dev process; see quorla cluster status.")
    };
    match tokio::time::timeout(READ_MAX, client.nodes()).await {
        Ok(answered) => answered.map(drop).map_err(|error| fault(error.to_string())),
        Err(_) => Err(fault(format!("no leader that a majority follows answered within {} s", READ_MAX.as_secs()))),
    }
}

/// Hashes many files with the cluster, kills its leader meanwhile, and compares with what this process computes.
pub(crate) async fn kill_leader(target: &mut Target, arguments: &KillLeader, output: &Output) -> Result<Exit, Fault> {
    if target.names().len() < 3 {
        return Err(Fault::usage("kill the leader: a cluster of fewer than three nodes does not survive that")
            .hint("Start a larger one: quorla dev --nodes 3"));
    }
    let since = Stopwatch::start();
    let progress = Progress::new(arguments.files, output);
    progress.step("hashing files without the cluster");
    let count = usize::try_from(arguments.files).expect("a count of files fits into memory");
    let files = tokio::task::spawn_blocking(move || files::choose(count))
        .await
        .map_err(|error| Fault::other("hash files", error))??;

    let client = Client::connect(target.options()).await?;
    let probe = Probe::start(client.clone());
    progress.step("submitting one job for each file");
    // Each half waits for the other, so that the end of one in failure ends both.
    let both = tokio::try_join!(kill::in_the_middle(target, &client, &progress), load::run(&client, &files, &progress));
    let outages = probe.stop().await;
    let (killed, load) = both?;

    progress.step(&format!("starting {} again", killed.node));
    target.restart(&killed.node).await?;
    let hashes = replicas::content_hashes(target, &client).await?;
    progress.step("reading every job once more");
    let judged = judge::judge(&client, &files, load).await?;
    progress.finish();
    let verdict = Verdict { judged, killed, outages: outages?, hashes, elapsed_ms: since.elapsed_ms() };
    output.document(&verdict.document())?;
    if verdict.holds() {
        output.say("verdict: nothing was lost and nothing was done twice");
        return Ok(Exit::OK);
    }
    Err(Fault::new(Exit::OTHER, "drill_failed", "kill the leader under load: the verdict does not hold")
        .hint("See the rows marked FAILED, and the nodes' logs."))
}
