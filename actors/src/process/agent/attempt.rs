//! One attempt as its executor sees it: started, waited for, killed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

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
    printed: Printed,
    finished: oneshot::Receiver<Finished>,
    unfinished: KillOnDrop,
    settle_max: Duration,
}

/// What it prints, and where that goes.
struct Printed {
    stdout: Output,
    stderr: Output,
    recorder: Option<Recorder>,
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
        let printed = Printed { stdout, stderr, recorder: None };
        let settle_max = shared.settle_max;
        Ok(Self { program: spec.program, directory, input, printed, finished, unfinished, settle_max })
    }

    /// The fence it runs under.
    #[must_use]
    pub fn fence(&self) -> u64 {
        self.unfinished.killer.fence
    }

    /// Records all its output from now on.
    #[must_use]
    pub fn recorded_by(mut self, recorder: Recorder) -> Self {
        self.printed.stdout.record();
        self.printed.stderr.record();
        self.printed.recorder = Some(recorder);
        self
    }

    /// A handle that can kill it while somebody waits for it.
    #[must_use]
    pub fn killer(&self) -> Killer {
        self.unfinished.killer.clone()
    }

    /// Feeds its standard input, keeps the tails of its outputs, and resolves when nothing of it is left. When the
    /// future is dropped before, the attempt is killed by force. A disk that hangs delays the end by
    /// [`settle_max`](super::Settings::settle_max) and no more; what it did not take is said not to be recorded.
    pub async fn wait(mut self) -> ProcessOutcome {
        let (finished, unrecorded) = self.run_out().await;
        self.unfinished.armed = false;
        if finished.as_ref().is_some_and(|finished| finished.ended.directory_left) {
            let path = self.directory.clone();
            let removing = tokio::task::spawn_blocking(move || directories::remove(&path));
            if tokio::time::timeout(self.settle_max, removing).await.is_err() {
                tracing::warn!(directory = %self.directory.display(), "a working directory is still being removed");
            }
        }
        let directory = self.directory.to_string_lossy();
        ProcessOutcome {
            exit: finished
                .as_ref()
                .map_or(Exit::WardenGone, |finished| outcome::exit(finished.ended.end, &self.program, &directory)),
            stdout: self.printed.stdout.into_tail(),
            stderr: self.printed.stderr.into_tail(),
            unrecorded,
            usage: finished.as_ref().map_or(Usage::default(), |finished| finished.ended.usage),
            started_boot_ms: finished.as_ref().and_then(|finished| finished.started_boot_ms),
            ended_boot_ms: finished.map(|finished| finished.ended.boot_ms),
        }
    }

    /// Runs it to its end; says why its output could not be recorded, if so.
    async fn run_out(&mut self) -> (Option<Finished>, Option<String>) {
        let Self { input, printed, finished, settle_max, .. } = self;
        loop {
            let ended = tokio::select! {
                ended = &mut *finished => Some(ended.ok()),
                () = printed.collect() => None,
                () = input.feed() => None,
            };
            let ended = match ended {
                Some(ended) => Some((ended, Ok(()))),
                None => printed.record_until(&mut *finished, *settle_max).await,
            };
            let Some((ended, recorded)) = ended else { continue };
            printed.take_rest();
            let written = match recorded {
                Ok(()) => settled(printed.finish(), *settle_max).await,
                unsettled => unsettled,
            };
            return (ended, written.err());
        }
    }
}

/// Waits for the disk, but not for ever.
async fn settled(written: impl Future<Output = Result<(), String>>, settle_max: Duration) -> Result<(), String> {
    let late = |_| Err(format!("write its output: the disk did not take it within {settle_max:?}"));
    tokio::time::timeout(settle_max, written).await.unwrap_or_else(late)
}

impl Printed {
    async fn collect(&mut self) {
        tokio::select! {
            () = self.stdout.collect() => {}
            () = self.stderr.collect() => {}
        }
    }

    /// Gives what was read to the recorder.
    async fn record(&mut self) -> Result<(), String> {
        let Some(recorder) = &mut self.recorder else { return Ok(()) };
        recorder.push(Stream::Stdout, self.stdout.unrecorded()).await;
        recorder.push(Stream::Stderr, self.stderr.unrecorded()).await;
        Ok(())
    }

    /// The same; when the attempt ends meanwhile, gives how, and whether the disk took the output soon enough. The
    /// recording is cut short by nothing else: what the recorder was given must not be lost.
    async fn record_until(
        &mut self,
        finished: &mut oneshot::Receiver<Finished>,
        settle_max: Duration,
    ) -> Option<(Option<Finished>, Result<(), String>)> {
        let recording = self.record();
        tokio::pin!(recording);
        tokio::select! {
            biased;
            _ = &mut recording => None,
            ended = finished => Some((ended.ok(), settled(recording, settle_max).await)),
        }
    }

    /// Takes what is in the pipes, and closes them.
    fn take_rest(&mut self) {
        self.stdout.finish();
        self.stderr.finish();
    }

    /// Records what is left, and waits until all is written.
    async fn finish(&mut self) -> Result<(), String> {
        self.record().await?;
        match self.recorder.take() {
            Some(recorder) => recorder.finish().await,
            None => Ok(()),
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
