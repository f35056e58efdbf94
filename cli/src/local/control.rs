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
        Ready::read(&node.data_dir).filter(|ready| runs(ready.pid))
    }

    /// Kills a node at once, and gives the process that is ending.
    ///
    /// # Errors
    /// When it does not run or may not be killed.
    pub fn kill(&self, name: &str) -> Result<u32, Fault> {
        let attempted = format!("kill the node {name}");
        let pid = self.ready(name).map(|ready| ready.pid).ok_or_else(|| Fault::other(&attempted, "it does not run"))?;
        send(pid, Signal::KILL, &attempted).map(|()| pid)
    }

    /// Lets the dev process start again what has ended.
    ///
    /// # Errors
    /// When the dev process is gone.
    pub fn restart_ended(&self) -> Result<(), Fault> {
        send(self.pid, Signal::USR1, "ask the dev cluster to start its ended nodes")
    }
}

/// Whether a process runs; one that has ended and was not reaped does not.
pub(crate) fn runs(pid: u32) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).unwrap_or_default();
    // The state follows the program's name, which is in parentheses and may hold some itself.
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

fn send(pid: u32, signal: Signal, attempted: &str) -> Result<(), Fault> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| Fault::other(attempted, "it does not run"))?;
    kill_process(pid, signal).map_err(|error| Fault::other(attempted, error))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

    use super::{Control, ControlledNode, Ready};

    #[test]
    fn a_process_that_has_ended_is_not_ready_though_nobody_reaped_it() {
        let directory = tempfile::tempdir().unwrap();
        let data_dir = directory.path().to_path_buf();
        let control = Control { pid: 1, nodes: vec![ControlledNode { name: "n1".into(), data_dir: data_dir.clone() }] };
        let ready = |pid| Ready { name: "n1".into(), pid, quic: "127.0.0.1:1".into(), http: "127.0.0.1:2".into() };
        ready(std::process::id()).write(&data_dir).unwrap();
        assert!(control.ready("n1").is_some());

        let mut child = Command::new("true").spawn().unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).unwrap();
        ready(child.id()).write(&data_dir).unwrap();
        assert_eq!(control.ready("n1"), None);
        child.wait().unwrap();
    }
}
