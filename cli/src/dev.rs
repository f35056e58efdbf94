//! `quorla dev`: a cluster of real processes on this machine, in the foreground, gone when it ends.

use std::path::PathBuf;

use clap::Args;
use quorla_client::{Profile, profile};
use tokio::signal::unix::{Signal, SignalKind};

use crate::exit::Exit;
use crate::fault::Fault;
use crate::local::{Cluster, Control, ControlledNode, NodeEnd, NodeProcess, Ready, Settings};
use crate::output::Output;
use crate::session::Session;
use crate::stop::{Stop, listen};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  quorla dev\n  quorla dev --nodes 3\n  quorla dev --nodes 3 --data-dir ./cluster\n\n\
                        Ctrl-C stops it. Kill a node by its process id to see the others go on; SIGUSR1 to this process\n\
                        starts again what has ended."
)]
pub(crate) struct Dev {
    /// Node processes
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=7))]
    nodes: u8,
    /// Keep everything here [default: a temporary directory]
    #[arg(long, value_name = "PATH")]
    data_dir: Option<PathBuf>,
    /// Slots of each node
    #[arg(long)]
    slots: Option<u32>,
    /// What the nodes log
    #[arg(long, default_value = "info", value_name = "FILTER")]
    log_filter: String,
}

/// The profile, removed when this goes out of scope.
struct WrittenProfile {
    path: PathBuf,
}

pub(crate) async fn run(arguments: &Dev, session: &Session, output: &Output) -> Result<Exit, Fault> {
    refuse_other_profile(session)?;
    refuse_second()?;
    let (mut stop, restart) = (Stop::new()?, listen(SignalKind::user_defined1())?);
    let settings = Settings {
        nodes: usize::from(arguments.nodes),
        directory: arguments.data_dir.clone(),
        slots: arguments.slots,
        log_filter: arguments.log_filter.clone(),
        ..Settings::default()
    };
    let cluster = tokio::select! {
        started = Cluster::start(settings) => started?,
        () = stop.asked() => return Ok(Exit::INTERRUPTED),
    };
    serve(cluster, stop, restart, output).await
}

async fn serve(mut cluster: Cluster, mut stop: Stop, mut restart: Signal, output: &Output) -> Result<Exit, Fault> {
    let written = write_profile(&cluster)?;
    greet(&cluster, output)?;
    loop {
        tokio::select! {
            () = stop.asked() => break,
            end = cluster.next_end() => tell_end(&cluster, &end, output),
            _ = restart.recv() => restart_ended(&mut cluster, output).await,
        }
    }
    drop(written);
    output.say(format!("stopping {}; what runs there has a second to end", names(&cluster)));
    cluster.stop_telling(|left| output.say(format!("waiting for {} to end", left.join(", ")))).await.map(|()| Exit::OK)
}

fn tell_end(cluster: &Cluster, end: &NodeEnd, output: &Output) {
    let node = &cluster.nodes()[end.position];
    output.say(format!("{}: process {} ended: {}; its log: {}", node.name, end.pid, end.how, node.log.display()));
    output.say(format!("start it again: kill -USR1 {}", std::process::id()));
}

/// A node that does not start is told; what ended besides waits for the next time.
async fn restart_ended(cluster: &mut Cluster, output: &Output) {
    loop {
        match cluster.restart_one_ended().await {
            Ok(Some(position)) => tell_start(&cluster.nodes()[position], " again", output),
            Ok(None) => return,
            Err(fault) => return output.fault(&fault),
        }
    }
}

fn tell_start(node: &NodeProcess, how: &str, output: &Output) {
    if let Some(Ready { name, pid, quic, http }) = node.ready() {
        output.say(format!("{name}: process {pid}{how}, quic {quic}, http://{http}"));
    }
}

fn names(cluster: &Cluster) -> String {
    cluster.nodes().iter().map(|node| node.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// What this cluster is found by has one name, or nobody would know which profile to remove.
fn refuse_other_profile(session: &Session) -> Result<(), Fault> {
    match session.asked_for() {
        Some(name) if name != profile::DEV_PROFILE => {
            let message = format!("start a cluster: it is found by the profile {}, not {name}", profile::DEV_PROFILE);
            Err(Fault::usage(message).hint("Leave out --profile, and QUORLA_PROFILE."))
        }
        _ => Ok(()),
    }
}

/// One dev cluster per user: a second one would take the profile from the first.
fn refuse_second() -> Result<(), Fault> {
    match Profile::read(&profile::directory(), profile::DEV_PROFILE) {
        Err(_) => Ok(()),
        Ok(running) => {
            let pid = running.pid.map_or_else(String::new, |pid| format!(" (process {pid})"));
            Err(Fault::new(Exit::CONFLICT, "dev_is_running", format!("start a dev cluster: one runs already{pid}"))
                .hint("Use it, or stop it with Ctrl-C."))
        }
    }
}

fn write_profile(cluster: &Cluster) -> Result<WrittenProfile, Fault> {
    let control = Control {
        pid: std::process::id(),
        nodes: cluster
            .nodes()
            .iter()
            .map(|node| ControlledNode { name: node.name.clone(), data_dir: node.data_dir.clone() })
            .collect(),
    };
    let control_path = cluster.directory().join("control.toml");
    control.write(&control_path)?;
    let profile = Profile { control: Some(control_path), ..cluster.profile() };
    let path = profile.write(&profile::directory(), profile::DEV_PROFILE).map_err(quorla_client::Error::from)?;
    Ok(WrittenProfile { path })
}

fn greet(cluster: &Cluster, output: &Output) -> Result<(), Fault> {
    for node in cluster.nodes() {
        tell_start(node, "", output);
    }
    let http = cluster.profile().http.unwrap_or_default();
    output.line(format_args!(
        "Quorla runs at {http} in {}\n\nTry, in another terminal:\n  quorla job run -- echo hi\n  \
         quorla cluster status\n  {}\n\nCtrl-C stops it.",
        cluster.directory().display(),
        if cluster.nodes().len() > 2 { "quorla drill kill-leader" } else { "quorla job list" },
    ))
}

impl Drop for WrittenProfile {
    fn drop(&mut self) {
        // When it stays, its process id shows that it is left over.
        std::fs::remove_file(&self.path).ok();
    }
}
