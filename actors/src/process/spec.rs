//! What to run: the caller's description of one attempt, and the bounds it must keep.

use std::path::PathBuf;

use super::cgroup::Controller;

/// How much of each output is kept when the caller names nothing: 8 KiB.
pub const TAIL_BYTES_DEFAULT: u32 = 8 * 1024;
/// How much of each output can be kept at the most: 64 KiB.
pub const TAIL_BYTES_MAX: u32 = 64 * 1024;
/// Largest standard input of an attempt: 1 MiB.
pub const STDIN_BYTES_MAX: usize = 1024 * 1024;
/// Largest sum of program, arguments, environment and directory: 2 MiB, what Linux accepts by default.
pub const COMMAND_BYTES_MAX: usize = 2 * 1024 * 1024;

/// One attempt to run.
#[derive(Debug, Clone)]
pub struct ProcessSpec {
    /// Who the attempt is; becomes the reserved variables of its environment.
    pub identity: Identity,
    /// Looked up on the attempt's `PATH` unless it holds a slash.
    pub program: String,
    /// Arguments after the program's name.
    pub arguments: Vec<String>,
    /// Variables that the job names. They may replace `PATH`, `HOME` and `LANG`, never the reserved ones.
    pub environment: Vec<(String, String)>,
    /// Where it runs.
    pub directory: WorkingDirectory,
    /// Bytes for standard input, at most [`STDIN_BYTES_MAX`]; empty means `/dev/null`.
    pub stdin: Vec<u8>,
    /// Bytes kept of each of standard output and error, at most [`TAIL_BYTES_MAX`].
    pub tail_bytes_max: u32,
    /// Limits that the kernel enforces.
    pub limits: Limits,
    /// Who it runs as: a name of the machine's `/etc/passwd`, or `uid:gid`. None: as the node itself.
    pub run_as: Option<String>,
}

/// Who an attempt is, as its own program sees it.
#[derive(Debug, Clone)]
pub struct Identity {
    /// `QUORLA_JOB_ID`.
    pub job_id: String,
    /// `QUORLA_ATTEMPT`, counted from 1.
    pub attempt: u32,
    /// `QUORLA_FENCE`; unique among all attempts that this agent ever runs.
    pub fence: u64,
    /// `QUORLA_ARRAY_INDEX`, absent outside arrays.
    pub array_index: Option<u64>,
    /// `QUORLA_DEADLINE`, milliseconds since 1970, absent without a deadline.
    pub deadline_unix_ms: Option<u64>,
    /// `QUORLA_NODE`.
    pub node: String,
}

/// Where an attempt runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkingDirectory {
    /// A new empty directory (mode 0700), removed with everything in it after the attempt.
    Fresh,
    /// An existing directory, an absolute path; never created and never removed.
    Named(PathBuf),
}

/// What an attempt may use at the most; `None` leaves what the node itself has. The first three count all its processes
/// together and are a control group's, the others hold for each process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// CPU time per time, in thousandths of a CPU.
    pub cpu_milli_max: Option<u32>,
    /// Bytes of memory; nothing of it is swapped.
    pub memory_bytes_max: Option<u64>,
    /// Processes and threads.
    pub processes_max: Option<u32>,
    /// Open files, soft and hard; the soft limit starts at [`OPEN_FILES_SOFT`] whatever the node raised its own to.
    pub open_files_max: Option<u64>,
    /// Size of any file it writes.
    pub file_bytes_max: Option<u64>,
    /// Size of a core dump; none is written without it.
    pub core_bytes_max: Option<u64>,
}

impl Limits {
    /// Whether a limit of this kind is demanded.
    #[must_use]
    pub const fn demand(&self, controller: Controller) -> bool {
        match controller {
            Controller::Cpu => self.cpu_milli_max.is_some(),
            Controller::Memory => self.memory_bytes_max.is_some(),
            Controller::Processes => self.processes_max.is_some(),
        }
    }

    /// Whether a control group is needed.
    #[must_use]
    pub const fn demand_a_group(&self) -> bool {
        self.cpu_milli_max.is_some() || self.memory_bytes_max.is_some() || self.processes_max.is_some()
    }
}

/// A user and its group, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Group id; no other group is kept.
    pub gid: u32,
}

/// Soft limit of open files of an attempt: programs that use `select` break above it, others may raise it.
pub const OPEN_FILES_SOFT: u64 = 1024;

impl ProcessSpec {
    /// A spec with everything optional left at its default.
    #[must_use]
    pub fn new(identity: Identity, program: impl Into<String>) -> Self {
        Self {
            identity,
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            directory: WorkingDirectory::Fresh,
            stdin: Vec::new(),
            tail_bytes_max: TAIL_BYTES_DEFAULT,
            limits: Limits::default(),
            run_as: None,
        }
    }
}
