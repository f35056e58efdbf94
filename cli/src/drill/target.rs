//! The cluster that a drill hurts: one of its own, or the running dev cluster.

use std::time::Duration;

use quorla_client::clock::Stopwatch;
use quorla_client::{Options, Profile, profile::DEV_PROFILE};

use crate::fault::Fault;
use crate::local::{Cluster, Control, runs};

const RESTART_TIMEOUT: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);

pub(crate) enum Target {
    /// Started by this process.
    Own(Box<Cluster>),
    /// Started by `quorla dev`.
    Dev(Box<DevTarget>),
}

pub(crate) struct DevTarget {
    control: Control,
    options: Options,
    /// The process that was killed last; what it told of itself stays until its successor starts.
    killed: Option<u32>,
}

impl Target {
    /// The dev cluster that a profile names.
    pub(super) fn dev(name: &str, profile: &Profile) -> Result<Self, Fault> {
        let Some(path) = &profile.control else {
            let message =
                format!("kill the leader: the profile {name} is not of a dev cluster, whose nodes may be killed");
            return Err(Fault::usage(message).hint(format!("Use --profile {DEV_PROFILE}, or: quorla demo")));
        };
        let control = Control::read(path)?;
        Ok(Self::Dev(Box::new(DevTarget { control, options: Options::from(profile), killed: None })))
    }

    pub(super) fn names(&self) -> Vec<String> {
        match self {
            Self::Own(cluster) => cluster.nodes().iter().map(|node| node.name.clone()).collect(),
            Self::Dev(dev) => dev.control.nodes.iter().map(|node| node.name.clone()).collect(),
        }
    }

    pub(super) fn options(&self) -> Options {
        match self {
            Self::Own(cluster) => cluster.options(),
            Self::Dev(dev) => dev.options.clone(),
        }
    }

    /// Where one node is.
    pub(super) fn address(&self, name: &str) -> Option<String> {
        match self {
            Self::Own(cluster) => {
                let position = cluster.position(name)?;
                cluster.nodes()[position].ready().map(|ready| ready.quic.clone())
            }
            Self::Dev(dev) => dev.control.ready(name).map(|ready| ready.quic),
        }
    }

    pub(super) async fn kill(&mut self, name: &str) -> Result<(), Fault> {
        match self {
            Self::Own(cluster) => {
                let position = position(cluster, name)?;
                cluster.node(position).kill().await
            }
            Self::Dev(dev) => {
                dev.killed = Some(dev.control.kill(name)?);
                Ok(())
            }
        }
    }

    /// Starts a killed node again and waits until it serves.
    pub(super) async fn restart(&mut self, name: &str) -> Result<(), Fault> {
        match self {
            Self::Own(cluster) => {
                let position = position(cluster, name)?;
                cluster.restart(position).await
            }
            Self::Dev(dev) => dev.restart(name).await,
        }
    }

    /// Stops what was started for the drill.
    pub(crate) async fn stop(self) -> Result<(), Fault> {
        match self {
            Self::Own(cluster) => cluster.stop().await,
            Self::Dev(_) => Ok(()),
        }
    }
}

impl DevTarget {
    async fn restart(&self, name: &str) -> Result<(), Fault> {
        // The dev process starts what has ended; a process that is still ending would be left as it is.
        until(name, || !self.killed.is_some_and(runs)).await?;
        self.control.restart_ended()?;
        until(name, || self.control.ready(name).is_some_and(|ready| Some(ready.pid) != self.killed)).await
    }
}

async fn until(name: &str, holds: impl Fn() -> bool) -> Result<(), Fault> {
    let since = Stopwatch::start();
    while !holds() {
        if since.elapsed() > RESTART_TIMEOUT {
            return Err(Fault::other(format!("start {name} again"), "it is not ready in time"));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

fn position(cluster: &Cluster, name: &str) -> Result<usize, Fault> {
    cluster.position(name).ok_or_else(|| Fault::other(format!("find the node {name}"), "it is not of this cluster"))
}
