//! The flags that describe a job, shared by `run` and `submit`.

use clap::{Args, ValueEnum};
use quorla_client::{Backoff, Constraint, JobRequest, KillSignal};

use super::duration::{bytes, cpu_milli, pair, span_ms};
use super::limits::LimitFlags;
use crate::fault::Fault;

/// What the job is.
#[derive(Debug, Args)]
#[command(next_help_heading = "Job")]
pub(crate) struct RequestFlags {
    /// A name for people [default: the program's]
    #[arg(short, long)]
    name: Option<String>,
    /// The queue it waits in
    #[arg(short, long, default_value = "default")]
    queue: String,
    /// 0 (last) to 100 (first)
    #[arg(short, long, default_value_t = 50, value_parser = clap::value_parser!(u8).range(0..=100))]
    priority: u8,
    /// Set a variable in its environment; repeatable
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = pair)]
    env: Vec<(String, String)>,
    /// An existing directory on the node [default: a fresh one]
    #[arg(short = 'C', long, value_name = "PATH")]
    working_directory: Option<String>,
    /// CPUs that it occupies: 2, 0.5, 250m
    #[arg(long, value_parser = cpu_milli)]
    cpu: Option<u32>,
    /// Memory that it occupies: 512MiB
    #[arg(long, value_parser = bytes, value_name = "SIZE")]
    memory: Option<u64>,
    /// Slots that it occupies
    #[arg(long)]
    slots: Option<u32>,
    /// Which nodes may run it: zone=a, zone!=a, 'zone in (a, b)', 'gpu exists'; repeatable
    #[arg(long, value_name = "CONDITION")]
    constraint: Vec<Constraint>,
    /// A label of your own; repeatable
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = pair)]
    label: Vec<(String, String)>,
    #[command(flatten)]
    limits: LimitFlags,
    #[command(flatten)]
    patience: PatienceFlags,
    /// The same key and job again is the same job
    #[arg(long, value_name = "KEY", value_parser = key())]
    pub(crate) idempotency_key: Option<String>,
}

/// How often, how long and when.
#[derive(Debug, Args)]
#[command(next_help_heading = "Patience")]
struct PatienceFlags {
    /// Attempts in all
    #[arg(long, default_value_t = 1, value_name = "N")]
    attempts: u32,
    /// The first delay between two attempts
    #[arg(long, value_parser = span_ms, default_value = "1s", value_name = "SPAN")]
    backoff: u64,
    /// The longest delay; the same as --backoff makes it fixed
    #[arg(long, value_parser = span_ms, default_value = "1m", value_name = "SPAN")]
    backoff_max: u64,
    /// Only this exit code is worth another attempt; repeatable [default: every failure is]
    #[arg(long, value_name = "CODE")]
    retry_on: Vec<u8>,
    /// The longest time of one attempt: 90s, 10m
    #[arg(long, value_parser = span_ms, value_name = "SPAN")]
    attempt_timeout: Option<u64>,
    /// The longest time in the queue
    #[arg(long, value_parser = span_ms, value_name = "SPAN")]
    queue_timeout: Option<u64>,
    /// The longest time of the whole job
    #[arg(long, value_parser = span_ms, value_name = "SPAN")]
    job_timeout: Option<u64>,
    /// Not before so much time has passed
    #[arg(long, value_parser = span_ms, value_name = "SPAN")]
    delay: Option<u64>,
    /// The first signal when it is stopped
    #[arg(long, value_enum, default_value_t = SignalName::Term, value_name = "SIGNAL")]
    kill_signal: SignalName,
    /// The time between that signal and SIGKILL
    #[arg(long, value_parser = span_ms, default_value = "10s", value_name = "SPAN")]
    kill_grace: u64,
    /// Bytes kept of the end of each output stream
    #[arg(long, value_parser = bytes, default_value = "8KiB", value_name = "SIZE")]
    output_tail: u64,
}

/// Signals by their short names.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum SignalName {
    Term,
    Int,
    Hup,
    Quit,
    Usr1,
    Usr2,
    Kill,
}

/// Reads an idempotency key. An empty one is refused: an unset variable would make one request of all.
pub(crate) fn key() -> clap::builder::NonEmptyStringValueParser {
    clap::builder::NonEmptyStringValueParser::new()
}

impl RequestFlags {
    /// The job with this command; `now_ms` is the server's time.
    pub(crate) fn request(self, command: Vec<String>, now_ms: u64) -> Result<JobRequest, Fault> {
        let patience = self.patience;
        let mut job = JobRequest::new(command);
        job.name = self.name;
        job.queue = self.queue;
        job.priority = self.priority;
        job.env = self.env.into_iter().collect();
        job.working_directory = self.working_directory;
        job.resources.cpu_milli = self.cpu.unwrap_or(job.resources.cpu_milli);
        job.resources.memory_bytes = self.memory.unwrap_or(job.resources.memory_bytes);
        job.resources.slots = self.slots.unwrap_or(job.resources.slots);
        job.constraints = self.constraint;
        job.labels = self.label.into_iter().collect();
        job.idempotency_key = self.idempotency_key;
        job.not_before_ms = patience.delay.map(|delay| now_ms.saturating_add(delay));
        self.limits.apply(&mut job);
        patience.apply(&mut job)?;
        Ok(job)
    }
}

impl PatienceFlags {
    fn apply(self, job: &mut JobRequest) -> Result<(), Fault> {
        job.retry.attempts_max = self.attempts;
        job.retry.backoff = match self.backoff >= self.backoff_max {
            true => Backoff::Fixed { delay_ms: self.backoff_max },
            false => Backoff::Exponential { base_ms: self.backoff, delay_ms_max: self.backoff_max },
        };
        job.retry.retryable_exit_codes = self.retry_on;
        job.timeouts.attempt_ms = self.attempt_timeout;
        job.timeouts.queue_ms = self.queue_timeout;
        job.timeouts.job_ms = self.job_timeout;
        job.kill_signal = self.kill_signal.into();
        job.kill_grace_ms = self.kill_grace;
        job.output_tail_bytes = u32::try_from(self.output_tail)
            .map_err(|_| Fault::usage("submit a job: --output-tail is at most 64KiB"))?;
        Ok(())
    }
}

impl From<SignalName> for KillSignal {
    fn from(name: SignalName) -> Self {
        match name {
            SignalName::Term => Self::Term,
            SignalName::Int => Self::Int,
            SignalName::Hup => Self::Hup,
            SignalName::Quit => Self::Quit,
            SignalName::Usr1 => Self::Usr1,
            SignalName::Usr2 => Self::Usr2,
            SignalName::Kill => Self::Kill,
        }
    }
}
