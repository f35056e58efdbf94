//! Attempts as processes of the operating system, through the node's warden.
//!
//! Translates between the ledger's words and the process agent's; decides nothing.

use std::{path::PathBuf, sync::Arc};

use futures::{FutureExt, future::BoxFuture};
use quorla_ledger::{
    outcome::{AttemptEnd, Exit, StartFailure, Tail, Tails, Usage},
    spec::{self, Kill},
    units::{Bytes, Millis},
};

use super::{Attempt, Killer, Kind};
use crate::{
    holdings::KillHow,
    messages::Start,
    output::OutputStore,
    process::{
        agent::{self, ProcessAgent, ProcessError, SpecRefusal},
        outcome::{self, ProcessOutcome, SpawnFailureKind},
        spec::{Identity, Limits, ProcessSpec, TAIL_BYTES_MAX, WorkingDirectory},
    },
};

const FORCE: i32 = libc::SIGKILL;

/// The `process` kind.
#[derive(Debug)]
pub struct Processes {
    agent: Arc<ProcessAgent>,
    output: Arc<OutputStore>,
}

impl Processes {
    /// Runs attempts through this agent, and keeps their output there.
    pub const fn new(agent: Arc<ProcessAgent>, output: Arc<OutputStore>) -> Self {
        Self { agent, output }
    }
}

impl Kind for Processes {
    fn start(&self, start: &Start, node: &str) -> Box<dyn Attempt> {
        match self.agent.run(spec(start, node)) {
            Ok(attempt) => {
                let recorder = self.output.begin(start.order.job, start.order.fence);
                let unwritten = recorder.failed().boxed();
                Box::new(Process { attempt: attempt.recorded_by(recorder), kill: start.work.kill, unwritten })
            }
            Err(error) => Box::new(NeverStarted { end: not_started(&error) }),
        }
    }

    fn lease_until(&self, boot_time: Millis) {
        self.agent.set_lease_deadline(boot_time.0);
    }

    fn running(&self) -> usize {
        self.agent.running()
    }

    fn gone(&self) -> BoxFuture<'static, ()> {
        self.agent.gone().boxed()
    }
}

struct Process {
    attempt: agent::Attempt,
    kill: Kill,
    /// Resolves when its output can't be written any more.
    unwritten: BoxFuture<'static, String>,
}

impl Attempt for Process {
    fn killer(&self) -> Box<dyn Killer> {
        Box::new(ProcessKiller { killer: self.attempt.killer(), kill: self.kill })
    }

    fn wait(self: Box<Self>) -> BoxFuture<'static, (AttemptEnd, Tails)> {
        let killer = ProcessKiller { killer: self.attempt.killer(), kill: self.kill };
        let Self { attempt, unwritten, .. } = *self;
        async move {
            let waiting = attempt.wait();
            tokio::pin!(waiting);
            tokio::select! {
                outcome = &mut waiting => ended(outcome),
                // R22: it ends the attempt, never the node.
                _ = unwritten => {
                    killer.kill(KillHow::WithGrace);
                    ended(waiting.await)
                }
            }
        }
        .boxed()
    }
}

struct ProcessKiller {
    killer: agent::Killer,
    kill: Kill,
}

impl Killer for ProcessKiller {
    fn kill(&self, how: KillHow) {
        let (signal, grace) = match how {
            KillHow::WithGrace => (i32::from(self.kill.signal), self.kill.grace),
            KillHow::Now => (FORCE, Millis(0)),
        };
        if self.killer.kill(signal, grace.0).is_err() {
            self.killer.kill(FORCE, grace.0).expect("every system knows SIGKILL");
        }
    }

    fn is_alive(&self) -> bool {
        self.killer.is_out()
    }
}

struct NeverStarted {
    end: AttemptEnd,
}

impl Attempt for NeverStarted {
    fn killer(&self) -> Box<dyn Killer> {
        Box::new(NothingToKill)
    }

    fn wait(self: Box<Self>) -> BoxFuture<'static, (AttemptEnd, Tails)> {
        std::future::ready((self.end, Tails::default())).boxed()
    }
}

struct NothingToKill;

impl Killer for NothingToKill {
    fn kill(&self, _: KillHow) {}

    fn is_alive(&self) -> bool {
        false
    }
}

fn spec(start: &Start, node: &str) -> ProcessSpec {
    let (order, work) = (&start.order, &start.work);
    let (program, arguments) = work.command.split_first().expect("the ledger refuses an empty command");
    ProcessSpec {
        identity: Identity {
            job_id: order.job.to_string(),
            attempt: start.number,
            fence: order.fence.0,
            array_index: work.array_index.map(u64::from),
            deadline_unix_ms: start.deadline.map(|deadline| deadline.0),
            node: node.to_owned(),
        },
        program: program.clone(),
        arguments: arguments.to_vec(),
        environment: work.env.clone().into_iter().collect(),
        directory: work
            .working_dir
            .as_ref()
            .map_or(WorkingDirectory::Fresh, |path| WorkingDirectory::Named(PathBuf::from(path))),
        stdin: work.stdin.clone(),
        tail_bytes_max: u32::try_from(work.output_tail_max.0).map_or(TAIL_BYTES_MAX, |max| max.min(TAIL_BYTES_MAX)),
        limits: limits(&work.limits),
        run_as: work.run_as.clone(),
    }
}

fn limits(limits: &spec::Limits) -> Limits {
    Limits {
        cpu_milli_max: limits.cpu.map(|cpu| u32::try_from(cpu.0).unwrap_or(u32::MAX)),
        memory_bytes_max: limits.memory.map(|bytes| bytes.0),
        processes_max: limits.processes,
        open_files_max: limits.open_files.map(u64::from),
        file_bytes_max: limits.file.map(|bytes| bytes.0),
        core_bytes_max: limits.core.map(|bytes| bytes.0),
    }
}

/// What could not even be handed to the warden. A machine short of something is no verdict on the job.
fn not_started(error: &ProcessError) -> AttemptEnd {
    let exit = match error {
        ProcessError::Refused(refusal) => {
            let cause = match refusal {
                SpecRefusal::LimitIsUnsupported { .. } => StartFailure::Limit,
                SpecRefusal::UserCannotBeChanged { .. }
                | SpecRefusal::UserIsUnknown(_)
                | SpecRefusal::UserIsNotAllowed(_) => StartFailure::User,
                _ => StartFailure::Machine,
            };
            Exit::NotStarted { cause, message: error.to_string() }
        }
        _ => Exit::GivenUp,
    };
    AttemptEnd { exit, usage: Usage::default() }
}

fn ended(outcome: ProcessOutcome) -> (AttemptEnd, Tails) {
    let wall = outcome.ended_boot_ms.zip(outcome.started_boot_ms).map(|(end, start)| Millis(end).since(Millis(start)));
    let usage = Usage {
        wall: wall.unwrap_or_default(),
        user: Millis(outcome.usage.user_ms),
        system: Millis(outcome.usage.system_ms),
        rss_max: Bytes(outcome.usage.max_rss_bytes),
    };
    let tails = Tails { stdout: tail(outcome.stdout), stderr: tail(outcome.stderr) };
    let exit = match (exit(outcome.exit), outcome.unrecorded) {
        (Exit::GivenUp, _) => Exit::GivenUp,
        (_, Some(message)) => Exit::OutputFailed { message },
        (exit, None) => exit,
    };
    (AttemptEnd { exit, usage }, tails)
}

fn exit(exit: outcome::Exit) -> Exit {
    let byte = |number: i32| u8::try_from(number).unwrap_or(u8::MAX);
    match exit {
        outcome::Exit::Exited(code) => Exit::Code(byte(code)),
        outcome::Exit::Signaled(signal) => Exit::Signal(byte(signal)),
        outcome::Exit::SpawnFailed(failure) => {
            let cause = match failure.kind {
                SpawnFailureKind::NotFound => StartFailure::NotFound,
                SpawnFailureKind::NotExecutable => StartFailure::NotExecutable,
                SpawnFailureKind::WorkingDirectory => StartFailure::WorkingDir,
                SpawnFailureKind::Resources => StartFailure::Machine,
                SpawnFailureKind::Limit => StartFailure::Limit,
                SpawnFailureKind::User => StartFailure::User,
            };
            Exit::NotStarted { cause, message: failure.message }
        }
        outcome::Exit::OutOfMemory => Exit::OutOfMemory,
        outcome::Exit::Lapsed | outcome::Exit::WardenGone => Exit::GivenUp,
    }
}

fn tail(tail: outcome::Tail) -> Tail {
    let dropped = Bytes(tail.dropped_bytes());
    Tail { bytes: tail.bytes, dropped }
}
