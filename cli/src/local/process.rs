//! One node process: start it, see it ready, hurt it, stop it.

use std::fs::File;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use quorla_client::clock::Stopwatch;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use super::ready::Ready;
use crate::fault::Fault;

const READY_TIMEOUT: Duration = Duration::from_secs(60);
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(5);
const LOG_LINES_TOLD: usize = 12;

/// A node of a local cluster, running or not.
#[derive(Debug)]
pub struct NodeProcess {
    /// Its name.
    pub name: String,
    /// Its data directory.
    pub data_dir: PathBuf,
    /// Its configuration file.
    pub config: PathBuf,
    /// Where its log goes, over all its starts.
    pub log: PathBuf,
    binary: PathBuf,
    environment: Vec<(String, String)>,
    child: Option<Child>,
    ready: Option<Ready>,
}

impl NodeProcess {
    pub(super) fn new(name: &str, directory: &std::path::Path, binary: PathBuf) -> Self {
        Self {
            name: name.to_owned(),
            data_dir: directory.join("data"),
            config: directory.join("cluster.toml"),
            log: directory.join("node.log"),
            binary,
            environment: Vec::new(),
            child: None,
            ready: None,
        }
    }

    /// Variables for the following starts, instead of those given before.
    pub fn environment(&mut self, variables: Vec<(String, String)>) {
        self.environment = variables;
    }

    /// Where it is, once it is ready.
    #[must_use]
    pub fn ready(&self) -> Option<&Ready> {
        self.ready.as_ref()
    }

    /// Its process id while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    /// Starts the process; `found` lets it found the cluster.
    pub(super) fn start(&mut self, found: bool) -> Result<(), Fault> {
        let failed = |error: std::io::Error| Fault::other(format!("start the node {}", self.name), error);
        std::fs::create_dir_all(&self.data_dir).map_err(failed)?;
        Ready::clear(&self.data_dir).map_err(failed)?;
        let log = File::options().create(true).append(true).open(&self.log).map_err(failed)?;
        let mut command = Command::new(&self.binary);
        command.args(["node", "start", "--config"]).arg(&self.config);
        command.args(found.then_some("--found")).args(["--parent", &std::process::id().to_string()]);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("QUORLA")) {
            command.env_remove(name);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(log.try_clone().map_err(failed)?).stderr(log);
        // A process group of its own: Ctrl-C stops the parent, which stops the nodes one by one.
        command.process_group(0).kill_on_drop(true);
        self.child = Some(command.spawn().map_err(failed)?);
        self.ready = None;
        Ok(())
    }

    /// Waits until the node serves.
    ///
    /// # Errors
    /// When it ends instead, or takes longer than a minute; with the end of its log.
    pub async fn wait_ready(&mut self) -> Result<&Ready, Fault> {
        let since = Stopwatch::start();
        loop {
            let ready = Ready::read(&self.data_dir).filter(|ready| Some(ready.pid) == self.pid());
            if let Some(ready) = ready {
                return Ok(self.ready.insert(ready));
            }
            let ended = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            if let Some(status) = ended {
                return Err(self.not_ready(format!("it ended with {status}")));
            }
            if self.child.is_none() || since.elapsed() > READY_TIMEOUT {
                return Err(self.not_ready("it is not ready in time".to_owned()));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Kills it at once, as a power cut would, and reaps it.
    ///
    /// # Errors
    /// When the system refuses.
    pub async fn kill(&mut self) -> Result<(), Fault> {
        if let Some(mut child) = self.child.take() {
            child.kill().await.map_err(|error| Fault::other(format!("kill the node {}", self.name), error))?;
        }
        Ok(())
    }

    /// Stops it as a whole, without ending it (SIGSTOP).
    ///
    /// # Errors
    /// When the system refuses or it does not run.
    pub fn freeze(&self) -> Result<(), Fault> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on (SIGCONT).
    ///
    /// # Errors
    /// When the system refuses or it does not run.
    pub fn thaw(&self) -> Result<(), Fault> {
        self.signal(Signal::CONT)
    }

    /// Asks it to end and waits; after twenty seconds it is killed.
    ///
    /// # Errors
    /// When the system refuses, or when it had to be killed.
    pub async fn stop(&mut self) -> Result<(), Fault> {
        self.stop_by(Signal::TERM).await
    }

    /// As [`NodeProcess::stop`], for a node whose whole cluster stops with it: there is nobody to hand anything to.
    ///
    /// # Errors
    /// As [`NodeProcess::stop`].
    pub async fn stop_with_cluster(&mut self) -> Result<(), Fault> {
        self.stop_by(Signal::QUIT).await
    }

    async fn stop_by(&mut self, signal: Signal) -> Result<(), Fault> {
        if self.pid().is_none() {
            return Ok(());
        }
        self.signal(signal)?;
        let child = self.child.as_mut().expect("a process with an id is a child");
        match tokio::time::timeout(STOP_TIMEOUT, child.wait()).await {
            Ok(_) => {
                self.child = None;
                Ok(())
            }
            Err(_) => {
                self.kill().await?;
                Err(self.not_ready("it did not stop in time and was killed".to_owned()))
            }
        }
    }

    /// Waits until it ends by itself and reaps it: which process it was, and how it ended. Endless while none runs.
    pub(super) async fn ended(&mut self) -> (u32, std::io::Result<ExitStatus>) {
        let (Some(pid), Some(child)) = (self.pid(), self.child.as_mut()) else {
            return std::future::pending().await;
        };
        let ended = child.wait().await;
        self.child = None;
        (pid, ended)
    }

    /// Whether it runs; a process that has ended by itself is reaped.
    pub fn runs(&mut self) -> bool {
        let ended = self.child.as_mut().is_none_or(|child| !matches!(child.try_wait(), Ok(None)));
        if ended {
            self.child = None;
        }
        !ended
    }

    fn signal(&self, signal: Signal) -> Result<(), Fault> {
        let attempted = || format!("send signal {} to the node {}", signal.as_raw(), self.name);
        let pid = self.pid().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| Fault::other(attempted(), "it does not run"))?;
        kill_process(pid, signal).map_err(|error| Fault::other(attempted(), error))
    }

    fn not_ready(&self, reason: String) -> Fault {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(LOG_LINES_TOLD);
        let mut fault = Fault::other(format!("run the node {}", self.name), reason);
        fault.details = lines[from..].iter().map(|line| (*line).to_owned()).collect();
        fault.hint(format!("Read its log: {}", self.log.display()))
    }
}
