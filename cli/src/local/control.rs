//! How a drill reaches the processes of a dev cluster that runs elsewhere on this machine.
//!
//! `quorla dev` writes this file and names it in its profile. Whoever kills a node may send SIGUSR1 to the dev process,
//! which then starts again whatever has ended; so a node is always the child of the same process.

use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use super::ready::Ready;
use crate::fault::Fault;

/// The processes of a dev cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    /// The dev process.
    pub pid: u32,
    /// Its nodes.
    pub nodes: Vec<ControlledNode>,
}

/// One node of a dev cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlledNode {
    /// Its name.
    pub name: String,
    /// Where it tells that it is ready, and with which process.
    pub data_dir: PathBuf,
}

impl Control {
    /// Writes the file.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn write(&self, path: &Path) -> Result<(), Fault> {
        let text = toml::to_string(self).expect("names, paths and numbers are TOML");
        std::fs::write(path, text).map_err(|error| Fault::other(format!("write {}", path.display()), error))
    }

    /// Reads the file.
    ///
    /// # Errors
    /// When it is missing or malformed.
    pub fn read(path: &Path) -> Result<Self, Fault> {
        let attempted = || format!("read {}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| Fault::other(attempted(), error))?;
        toml::from_str(&text).map_err(|error| Fault::other(attempted(), error.message()))
    }

    /// Where a node is now; none while it does not serve.
    #[must_use]
    pub fn ready(&self, name: &str) -> Option<Ready> {
        let node = self.nodes.iter().find(|node| node.name == name)?;
        Ready::read(&node.data_dir).filter(|ready| Path::new("/proc").join(ready.pid.to_string()).exists())
    }

    /// Kills a node at once.
    ///
    /// # Errors
    /// When it does not run or may not be killed.
    pub fn kill(&self, name: &str) -> Result<(), Fault> {
        let pid = self.ready(name).map(|ready| ready.pid);
        send(pid, Signal::KILL, &format!("kill the node {name}"))
    }

    /// Lets the dev process start again what has ended.
    ///
    /// # Errors
    /// When the dev process is gone.
    pub fn restart_ended(&self) -> Result<(), Fault> {
        send(Some(self.pid), Signal::USR1, "ask the dev cluster to start its ended nodes")
    }
}

fn send(pid: Option<u32>, signal: Signal, attempted: &str) -> Result<(), Fault> {
    let pid = pid.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| Fault::other(attempted, "it does not run"))?;
    kill_process(pid, signal).map_err(|error| Fault::other(attempted, error))
}
