//! How an attempt ended, as values: none of these is an error of the node.

use super::wire::{End, Stage};

/// The whole result of one attempt. Times are CLOCK_BOOTTIME milliseconds of this machine.
#[derive(Debug, Clone)]
pub struct ProcessOutcome {
    /// How it ended.
    pub exit: Exit,
    /// The newest bytes of standard output.
    pub stdout: Tail,
    /// The newest bytes of standard error.
    pub stderr: Tail,
    /// Why its output could not be recorded, where it could not.
    pub unrecorded: Option<String>,
    /// What its main process and the descendants it waited for used.
    pub usage: Usage,
    /// When the process was made; `None` when none was.
    pub started_boot_ms: Option<u64>,
    /// When its main process ended; `None` when the warden went first.
    pub ended_boot_ms: Option<u64>,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// The main process returned this code, 0 to 255.
    Exited(i32),
    /// The main process was ended by this signal.
    Signaled(i32),
    /// It never became the job's program.
    SpawnFailed(SpawnFailure),
    /// The warden killed it, or refused to start it, because the node's lease had run out.
    Lapsed,
    /// The kernel killed in its control group because it needed more memory than it may have, and it failed.
    OutOfMemory,
    /// The warden is gone and took the attempt with it; the node must end.
    WardenGone,
}

/// Why a program could not be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpawnFailure {
    /// The class of the reason.
    pub kind: SpawnFailureKind,
    /// What was attempted and why it failed, one line.
    pub message: String,
}

/// The classes of [`SpawnFailure`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpawnFailureKind {
    /// No such program; a shell would say 127.
    NotFound,
    /// There is one, but it cannot be executed; a shell would say 126.
    NotExecutable,
    /// The directory that the job names cannot be entered.
    WorkingDirectory,
    /// The machine lacked something: processes, memory, disk.
    Resources,
    /// A limit could not be put on it.
    Limit,
    /// It could not be given to the user that it is to run as.
    User,
}

impl SpawnFailureKind {
    /// The exit code a shell would give: 127 for a program that is not there, 126 for every other kind.
    #[must_use]
    pub fn shell_code(self) -> i32 {
        if self == Self::NotFound { 127 } else { 126 }
    }
}

/// The end of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tail {
    /// The newest bytes.
    pub bytes: Vec<u8>,
    /// Everything that was written.
    pub total_bytes: u64,
}

impl Tail {
    /// How many older bytes were not kept.
    #[must_use]
    pub fn dropped_bytes(&self) -> u64 {
        self.total_bytes.saturating_sub(self.bytes.len() as u64)
    }
}

/// Resources an attempt used, as the kernel counted them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time in user mode.
    pub user_ms: u64,
    /// CPU time in the kernel.
    pub system_ms: u64,
    /// Largest resident set of any one of its processes, and never less than the warden's own, some megabytes: the kernel
    /// counts the memory that a process began in. With a memory limit, the most that all together had.
    pub max_rss_bytes: u64,
}

/// Translates what the warden saw; `program` and `directory` are for the message.
pub(super) fn exit(end: End, program: &str, directory: &str) -> Exit {
    match end {
        End::Exited(code) => Exit::Exited(code),
        End::Signaled(signal) => Exit::Signaled(signal),
        End::Lapsed => Exit::Lapsed,
        End::OutOfMemory => Exit::OutOfMemory,
        End::Failed { stage, errno } => Exit::SpawnFailed(failure(stage, errno, program, directory)),
    }
}

fn failure(stage: Stage, errno: i32, program: &str, directory: &str) -> SpawnFailure {
    let reason = std::io::Error::from_raw_os_error(errno);
    let missing = errno == libc::ENOENT || errno == libc::ENOTDIR;
    let short = errno == libc::ENOMEM || errno == libc::EAGAIN || errno == libc::ENFILE;
    let (kind, message) = match stage {
        Stage::Program if missing => (SpawnFailureKind::NotFound, format!("start {program}: program not found")),
        Stage::Program if short => (SpawnFailureKind::Resources, format!("start {program}: {reason}")),
        Stage::Program => (SpawnFailureKind::NotExecutable, format!("start {program}: cannot execute: {reason}")),
        Stage::EnterDirectory => {
            (SpawnFailureKind::WorkingDirectory, format!("enter the working directory {directory}: {reason}"))
        }
        Stage::MakeDirectory => {
            (SpawnFailureKind::Resources, format!("make the working directory {directory}: {reason}"))
        }
        Stage::Limit if short => (SpawnFailureKind::Resources, format!("put the limits on {program}: {reason}")),
        Stage::Limit => (SpawnFailureKind::Limit, format!("put the limits on {program}: {reason}")),
        Stage::User => (SpawnFailureKind::User, format!("run {program} as another user: {reason}")),
        Stage::Fork => (SpawnFailureKind::Resources, format!("make a process for {program}: {reason}")),
        Stage::Prepare => (SpawnFailureKind::Resources, format!("prepare the process of {program}: {reason}")),
    };
    SpawnFailure { kind, message }
}
