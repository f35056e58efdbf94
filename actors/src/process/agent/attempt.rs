//! One attempt as its executor sees it: started, waited for, killed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::process::Signal;
use tokio::sync::oneshot;

use super::output::{Input, Output};
use super::shared::{Finished, Shared};
use super::{ProcessError, SpecRefusal, directories, validate};
use crate::output::{Recorder, Stream};
use crate::process::environment::environment;
use crate::process::outcome::{self, Exit, ProcessOutcome, Usage};
use crate::process::spec::{ProcessSpec, User, WorkingDirectory};
use crate::process::wire::Spawn;

/// A started attempt. Dropping it before its end kills it by force.
pub struct Attempt {
    program: String,
    directory: PathBuf,
    input: Input,
    stdout: Output,
    stderr: Output,
    recorder: Option<Recorder>,
    finished: oneshot::Receiver<Finished>,
    unfinished: KillOnDrop,
}

impl Attempt {
    pub(super) fn start(
        spec: ProcessSpec,
        user: Option<User>,
        base: &Path,
        shared: &Arc<Shared>,
    ) -> Result<Self, ProcessError> {
        let fence = spec.identity.fence;
        let (fresh, directory) = match spec.directory {
            WorkingDirectory::Fresh => (true, directories::of_attempt(base, fence)),
            WorkingDirectory::Named(path) => (false, path),
        };
        let (input, stdin) = Input::new(spec.stdin).map_err(ProcessError::MakePipes)?;
        let (stdout, stdout_end) = Output::new(spec.tail_bytes_max).map_err(ProcessError::MakePipes)?;
        let (stderr, stderr_end) = Output::new(spec.tail_bytes_max).map_err(ProcessError::MakePipes)?;
        let program = [spec.program.clone()];
        let spawn = Spawn {
            fence,
            directory: std::os::unix::ffi::OsStrExt::as_bytes(directory.as_os_str()).to_vec(),
            fresh,
            arguments: program.into_iter().chain(spec.arguments).map(String::into_bytes).collect(),
            environment: environment(&spec.identity, &spec.environment, &directory),
            limits: spec.limits,
            user,
        };
        let finished = shared.spawn(spawn, [stdin, stdout_end, stderr_end])?;
        let unfinished = KillOnDrop { killer: Killer { fence, shared: Arc::clone(shared) }, armed: true };
        Ok(Self { program: spec.program, directory, input, stdout, stderr, recorder: None, finished, unfinished })
    }

    /// The fence it runs under.
    #[must_use]
    pub fn fence(&self) -> u64 {
        self.unfinished.killer.fence
    }

    /// Records all its output from now on.
    #[must_use]
    pub fn recorded_by(mut self, recorder: Recorder) -> Self {
        self.stdout.record();
        self.stderr.record();
        self.recorder = Some(recorder);
        self
    }

    /// A handle that can kill it while somebody waits for it.
    #[must_use]
    pub fn killer(&self) -> Killer {
        self.unfinished.killer.clone()
    }

    /// Gives what was read to the recorder. Not a branch of a select: what it was given must not be lost.
    async fn record(&mut self) {
        let Some(recorder) = &mut self.recorder else { return };
        recorder.push(Stream::Stdout, self.stdout.unrecorded()).await;
        recorder.push(Stream::Stderr, self.stderr.unrecorded()).await;
    }

    /// Feeds its standard input, keeps the tails of its outputs, and resolves when nothing of it is left. When the
    /// future is dropped before, the attempt is killed by force.
    pub async fn wait(mut self) -> ProcessOutcome {
        let finished = loop {
            tokio::select! {
                finished = &mut self.finished => break finished.ok(),
                () = self.stdout.collect() => {}
                () = self.stderr.collect() => {}
                () = self.input.feed() => {}
            }
            self.record().await;
        };
        self.unfinished.armed = false;
        if finished.as_ref().is_some_and(|finished| finished.ended.directory_left) {
            let path = self.directory.clone();
            let _ = tokio::task::spawn_blocking(move || directories::remove(&path)).await;
        }
        self.stdout.finish();
        self.stderr.finish();
        self.record().await;
        let unrecorded = match self.recorder.take() {
            Some(recorder) => recorder.finish().await.err(),
            None => None,
        };
        let directory = self.directory.to_string_lossy();
        ProcessOutcome {
            exit: finished
                .as_ref()
                .map_or(Exit::WardenGone, |finished| outcome::exit(finished.ended.end, &self.program, &directory)),
            stdout: self.stdout.into_tail(),
            stderr: self.stderr.into_tail(),
            unrecorded,
            usage: finished.as_ref().map_or(Usage::default(), |finished| finished.ended.usage),
            started_boot_ms: finished.as_ref().and_then(|finished| finished.started_boot_ms),
            ended_boot_ms: finished.map(|finished| finished.ended.boot_ms),
        }
    }
}

/// Kills one attempt; outlives it harmlessly.
#[derive(Debug, Clone)]
pub struct Killer {
    fence: u64,
    shared: Arc<Shared>,
}

impl Killer {
    /// As [`ProcessAgent::kill`](super::ProcessAgent::kill).
    ///
    /// # Errors
    /// When the system knows no such signal.
    pub fn kill(&self, signal: i32, grace_ms: u64) -> Result<(), SpecRefusal> {
        self.shared.kill(self.fence, validate::signal(signal)?, grace_ms);
        Ok(())
    }

    /// Whether something of it may be alive or is yet to be started: until the warden said that it has ended, or is gone.
    #[must_use]
    pub fn is_out(&self) -> bool {
        self.shared.has(self.fence)
    }

    /// Its main process, group and session, once the warden has made it and until it has ended.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.shared.pid(self.fence)
    }
}

struct KillOnDrop {
    killer: Killer,
    armed: bool,
}

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        if self.armed {
            self.killer.shared.kill(self.killer.fence, Signal::KILL.as_raw(), 0);
        }
    }
}
