//! Whether a specification is acceptable at all: the stateless checks, run by the proposer and again by apply.
//!
//! Pure over one value; upholds that nothing unbounded enters the ledger.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Backoff, Constraint, JobSpec, LabelTest};
use crate::{
    limits::{CPU_LIMIT_MILLI_MIN, Limit, MEMORY_LIMIT_BYTES_MIN, OPEN_FILES_LIMIT_MIN},
    units::{Bytes, Millis},
};

/// Why a specification is refused, whatever the state of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SpecFault {
    /// Over a named bound.
    TooMuch {
        /// The bound.
        limit: Limit,
        /// What was asked for.
        actual: u64,
    },
    /// There is no program to run.
    CommandIsEmpty,
    /// A job needs at least one slot.
    SlotsAreZero,
    /// A retry policy allows at least one attempt.
    AttemptsAreZero,
    /// The kill signal is zero.
    SignalIsZero,
    /// A name is empty or has a character other than letters, digits, `.`, `_`, `-`, `/`, `:` and blank.
    NameIsInvalid(String),
    /// A label or variable name is empty, or has `=` or a NUL in it.
    KeyIsInvalid(String),
    /// An argument, value or path has a NUL byte in it.
    HasNul,
    /// The working directory is not an absolute path.
    PathIsRelative(String),
    /// A variable that only the agent sets.
    VariableIsReserved(String),
    /// An array has at least one task, and its first index is not above its last.
    TasksAreEmpty,
    /// An array lets at least one task run.
    RunningIsZero,
    /// Less than anything can run with.
    TooLittle {
        /// What is bounded.
        limit: Limit,
        /// The least.
        least: u64,
        /// What was asked for.
        actual: u64,
    },
    /// The user to run as is empty or holds a NUL byte.
    UserIsInvalid(String),
    /// A label that only nodes themselves set.
    LabelIsReserved(String),
    /// A label that is to be set and removed in one request.
    LabelIsAmbiguous(String),
}

type Checked = Result<(), SpecFault>;

impl JobSpec {
    /// Checks every bound.
    ///
    /// # Errors
    /// The first fault found.
    pub fn check(&self) -> Checked {
        name(&self.name)?;
        name(&self.queue)?;
        within(Limit::Priority, u64::from(self.priority))?;
        self.check_command()?;
        self.check_environment()?;
        within(Limit::StdinBytes, len(self.stdin.len()))?;
        self.check_demand()?;
        self.check_limits()?;
        self.check_retry()?;
        self.check_spans()?;
        if self.kill.signal == 0 {
            return Err(SpecFault::SignalIsZero);
        }
        within(Limit::Signal, u64::from(self.kill.signal))?;
        within(Limit::OutputTailBytes, self.output_tail_max.0)?;
        labels(&self.labels)
    }

    fn check_command(&self) -> Checked {
        if self.command.first().is_none_or(String::is_empty) {
            return Err(SpecFault::CommandIsEmpty);
        }
        within(Limit::Arguments, len(self.command.len()))?;
        within(Limit::ArgumentBytes, self.command.iter().map(|argument| len(argument.len()) + 1).sum())?;
        self.command.iter().try_for_each(|argument| no_nul(argument))
    }

    fn check_environment(&self) -> Checked {
        within(Limit::EnvVars, len(self.env.len()))?;
        within(Limit::EnvBytes, self.env.iter().map(|(key, value)| len(key.len() + value.len()) + 2).sum())?;
        for (variable, value) in &self.env {
            key(variable)?;
            no_nul(value)?;
            if variable.starts_with("QUORLA") {
                return Err(SpecFault::VariableIsReserved(variable.clone()));
            }
        }
        let Some(path) = &self.working_dir else {
            return Ok(());
        };
        within(Limit::PathBytes, len(path.len()))?;
        no_nul(path)?;
        if path.starts_with('/') { Ok(()) } else { Err(SpecFault::PathIsRelative(path.clone())) }
    }

    fn check_demand(&self) -> Checked {
        if self.demand.resources.slots == 0 {
            return Err(SpecFault::SlotsAreZero);
        }
        within(Limit::Slots, u64::from(self.demand.resources.slots))?;
        within(Limit::Constraints, len(self.demand.constraints.len()))?;
        self.demand.constraints.iter().try_for_each(constraint)?;
        // Different demands stay in memory, up to `DEMANDS_MAX` of them.
        within(Limit::ConstraintBytes, self.demand.constraints.iter().map(constraint_bytes).sum())
    }

    fn check_limits(&self) -> Checked {
        let limits = &self.limits;
        let bytes = |bytes: Option<Bytes>| bytes.map(|bytes| bytes.0);
        between(Limit::CpuLimitMilli, CPU_LIMIT_MILLI_MIN, limits.cpu.map(|cpu| cpu.0))?;
        between(Limit::MemoryLimitBytes, MEMORY_LIMIT_BYTES_MIN, bytes(limits.memory))?;
        between(Limit::ProcessesLimit, 1, limits.processes.map(u64::from))?;
        between(Limit::OpenFilesLimit, OPEN_FILES_LIMIT_MIN, limits.open_files.map(u64::from))?;
        between(Limit::FileLimitBytes, 0, bytes(limits.file))?;
        between(Limit::CoreLimitBytes, 0, bytes(limits.core))?;
        let Some(user) = &self.run_as else {
            return Ok(());
        };
        within(Limit::UserBytes, len(user.len()))?;
        if user.is_empty() || user.contains('\0') { Err(SpecFault::UserIsInvalid(user.clone())) } else { Ok(()) }
    }

    fn check_retry(&self) -> Checked {
        if self.retry.attempts_max == 0 {
            return Err(SpecFault::AttemptsAreZero);
        }
        within(Limit::Attempts, u64::from(self.retry.attempts_max))?;
        within(Limit::JitterPercent, u64::from(self.retry.jitter_percent))?;
        within(Limit::RetryableExitCodes, len(self.retry.exit_codes.len()))
    }

    fn check_spans(&self) -> Checked {
        let (base, max) = match self.retry.backoff {
            Backoff::Fixed(pause) => (pause, pause),
            Backoff::Exponential { base, max } => (base, max),
        };
        let timeouts = [self.timeouts.queue, self.timeouts.attempt, self.timeouts.job];
        let spans = [Some(base), Some(max), Some(self.kill.grace)];
        timeouts.into_iter().chain(spans).flatten().try_for_each(|Millis(span)| within(Limit::SpanMs, span))
    }
}

/// Checks the labels of a job or a node.
///
/// # Errors
/// The first fault found.
pub fn labels(labels: &BTreeMap<String, String>) -> Checked {
    within(Limit::Labels, len(labels.len()))?;
    for (label, value) in labels {
        key(label)?;
        no_nul(value)?;
        within(Limit::LabelBytes, len(label.len()))?;
        within(Limit::LabelBytes, len(value.len()))?;
    }
    Ok(())
}

/// Checks the name of a job, a queue or a node.
///
/// # Errors
/// The first fault found.
pub fn name(name: &str) -> Checked {
    within(Limit::NameBytes, len(name.len()))?;
    let allowed = |c: char| c.is_alphanumeric() || "._-/: ".contains(c);
    if name.is_empty() || !name.chars().all(allowed) {
        return Err(SpecFault::NameIsInvalid(name.to_owned()));
    }
    Ok(())
}

/// Checks a quantity against its bound.
///
/// # Errors
/// [`SpecFault::TooMuch`] with the bound's name.
pub const fn within(limit: Limit, actual: u64) -> Checked {
    if actual > limit.max() { Err(SpecFault::TooMuch { limit, actual }) } else { Ok(()) }
}

fn between(limit: Limit, least: u64, actual: Option<u64>) -> Checked {
    match actual {
        Some(actual) if actual < least => Err(SpecFault::TooLittle { limit, least, actual }),
        actual => within(limit, actual.unwrap_or(0)),
    }
}

fn constraint(constraint: &Constraint) -> Checked {
    key(&constraint.label)?;
    within(Limit::LabelBytes, len(constraint.label.len()))?;
    let values = values(constraint);
    within(Limit::ConstraintValues, len(values.len()))?;
    values.iter().try_for_each(|value| within(Limit::LabelBytes, len(value.len())))
}

fn constraint_bytes(constraint: &Constraint) -> u64 {
    len(constraint.label.len()) + values(constraint).iter().map(|value| len(value.len())).sum::<u64>()
}

fn values(constraint: &Constraint) -> &[String] {
    match &constraint.test {
        LabelTest::Is(value) | LabelTest::IsNot(value) => std::slice::from_ref(value),
        LabelTest::In(values) => values,
        LabelTest::Exists => &[],
    }
}

fn key(key: &str) -> Checked {
    if key.is_empty() || key.contains(['=', '\0']) { Err(SpecFault::KeyIsInvalid(key.to_owned())) } else { Ok(()) }
}

pub(crate) fn no_nul(text: &str) -> Checked {
    if text.contains('\0') { Err(SpecFault::HasNul) } else { Ok(()) }
}

pub(crate) fn len(len: usize) -> u64 {
    u64::try_from(len).expect("a length fits 64 bits")
}
