//! `quorla node start`: a node in the foreground, until it is told to stop or cannot go on.

use std::path::PathBuf;

use clap::Args;
use quorla_actors::process::agent::WardenCommand;
use quorla_node::{
    config::{Config, Sources},
    run::{Node, NodeError, StartOptions, StopWay},
};
use tokio::signal::unix::SignalKind;

use crate::exit::Exit;
use crate::fault::Fault;
use crate::local::{Ready, die_with_parent};
use crate::stop::{Stop, listen};

#[derive(Debug, Args)]
pub(crate) struct Start {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Sets one key, stronger than file and environment: node.name=n2
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = assignment)]
    overrides: Vec<(String, String)>,
    /// Creates the cluster where the data directory is new
    #[arg(long, hide = true)]
    found: bool,
    /// Ends with this process
    #[arg(long, hide = true, value_name = "PID")]
    parent: Option<u32>,
}

impl Start {
    /// Runs the node on a runtime of its own.
    pub(crate) fn run(self) -> Result<Exit, Fault> {
        if let Some(parent) = self.parent {
            die_with_parent(parent).map_err(|error| Fault::other("follow the parent process", error))?;
        }
        let config = Config::load(&Sources::of_process(self.config, self.overrides)).map_err(|problems| {
            Fault::new(Exit::USAGE, "config_invalid", problems.to_string().trim_end().to_owned())
                .hint("`quorla config validate` checks a file without starting a node.")
        })?;
        quorla_node::log::start(&config.log).map_err(|error| Fault::other("start to log", error))?;
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.enable_all().thread_name("quorla").build();
        let runtime = runtime.map_err(|error| Fault::other("start the runtime", error))?;
        runtime.block_on(serve(config, self.found))
    }
}

async fn serve(config: Config, found: bool) -> Result<Exit, Fault> {
    let (mut stop, mut together) = (Stop::new()?, listen(SignalKind::quit())?);
    let data_dir = config.node.data_dir.clone();
    let options = StartOptions { found, warden: WardenCommand::this_program() };
    let mut node = tokio::select! {
        started = Node::start(config, options) => started.map_err(fault)?,
        () = stop.asked() => return Ok(Exit::INTERRUPTED),
        _ = together.recv() => return Ok(Exit::INTERRUPTED),
    };
    let listening = node.listening();
    let ready = Ready {
        name: listening.name.clone(),
        pid: std::process::id(),
        quic: listening.quic.clone(),
        http: listening.http.clone(),
    };
    ready.write(&data_dir).map_err(|error| Fault::other(format!("write to {}", data_dir.display()), error))?;
    let (way, failure) = tokio::select! {
        () = stop.asked() => (StopWay::Alone, None),
        _ = together.recv() => (StopWay::WithCluster, None),
        failure = node.failed() => (StopWay::Alone, Some(failure)),
    };
    if let Some(failure) = &failure {
        tracing::error!(%failure, "the node stops");
    }
    // A second signal ends a stop that hangs.
    tokio::select! {
        () = node.stop(way) => {}
        () = stop.asked() => tracing::warn!("the stop is cut short"),
    }
    failure.map_or(Ok(Exit::OK), |failure| Err(fault(failure)))
}

fn fault(error: NodeError) -> Fault {
    let fault = Fault::new(Exit::OTHER, error.code(), chain(&error));
    match error.hint() {
        Some(hint) => fault.hint(hint),
        None => fault,
    }
}

/// The message with those of its causes that it does not repeat.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = error.source();
    }
    text
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as key=value, for example node.name=n2")?;
    Ok((key.to_owned(), value.to_owned()))
}
