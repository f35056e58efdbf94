//! The node's side: starts the warden, runs attempts through it, and knows when it is gone.
//!
//! Everything here needs a running tokio runtime. The warden's end is fatal for the node (R17): await
//! [`ProcessAgent::gone`] and stop. The node becomes a subreaper too, so that what a killed warden leaves behind
//! comes to the node, which kills it before `gone` resolves. For that, the node process may have no children in
//! other sessions than its own.

mod abilities;
mod aftermath;
mod attempt;
mod directories;
mod link;
mod output;
mod shared;
mod validate;

use std::ffi::OsString;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType};
use thiserror::Error;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::cgroup::CgroupSettings;
use super::spec::ProcessSpec;
use super::sys::SLOTS_MAX;
use super::users::Users;
pub use abilities::Abilities;
pub use attempt::{Attempt, Killer};
use shared::Shared;
pub use validate::SpecRefusal;

/// How to start the warden: a program that calls [`warden::main`](super::warden::main).
#[derive(Debug, Clone)]
pub struct WardenCommand {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Its whole environment; the node's own does not pass.
    pub environment: Vec<(OsString, OsString)>,
}

impl WardenCommand {
    /// The running program itself, as `quorla warden`.
    #[must_use]
    pub fn this_program() -> Self {
        Self { program: "/proc/self/exe".into(), arguments: vec!["warden".into()], environment: Vec::new() }
    }
}

/// The agent's own settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where fresh working directories are made; belongs to this agent alone, which empties it when it starts.
    pub directories: PathBuf,
    /// Attempts at one time; at most 65,536. Each takes two or three open files in the node.
    pub attempts_max: u32,
    /// Where control groups are made; the place belongs to this agent alone too.
    pub cgroups: CgroupSettings,
    /// Whom attempts may name to run as.
    pub users: Users,
    /// How long an attempt whose processes have ended waits for the disk, [`SETTLE_MAX`] but in tests.
    pub settle_max: Duration,
}

/// How long an attempt that has ended waits until its output is written: longer than a busy disk takes for all that may
/// wait for it, and no longer, for its place is taken so long.
pub const SETTLE_MAX: Duration = Duration::from_secs(30);

/// What can go wrong with the agent itself.
#[derive(Debug, Error)]
pub enum ProcessError {
    /// The warden did not start.
    #[error("start the warden {program}: {source}")]
    StartWarden {
        /// What was to be run.
        program: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The program that was started is no warden.
    #[error("start the warden {program}: it did not answer as a warden")]
    NotAWarden {
        /// What was run.
        program: PathBuf,
    },
    /// The warden has ended: nothing can be run any more, and the node must end.
    #[error("run a process: the warden is gone")]
    WardenIsGone,
    /// The directory of fresh working directories cannot be used.
    #[error("prepare {path} for working directories: {source}")]
    PrepareDirectories {
        /// Which one.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// No pipes could be made: usually too many open files.
    #[error("make the pipes of a process: {0}")]
    MakePipes(#[source] io::Error),
    /// The caller asked for what cannot be run.
    #[error(transparent)]
    Refused(#[from] SpecRefusal),
}

/// Runs processes through one warden. Dropping it ends the warden, which kills everything.
#[derive(Debug)]
pub struct ProcessAgent {
    shared: Arc<Shared>,
    abilities: Arc<Abilities>,
    directories: PathBuf,
    gone: watch::Receiver<bool>,
    warden_pid: u32,
    stop: Option<oneshot::Sender<()>>,
    tending: JoinHandle<()>,
}

impl ProcessAgent {
    /// Starts the warden and waits until it serves.
    ///
    /// # Errors
    /// When the base directory cannot be emptied, or the warden does not start.
    pub async fn start(command: WardenCommand, settings: Settings) -> Result<Self, ProcessError> {
        let directories = directories::prepare(&settings.directories)?;
        // Before the warden is there: it is to be in the cgroup that the node ends up in.
        let abilities = Arc::new(Abilities::find(&settings.cgroups, &settings.users));
        aftermath::clear_leftovers(&settings.cgroups, &abilities.cgroups).await;
        let failed = |source| ProcessError::StartWarden { program: command.program.clone(), source };
        let (child, socket) = start_warden(&command).map_err(failed)?;
        let warden_pid = child.id().ok_or(ProcessError::WardenIsGone)?;
        let attempts_max = settings.attempts_max.min(SLOTS_MAX);
        let shared = Arc::new(Shared::new(attempts_max, settings.settle_max, abilities.cgroups.clone()));
        let (say_gone, gone) = watch::channel(false);
        let (stop, stopped) = oneshot::channel();
        let mut link = link::Link::new(socket, Arc::clone(&shared), directories.clone());
        if !link.await_ready().await {
            return Err(ProcessError::NotAWarden { program: command.program });
        }
        let left = Arc::clone(&abilities);
        let tending = tokio::spawn(async move {
            link.serve(stopped).await;
            end_warden(child, link).await;
            aftermath::clear_groups(&left.cgroups).await;
            left.cgroups.leave();
            let _ = say_gone.send(true);
        });
        Ok(Self { shared, abilities, directories, gone, warden_pid, stop: Some(stop), tending })
    }

    /// Hands an attempt to the warden. The returned handle must be [waited](Attempt::wait) for: its output is only
    /// read there, and dropping it kills the attempt.
    ///
    /// # Errors
    /// A refusal when the spec breaks a bound, demands what can't be enforced here, or its fence is in use; an error when there are no more files, or the
    /// warden is gone.
    pub fn run(&self, spec: ProcessSpec) -> Result<Attempt, ProcessError> {
        validate::check(&spec)?;
        let user = self.abilities.check(&spec)?;
        Attempt::start(spec, user, &self.directories, &self.shared)
    }

    /// What it can enforce.
    #[must_use]
    pub fn abilities(&self) -> &Abilities {
        &self.abilities
    }

    /// Sends `signal` to the attempt's whole group now, and SIGKILL when it still runs after the grace. An unknown
    /// or ended attempt is left alone; a later call can only make the grace shorter.
    ///
    /// # Errors
    /// When the system knows no such signal.
    pub fn kill(&self, fence: u64, signal: i32, grace_ms: u64) -> Result<(), SpecRefusal> {
        self.shared.kill(fence, validate::signal(signal)?, grace_ms);
        Ok(())
    }

    /// Tells the warden when to kill everything: CLOCK_BOOTTIME milliseconds, 0 for never. From a passed deadline
    /// on until the next call attempts end as `Lapsed`, new ones included.
    pub fn set_lease_deadline(&self, boot_ms: u64) {
        self.shared.set_lease_deadline(boot_ms);
    }

    /// Resolves when the warden has ended and what it left behind is killed. The node must then end.
    pub fn gone(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut gone = self.gone.clone();
        async move {
            let _ = gone.wait_for(|gone| *gone).await; // An error means that the agent itself is gone.
        }
    }

    /// Attempts that are not reported as ended.
    #[must_use]
    pub fn running(&self) -> usize {
        self.shared.running()
    }

    /// The warden's process id, for the node's account of its memory.
    #[must_use]
    pub fn warden_pid(&self) -> u32 {
        self.warden_pid
    }

    /// Ends the warden, which kills whatever still runs, and waits until it has.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        let _ = (&mut self.tending).await;
    }
}

impl Drop for ProcessAgent {
    fn drop(&mut self) {
        self.tending.abort(); // Closes the socket, which is how a warden is told to leave.
    }
}

fn start_warden(command: &WardenCommand) -> io::Result<(Child, UnixStream)> {
    let flags = SocketFlags::CLOEXEC;
    let (ours, theirs) = rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    let ours = std::os::unix::net::UnixStream::from(ours);
    ours.set_nonblocking(true)?;
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let child = Command::new(&command.program)
        .arg0("quorla")
        .args(&command.arguments)
        .env_clear()
        .envs(command.environment.iter().cloned())
        .stdin(Stdio::from(theirs))
        .stdout(Stdio::null())
        .process_group(0) // A terminal's Ctrl-C is for the node to act on.
        .spawn()?;
    Ok((child, UnixStream::from_std(ours)?))
}

/// Closes the socket, waits for the warden to have killed everything, and kills what it left if it died instead.
async fn end_warden(mut child: Child, link: link::Link) {
    drop(link);
    match child.wait().await {
        Ok(status) if status.success() => {}
        Ok(status) => tracing::error!(%status, "the warden is gone"),
        Err(error) => tracing::error!(%error, "wait for the warden"),
    }
    aftermath::kill_adopted().await;
}
