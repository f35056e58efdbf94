//! From what a client may leave out to what the ledger stores: defaults filled in, one canonical form (R10).
//!
//! Owns the default name. Checks nothing: the ledger's own check has the last word.

use std::path::Path;

use quorla_client as client;
use quorla_ledger::{
    spec::{Backoff, Constraint, Demand, JobSpec, Kill, LabelTest, Limits, Resources, RetryPolicy, Timeouts},
    units::{Bytes, MilliCpu, Millis},
};

use crate::abilities;

/// The ledger's specification of a client's job.
pub fn spec(job: client::JobRequest) -> JobSpec {
    let name = job.name.clone().unwrap_or_else(|| default_name(job.command.first()));
    let abilities = abilities::needed(&job.limits, job.run_as.as_deref());
    JobSpec {
        name,
        queue: job.queue,
        priority: job.priority,
        command: job.command,
        env: job.env,
        working_dir: job.working_directory,
        stdin: job.stdin.into_bytes(),
        demand: Demand {
            resources: resources(job.resources),
            constraints: job.constraints.into_iter().map(constraint).chain(abilities).collect(),
        },
        limits: limits(job.limits),
        run_as: job.run_as,
        retry: retry(job.retry),
        timeouts: timeouts(job.timeouts),
        not_before: job.not_before_ms.map(Millis),
        kill: Kill { signal: signal(job.kill_signal), grace: Millis(job.kill_grace_ms) },
        output_tail_max: Bytes(job.output_tail_bytes.into()),
        labels: job.labels,
    }
}

/// The program's file name, as far as it can be a name.
fn default_name(program: Option<&String>) -> String {
    let file = program.and_then(|program| Path::new(program).file_name()).and_then(|file| file.to_str());
    let mut plain: String = file.unwrap_or("job").chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
    plain.truncate(plain.floor_char_boundary(client::limits::NAME_BYTES_MAX));
    plain
}

const fn resources(resources: client::Resources) -> Resources {
    Resources {
        cpu: MilliCpu(resources.cpu_milli as u64),
        memory: Bytes(resources.memory_bytes),
        slots: resources.slots,
    }
}

fn limits(limits: client::Limits) -> Limits {
    Limits {
        cpu: limits.cpu_milli.map(|milli| MilliCpu(milli.into())),
        memory: limits.memory_bytes.map(Bytes),
        processes: limits.processes,
        open_files: limits.open_files,
        file: limits.file_bytes.map(Bytes),
        core: limits.core_bytes.map(Bytes),
    }
}

fn shown_limits(limits: &Limits) -> client::Limits {
    client::Limits {
        cpu_milli: limits.cpu.map(|cpu| u32::try_from(cpu.0).unwrap_or(u32::MAX)),
        memory_bytes: limits.memory.map(|bytes| bytes.0),
        processes: limits.processes,
        open_files: limits.open_files,
        file_bytes: limits.file.map(|bytes| bytes.0),
        core_bytes: limits.core.map(|bytes| bytes.0),
    }
}

fn constraint(constraint: client::Constraint) -> Constraint {
    let test = match constraint.rule {
        client::LabelRule::Equals(value) => LabelTest::Is(value),
        client::LabelRule::NotEquals(value) => LabelTest::IsNot(value),
        client::LabelRule::In(values) => LabelTest::In(values),
        client::LabelRule::Exists => LabelTest::Exists,
    };
    Constraint { label: constraint.label, test }
}

/// The same constraint as a client writes it.
pub(super) fn shown_constraint(constraint: &Constraint) -> client::Constraint {
    let rule = match constraint.test.clone() {
        LabelTest::Is(value) => client::LabelRule::Equals(value),
        LabelTest::IsNot(value) => client::LabelRule::NotEquals(value),
        LabelTest::In(values) => client::LabelRule::In(values),
        LabelTest::Exists => client::LabelRule::Exists,
    };
    client::Constraint { label: constraint.label.clone(), rule }
}

/// What a client asked for beside the command, as a client writes it.
pub(super) fn shown_terms(spec: JobSpec) -> client::JobTerms {
    let JobSpec { env, working_dir, stdin, demand, retry, timeouts, not_before, kill, output_tail_max, .. } = spec;
    client::JobTerms {
        limits: shown_limits(&spec.limits),
        run_as: spec.run_as,
        env,
        working_directory: working_dir,
        stdin_bytes: u64::try_from(stdin.len()).unwrap_or(u64::MAX),
        resources: client::Resources {
            cpu_milli: u32::try_from(demand.resources.cpu.0).unwrap_or(u32::MAX),
            memory_bytes: demand.resources.memory.0,
            slots: demand.resources.slots,
        },
        constraints: demand.constraints.iter().map(shown_constraint).collect(),
        retry: shown_retry(retry),
        timeouts: client::Timeouts {
            queue_ms: timeouts.queue.map(|span| span.0),
            attempt_ms: timeouts.attempt.map(|span| span.0),
            job_ms: timeouts.job.map(|span| span.0),
        },
        not_before_ms: not_before.map(|at| at.0),
        kill_signal: SIGNALS.into_iter().find(|named| signal(*named) == kill.signal),
        kill_grace_ms: kill.grace.0,
        output_tail_bytes: output_tail_max.0,
    }
}

fn shown_retry(policy: RetryPolicy) -> client::RetryPolicy {
    let backoff = match policy.backoff {
        Backoff::Fixed(delay) => client::Backoff::Fixed { delay_ms: delay.0 },
        Backoff::Exponential { base, max } => client::Backoff::Exponential { base_ms: base.0, delay_ms_max: max.0 },
    };
    client::RetryPolicy {
        attempts_max: policy.attempts_max,
        backoff,
        jitter_percent: policy.jitter_percent,
        retryable_exit_codes: policy.exit_codes,
    }
}

fn retry(policy: client::RetryPolicy) -> RetryPolicy {
    let backoff = match policy.backoff {
        client::Backoff::Fixed { delay_ms } => Backoff::Fixed(Millis(delay_ms)),
        client::Backoff::Exponential { base_ms, delay_ms_max } => {
            Backoff::Exponential { base: Millis(base_ms), max: Millis(delay_ms_max) }
        }
    };
    RetryPolicy {
        attempts_max: policy.attempts_max,
        backoff,
        jitter_percent: policy.jitter_percent,
        exit_codes: policy.retryable_exit_codes,
    }
}

fn timeouts(timeouts: client::Timeouts) -> Timeouts {
    Timeouts {
        queue: timeouts.queue_ms.map(Millis),
        attempt: timeouts.attempt_ms.map(Millis),
        job: timeouts.job_ms.map(Millis),
    }
}

/// Those that a client can name.
const SIGNALS: [client::KillSignal; 7] = [
    client::KillSignal::Hup,
    client::KillSignal::Int,
    client::KillSignal::Quit,
    client::KillSignal::Kill,
    client::KillSignal::Usr1,
    client::KillSignal::Usr2,
    client::KillSignal::Term,
];

/// Signal numbers of Linux.
const fn signal(signal: client::KillSignal) -> u8 {
    match signal {
        client::KillSignal::Hup => 1,
        client::KillSignal::Int => 2,
        client::KillSignal::Quit => 3,
        client::KillSignal::Kill => 9,
        client::KillSignal::Usr1 => 10,
        client::KillSignal::Usr2 => 12,
        client::KillSignal::Term => 15,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_says_nothing_but_its_command_passes_the_ledgers_check() {
        let wide = "\u{4e2d}".repeat(64);
        for program in ["true", "/usr/bin/env", "./weird name!", "/", &wide] {
            let spec = spec(client::JobRequest::new([program]));
            assert_eq!(spec.check(), Ok(()), "{program}");
        }
    }

    #[test]
    fn the_terms_of_a_job_are_shown_as_they_were_given() {
        let mut job = client::JobRequest::new(["cat"]).stdin(vec![0; 3]).env("A", "b");
        job.constraints = vec!["zone in (a, b)".parse().unwrap(), "gpu exists".parse().unwrap()];
        job.resources = client::Resources { cpu_milli: 500, memory_bytes: 1 << 20, slots: 2 };
        job.retry.backoff = client::Backoff::Fixed { delay_ms: 7 };
        job.retry.retryable_exit_codes = vec![75];
        job.timeouts.attempt_ms = Some(9);
        job.limits = client::Limits { open_files: Some(4), core_bytes: Some(1), ..client::Limits::default() };
        job.kill_signal = client::KillSignal::Usr2;
        let shown = shown_terms(spec(job.clone()));
        assert_eq!((shown.env, shown.stdin_bytes, shown.resources), (job.env, 3, job.resources));
        assert_eq!((shown.constraints, shown.retry, shown.timeouts), (job.constraints, job.retry, job.timeouts));
        assert_eq!((shown.limits, shown.run_as), (job.limits, None));
        assert_eq!((shown.kill_signal, shown.kill_grace_ms), (Some(job.kill_signal), job.kill_grace_ms));
    }

    #[test]
    fn the_same_job_in_two_encodings_is_the_same_specification() {
        let from_json: client::JobRequest = serde_json::from_str(r#"{"command": ["true"], "priority": 50}"#).unwrap();
        assert_eq!(spec(from_json), spec(client::JobRequest::new(["true"])));
    }
}
