//! From what a client may leave out to what the ledger stores: defaults filled in, one canonical form (R10).
//!
//! Owns the default name. Checks nothing: the ledger's own check has the last word.

use std::path::Path;

use quorla_client as client;
use quorla_ledger::{
    spec::{Backoff, Constraint, Demand, JobSpec, Kill, LabelTest, Resources, RetryPolicy, Timeouts},
    units::{Bytes, MilliCpu, Millis},
};

/// The ledger's specification of a client's job.
pub fn spec(job: client::JobRequest) -> JobSpec {
    let name = job.name.clone().unwrap_or_else(|| default_name(job.command.first()));
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
            constraints: job.constraints.into_iter().map(constraint).collect(),
        },
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
    fn the_same_job_in_two_encodings_is_the_same_specification() {
        let from_json: client::JobRequest = serde_json::from_str(r#"{"command": ["true"], "priority": 50}"#).unwrap();
        assert_eq!(spec(from_json), spec(client::JobRequest::new(["true"])));
    }
}
