//! The parts of a job request that say how much, how often and how long.

use serde::{Deserialize, Serialize};

/// What a running attempt occupies on its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Resources {
    /// Thousandths of a CPU. Default: 0, which claims none.
    pub cpu_milli: u32,
    /// Bytes of memory. Default: 0, which claims none.
    pub memory_bytes: u64,
    /// Slots of the node. Default: 1.
    pub slots: u32,
}

impl Default for Resources {
    fn default() -> Self {
        Self { cpu_milli: 0, memory_bytes: 0, slots: 1 }
    }
}

/// What a running attempt may use at the most, kept by the kernel. None: what the node itself has. A job with one of the
/// first three runs only on nodes that can enforce it; those three count all its processes together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Thousandths of a CPU, 10 at least. A job that wants more is slowed down.
    pub cpu_milli: Option<u32>,
    /// Bytes of memory, 1 MiB at least, without any swap. A job that needs more is killed: its outcome is `oom`.
    pub memory_bytes: Option<u64>,
    /// Processes and threads. Another one can't be made.
    pub processes: Option<u32>,
    /// Open files of each process, 4 at least.
    pub open_files: Option<u32>,
    /// Bytes of each file that it writes. Who writes on gets SIGXFSZ.
    pub file_bytes: Option<u64>,
    /// Bytes of a core dump. Default: none is written.
    pub core_bytes: Option<u64>,
}

impl Limits {
    /// How many of them only some nodes can enforce: each is a constraint on the node.
    pub(super) fn constraints(&self) -> usize {
        let of_all_processes = [self.cpu_milli.is_some(), self.memory_bytes.is_some(), self.processes.is_some()];
        of_all_processes.into_iter().filter(|demanded| *demanded).count()
    }
}

/// When a failed attempt is followed by another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetryPolicy {
    /// Attempts that may fail, 1 to 100; those lost with their node do not count. Default: 1.
    pub attempts_max: u32,
    /// The delay between two attempts. Default: exponential from 1 s to 60 s.
    pub backoff: Backoff,
    /// The delay varies at random by up to so many percent of it. Default: 20.
    pub jitter_percent: u8,
    /// Exit codes that are worth another attempt. Default: none named, which means every failure is.
    pub retryable_exit_codes: Vec<u8>,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts_max: 1, backoff: Backoff::default(), jitter_percent: 20, retryable_exit_codes: Vec::new() }
    }
}

/// The delay between two attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Backoff {
    /// Always the same.
    Fixed {
        /// Milliseconds.
        delay_ms: u64,
    },
    /// Doubled after each attempt.
    Exponential {
        /// Milliseconds before the second attempt.
        base_ms: u64,
        /// Milliseconds at most.
        delay_ms_max: u64,
    },
}

impl Default for Backoff {
    fn default() -> Self {
        Self::Exponential { base_ms: 1_000, delay_ms_max: 60_000 }
    }
}

/// How long a job may wait and run, in milliseconds. None: no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// Waiting in the queue, each time that it is queued.
    pub queue_ms: Option<u64>,
    /// Of each attempt, from its assignment.
    pub attempt_ms: Option<u64>,
    /// Of the whole job, from its submit, every attempt and delay included.
    pub job_ms: Option<u64>,
}

/// The first signal that an attempt gets when it is stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum KillSignal {
    /// Ask to end.
    #[default]
    #[serde(rename = "SIGTERM")]
    Term,
    /// As Ctrl-C does.
    #[serde(rename = "SIGINT")]
    Int,
    /// As a closed terminal does.
    #[serde(rename = "SIGHUP")]
    Hup,
    /// As Ctrl-\ does.
    #[serde(rename = "SIGQUIT")]
    Quit,
    /// The program's own meaning.
    #[serde(rename = "SIGUSR1")]
    Usr1,
    /// The program's own meaning.
    #[serde(rename = "SIGUSR2")]
    Usr2,
    /// At once, without grace.
    #[serde(rename = "SIGKILL")]
    Kill,
}

impl KillSignal {
    /// Its name, as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Term => "SIGTERM",
            Self::Int => "SIGINT",
            Self::Hup => "SIGHUP",
            Self::Quit => "SIGQUIT",
            Self::Usr1 => "SIGUSR1",
            Self::Usr2 => "SIGUSR2",
            Self::Kill => "SIGKILL",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::KillSignal;

    #[test]
    fn the_name_of_a_signal_is_its_json() {
        let all = [
            KillSignal::Term,
            KillSignal::Int,
            KillSignal::Hup,
            KillSignal::Quit,
            KillSignal::Usr1,
            KillSignal::Usr2,
            KillSignal::Kill,
        ];
        for signal in all {
            assert_eq!(serde_json::to_string(&signal).unwrap(), format!("\"{}\"", signal.as_str()));
        }
    }
}
